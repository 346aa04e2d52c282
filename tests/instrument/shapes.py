"""Definitions of every shape, and what rewriting them must give."""

import ast
import sys
import textwrap
from types import CodeType

from spearmint.instrument.rewrite.ast_rewrite import rewrite_tree
from spearmint.instrument.rewrite.bytecode_rewrite import rewrite_code

DOORS = ("source", "code")

SHAPES = '''
"""A docstring."""
from __future__ import annotations

import functools
from typing import overload


def deco(f):
    return f


def plain(a, b=2, /, c=3, *args, d: int = 4, **rest) -> int:
    """Adds."""
    return a + b + c + d


@deco
@functools.lru_cache(
    maxsize=None,
)
def decorated(a):
    return a


class Base:
    def __init_subclass__(cls, **options):
        super().__init_subclass__()
        cls.options = options

    def __class_getitem__(cls, key):
        return key

    def __new__(cls):
        return super().__new__(cls)


class Child(Base, flag=1):
    @property
    def size(self):
        return self._size

    @size.setter
    def size(self, value):
        self._size = value

    @functools.cached_property
    def once(self):
        return self.__hidden()

    @staticmethod
    def still(a):
        return a

    @classmethod
    def whole(cls):
        return super().__class_getitem__(cls)

    def __hidden(self):
        return __class__.__name__

    class Inner:
        def deep(self):
            return 1


@overload
def many(a: int) -> int: ...
@overload
def many(a: str) -> str: ...
def many(a):
    return a


def outer(y):
    def inner(a, b=y):
        return a + y

    return inner


async def coroutine(a):
    return a


def generator(a):
    received = yield a
    return received


async def stream(a):
    yield a


try:
    raise ValueError
except ValueError:

    def handler(a):
        return a
finally:

    def last(a):
        return a


if 0:

    def chosen():
        pass
else:

    def chosen(a):
        return a


def chosen(b):
    return b


for _ in range(2):

    def looped(a):
        return a


lam = lambda a: a
'''


DECLARED = [
    "m:deco",
    "m:plain",
    "m:decorated",
    "m:Base.__init_subclass__",
    "m:Base.__class_getitem__",
    "m:Base.__new__",
    "m:Child.size",
    "m:Child.size#2",
    "m:Child.once",
    "m:Child.still",
    "m:Child.whole",
    "m:Child.__hidden",
    "m:Child.Inner.deep",
    "m:many#3",
    "m:outer",
    "m:coroutine",
    "m:generator",
    "m:stream",
    "m:handler",
    "m:last",
    "m:chosen",
    "m:chosen#2",
    "m:looped",
    "m:looped",
    "m:outer.<locals>.inner",
]


class Namespace(dict):
    """What a module's code has defined."""

    def __getattr__(self, name):
        return self[name]


def rewritten(source, door, is_target, *, optimize=-1):
    """Return the code of a rewritten module, and the names that are wrapped."""
    source = textwrap.dedent(source)
    if door == "source":
        found = rewrite_tree(ast.parse(source), is_target, optimize=optimize)
        return compile(found.tree, "<m>", "exec", dont_inherit=True, optimize=optimize), found.wrapped
    code = compile(source, "<m>", "exec", dont_inherit=True, optimize=optimize)
    found = rewrite_code(code, is_target)
    return found.code, found.wrapped


def every(name, parameters):
    return True


def codes(code):
    yield code
    for one in code.co_consts:
        if isinstance(one, CodeType):
            yield from codes(one)


def run(code):
    namespace = Namespace(__name__="m")
    exec(code, namespace)
    return namespace


def lines_of(code):
    """Return every line of a module's code that runs when it is executed, with the name of what runs it."""
    seen = set()

    def trace(frame, event, argument):
        if frame.f_code.co_filename != "<m>":
            return None
        seen.add((frame.f_code.co_name, frame.f_lineno))
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        exec(code, {"__name__": "m"})
    finally:
        sys.settrace(before)
    return seen


def facts(code):
    """Return what rewriting must leave as it is, for a code object and those in it."""
    return {(one.co_qualname, one.co_firstlineno, one.co_flags, one.co_varnames) for one in codes(code)}
