"""Programs in which `root` reaches experiments, each with the experiments that a call of it really runs.

Each is the source of a module ``shop.main``. `experiment` is there. It may import ``shop.other``, which belongs to the
same package, and ``lib``, which belongs to nobody here.
"""

import builtins
import inspect
import io
import linecache
import os
import sys
from types import ModuleType
from typing import NoReturn

import pytest

from spearmint import experiment
from spearmint.discovery import calls_in_source
from spearmint.discovery.reach.table_store import table_store
from spearmint.planning.select import prepare

OTHER = """
from spearmint import experiment

@experiment
def search(): return "other"

def helper(): return search()

class Ranker:
    @experiment
    def score(self): return 1

    def rank(self): return self.score()

ranker = Ranker()
"""

LIB = """
import functools
from spearmint import experiment

def call(function, *args): return function(*args)

def logged(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs): return function(*args, **kwargs)
    return wrapper

def bare(function):
    def wrapper(*args, **kwargs): return function(*args, **kwargs)
    return wrapper

class Client:
    def get(self): return self.fetch()
    def fetch(self): return 0

@experiment
def model(): return 1
"""

# What the static graph finds, all of it called.
PROGRAMS = {
    "a global": (
        """
@experiment
def inner(): return 1
@experiment
def root(): return inner()
""",
        "inner",
    ),
    "an alias": (
        """
@experiment
def inner(): return 1
other_name = inner
@experiment
def root(): return other_name()
""",
        "inner",
    ),
    "an import alias": (
        """
from shop.other import search as find
@experiment
def root(): return find()
""",
        "search",
    ),
    "an attribute of a module": (
        """
import shop.other
@experiment
def root(): return shop.other.search()
""",
        "search",
    ),
    "an import in the body": (
        """
@experiment
def root():
    from shop.other import search
    import shop.other as o
    return search(), o.ranker.score()
""",
        "search Ranker.score",
    ),
    "a relative import in the body": (
        """
@experiment
def root():
    from .other import search as s
    from . import other
    return s(), other.helper()
""",
        "search",
    ),
    "two functions of one name": (
        """
from shop import other
@experiment
def search(): return 1
@experiment
def root(): return search(), other.helper()
""",
        "search search",
    ),
    "one function of two that have one name": (
        """
from shop import other
@experiment
def search(): return 1
@experiment
def root(): return other.helper()
""",
        "search",
    ),
    "plain functions in between": (
        """
@experiment
def inner(): return 1
def one(): return two()
def two(): return inner()
@experiment
def root(): return one()
""",
        "inner",
    ),
    "a plain function of another module": (
        """
from shop.other import helper
@experiment
def root(): return helper()
""",
        "search",
    ),
    "experiments below experiments": (
        """
@experiment
def innermost(): return 1
def plain(): return innermost()
@experiment
def inner(): return plain()
@experiment
def root(): return inner()
""",
        "inner innermost",
    ),
    "recursion and a cycle": (
        """
@experiment
def inner(n): return root(n - 1) if n else 0
def ping(n): return pong(n)
def pong(n): return ping(n - 1) if n > 9 else inner(n)
@experiment
def root(n=1): return ping(n)
""",
        "inner root",
    ),
    "self": (
        """
class Shop:
    @experiment
    def inner(self): return 1
    def plain(self): return self.inner()
    @experiment
    def root(self): return self.plain()
root = Shop().root
""",
        "Shop.inner",
    ),
    "self in a subclass that overrides": (
        """
class Base:
    @experiment
    def inner(self): return 1
    @experiment
    def root(self): return self.inner()
class Shop(Base):
    @experiment
    def inner(self): return 2
root = Shop().root
""",
        "Shop.inner",
    ),
    "self in a subclass that does not": (
        """
class Base:
    @experiment
    def inner(self): return 1
    @experiment
    def root(self): return self.inner()
class Shop(Base): pass
root = Shop().root
""",
        "Base.inner",
    ),
    "a private method": (
        """
class Shop:
    @experiment
    def __inner(self): return 1
    @experiment
    def root(self): return self.__inner()
root = Shop().root
""",
        "Shop.__inner",
    ),
    "super": (
        """
class Base:
    @experiment
    def inner(self): return 1
class Shop(Base):
    def inner(self): return super().inner()
    @experiment
    def root(self): return self.inner()
root = Shop().root
""",
        "Base.inner",
    ),
    "super with its arguments": (
        """
class Base:
    @experiment
    def inner(self): return 1
class Shop(Base):
    def inner(self): return super(Shop, self).inner()
    @experiment
    def root(self): return self.inner()
root = Shop().root
""",
        "Base.inner",
    ),
    "the class of the receiver": (
        """
class Shop:
    @experiment
    @classmethod
    def inner(cls): return 1
    @experiment
    def root(self): return type(self).inner()
root = Shop().root
""",
        "Shop.inner",
    ),
    "super along a diamond": (
        """
class Base:
    @experiment
    def inner(self): return 1
class Left(Base):
    def inner(self): return super().inner()
class Right(Base):
    @experiment
    def inner(self): return 2
class Shop(Left, Right):
    @experiment
    def root(self): return self.inner()
root = Shop().root
""",
        "Right.inner",
    ),
    "cls": (
        """
class Shop:
    @experiment
    @classmethod
    def inner(cls): return 1
    @classmethod
    def plain(cls): return cls.inner()
    @experiment
    @classmethod
    def root(cls): return cls.plain()
root = Shop.root
""",
        "Shop.inner",
    ),
    "a class method below a decorator of methods": (
        """
class Shop:
    @classmethod
    @experiment
    def inner(cls): return 1
    @experiment
    def root(self): return type(self).inner(), self.__class__.inner()
root = Shop().root
""",
        "Shop.inner",
    ),
    "a static method": (
        """
class Shop:
    @experiment
    @staticmethod
    def inner(): return 1
    @experiment
    def root(self): return self.inner(), Shop.inner()
root = Shop().root
""",
        "Shop.inner",
    ),
    "a method through its class": (
        """
class Shop:
    @experiment
    def inner(self): return 1
@experiment
def root(): return Shop.inner(None)
""",
        "Shop.inner",
    ),
    "a property on the way": (
        """
class Part:
    @experiment
    def inner(self): return 1
class Shop:
    @property
    @experiment
    def part(self): return Part()
    @experiment
    def root(self): return self.part.__class__.__name__.upper()
root = Shop().root
""",
        "Shop.part",
    ),
    "an attribute of the instance": (
        """
class Ranker:
    @experiment
    def score(self): return 1
class Shop:
    def __init__(self): self.ranker = Ranker()
    @experiment
    def root(self): return self.ranker.score()
root = Shop().root
""",
        "Ranker.score",
    ),
    "a function in an attribute of the instance": (
        """
@experiment
def score(): return 1
class Shop:
    def __init__(self): self.score = score
    @experiment
    def root(self): return self.score()
root = Shop().root
""",
        "score",
    ),
    "an instance held in a global": (
        """
class Ranker:
    def __init__(self, scorer): self.scorer = scorer
    def rank(self): return self.scorer.score()
class Scorer:
    @experiment
    def score(self): return 1
ranker = Ranker(Scorer())
@experiment
def root(): return ranker.rank()
""",
        "Scorer.score",
    ),
    "an instance of another module": (
        """
from shop import other
@experiment
def root(): return other.ranker.rank()
""",
        "Ranker.score",
    ),
    "a namespace": (
        """
from types import SimpleNamespace
@experiment
def inner(): return 1
steps = SimpleNamespace(score=inner)
@experiment
def root(): return steps.score()
""",
        "inner",
    ),
    "an instance with slots": (
        """
class Ranker:
    __slots__ = ("score",)
@experiment
def score(): return 1
ranker = Ranker()
ranker.score = score
@experiment
def root(): return ranker.score()
""",
        "score",
    ),
    "an instance that is called": (
        """
class Ranker:
    @experiment
    def __call__(self): return 1
ranker = Ranker()
@experiment
def root(): return ranker()
""",
        "Ranker.__call__",
    ),
    "a class that is instantiated": (
        """
class Ranker:
    def __init__(self): self.warm_up()
    def __new__(cls): return cls.make()
    @classmethod
    def make(cls): return first(cls)
    @experiment
    def warm_up(self): return 1
@experiment
def first(cls): return object.__new__(cls)
@experiment
def root(): return str(Ranker())
""",
        "first Ranker.warm_up",
    ),
    "a method of a new instance": (
        """
class Ranker:
    @experiment
    def score(self): return 1
@experiment
def root(): return Ranker().score()
""",
        "Ranker.score",
    ),
    "a dataclass": (
        """
from dataclasses import dataclass
@dataclass
class Ranker:
    k: int = 1
    def __post_init__(self): inner()
@experiment
def inner(): return 1
@experiment
def root(): return Ranker(2)
""",
        "inner",
    ),
    "a closure": (
        """
def make():
    @experiment
    def inner(): return 1
    @experiment
    def outer(): return inner()
    return outer
root = make()
""",
        "make.<locals>.inner",
    ),
    "a closure whose cell is filled later": (
        """
def make():
    @experiment
    def outer(): return helper()
    def helper(): return inner()
    @experiment
    def inner(): return 1
    return outer
root = make()
""",
        "make.<locals>.inner",
    ),
    "a nested function": (
        """
@experiment
def inner(): return 1
@experiment
def root():
    def one():
        def two(): return inner()
        return two()
    return one()
""",
        "inner",
    ),
    "a nested function that uses the receiver": (
        """
class Shop:
    @experiment
    def inner(self): return 1
    @experiment
    def root(self):
        def one(): return self.inner()
        return one()
root = Shop().root
""",
        "Shop.inner",
    ),
    "a lambda": (
        """
@experiment
def inner(x): return x
@experiment
def root(): return list(map(lambda x: inner(x), [1]))
""",
        "inner",
    ),
    "a comprehension": (
        """
@experiment
def inner(x): return x
@experiment
def key(x): return x
@experiment
def root(): return [inner(x) for x in (1, 2)], {key(x): 1 for x in (1,)}
""",
        "inner key",
    ),
    "a function that is handed on": (
        """
import lib
@experiment
def inner(x): return x
def plain(x): return inner(x)
@experiment
def key(x): return x
@experiment
def root(): return lib.call(plain, 1), sorted([1], key=key)
""",
        "inner key",
    ),
    "a bound method that is handed on": (
        """
class Ranker:
    @experiment
    def score(self, x): return 1
ranker = Ranker()
@experiment
def root(): return list(map(ranker.score, [1]))
""",
        "Ranker.score",
    ),
    "a partial": (
        """
from functools import partial
@experiment
def inner(x): return x
@experiment
def other(x): return x
held = partial(inner, 1)
@experiment
def root(): return held(), partial(other, 1)()
""",
        "inner other",
    ),
    "a partial around a callable": (
        """
import lib
from functools import partial
@experiment
def inner(): return 1
held = partial(lib.call, inner)
@experiment
def root(): return held()
""",
        "inner",
    ),
    "a default": (
        """
@experiment
def inner(): return 1
def plain(function=inner, *, other=inner): return function()
@experiment
def root(): return plain()
""",
        "inner",
    ),
    "a decorated experiment": (
        """
import lib
@lib.logged
@experiment
def inner(): return 1
@lib.bare
@experiment
def other(): return 1
@experiment
def root(): return inner(), other()
""",
        "inner other",
    ),
    "a decorated function in between": (
        """
import lib, functools
@experiment
def inner(): return 1
@experiment
def other(): return 1
@experiment
def third(): return 1
@lib.logged
def one(): return inner()
@lib.bare
def two(): return other()
@functools.lru_cache
def three(): return third()
@experiment
def root(): return one(), two(), three()
""",
        "inner other third",
    ),
    "a decorator inside": (
        """
@experiment
@(lambda function: lambda: function())
def root(): return inner()
@experiment
def inner(): return 1
""",
        "inner",
    ),
    "an experiment of a library": (
        """
import lib
@experiment
def root(): return lib.model()
""",
        "model",
    ),
    "a class of a library that is derived from": (
        """
import lib
class Shop(lib.Client):
    @experiment
    def fetch(self): return 1
    def get(self): return self.fetch()
shop = Shop()
@experiment
def root(): return shop.get()
""",
        "Shop.fetch",
    ),
    "a generator": (
        """
@experiment
def inner(): yield 1
@experiment
def root(): return [*inner()]
""",
        "inner",
    ),
    "a conditional callee": (
        """
@experiment
def inner(): return 1
@experiment
def other(): return None
@experiment
def root(): return (other() or inner()), (inner if other() else inner)()
""",
        "inner other",
    ),
    "arguments that are unpacked": (
        """
@experiment
def inner(*args): return 1
@experiment
def root(): return inner(*[1], **{})
""",
        "inner",
    ),
    "a name that a local hides": (
        """
@experiment
def inner(): return 1
@experiment
def other(): return 1
@experiment
def root():
    inner = other
    return other()
""",
        "other",
    ),
    "a function that is only named": (
        """
@experiment
def inner(): return 1
@experiment
def other(): return 1
@experiment
def root():
    return other() if inner is not None else 0
""",
        "other",
    ),
    "try, with and match": (
        """
import contextlib
@experiment
def one(): raise KeyError
@experiment
def two(): return 1
@experiment
def three(): return 1
@experiment
def four(): return 1
@contextlib.contextmanager
def managed(): yield four()
@experiment
def root():
    try:
        one()
    except KeyError:
        two()
    finally:
        three()
    with managed() as x:
        match x:
            case 1: return 1
""",
        "one two three four",
    ),
}

# What only the running program knows. The experiments that are found all the same come after the bar.
UNSEEN = {
    "a dict": (
        """
@experiment
def inner(): return 1
table = {"a": inner}
@experiment
def root(): return table["a"]()
""",
        "inner|",
    ),
    "a local variable": (
        """
@experiment
def inner(): return 1
@experiment
def root():
    name = inner
    return name()
""",
        "inner|",
    ),
    "getattr": (
        """
from shop import other
@experiment
def root(): return getattr(other, "sea" + "rch")()
""",
        "search|",
    ),
    "a parameter": (
        """
@experiment
def inner(): return 1
def plain(function): return function()
functions = [inner]
@experiment
def root(): return plain(functions[0])
""",
        "inner|",
    ),
    "a result": (
        """
@experiment
def inner(): return 1
def choose(): return inner
@experiment
def root(): return choose()()
""",
        "inner|",
    ),
    "a callback of a library": (
        """
import lib
class Shop(lib.Client):
    @experiment
    def fetch(self): return 1
shop = Shop()
@experiment
def root(): return shop.get()
""",
        "Shop.fetch|",
    ),
    "a module that answers for its names": (
        """
from shop import other
@experiment
def inner(): return 1
other.__getattr__ = {"lazy": inner}.__getitem__
@experiment
def root(): return other.lazy()
""",
        "inner|",
    ),
    "a property's result": (
        """
class Shop:
    @property
    def part(self): return inner
    @experiment
    def root(self): return self.part()
@experiment
def inner(): return 1
root = Shop().root
""",
        "inner|",
    ),
    "an operator": (
        """
class Number:
    @experiment
    def __add__(self, other): return 1
one = Number()
@experiment
def below(): return 1
@experiment
def root(): return one + 1, below()
""",
        "Number.__add__ below|below",
    ),
}


def load(source: str, *, leaves_tables: bool) -> ModuleType:
    """Run a program as ``shop.main``, with its modules new each time.

    Args:
        source: One of the above.
        leaves_tables: Whether the call tables of its AST are left, as instrumenting does; else there is only its code.
    """
    texts = {"lib": LIB, "shop": "", "shop.other": OTHER, "shop.main": source}
    modules = {name: ModuleType(name) for name in texts}
    for name, text in texts.items():
        module = modules[name]
        module.__package__ = name.partition(".")[0]
        sys.modules[name] = module
        table_store.forget_tables(name)
        if leaves_tables:
            table_store.put(name, calls_in_source(text, name))
        if "." in name:
            setattr(modules["shop"], name.partition(".")[2], module)
        vars(module)["experiment"] = experiment
        exec(compile(text, name, "exec"), vars(module))
    return modules["shop.main"]


def unload() -> None:
    """Forget the modules of the program."""
    for name in ("lib", "shop", "shop.other", "shop.main"):
        sys.modules.pop(name, None)
        table_store.forget_tables(name)


def forbid_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every way to a function's source fail; what the first declaration imports is imported before."""
    prepare()

    def refuse(*_: object, **__: object) -> NoReturn:
        raise AssertionError("somebody reads source")

    for owner, name in (
        (inspect, "getsource"),
        (inspect, "getsourcelines"),
        (inspect, "findsource"),
        (linecache, "getline"),
        (linecache, "getlines"),
        (linecache, "updatecache"),
        (builtins, "open"),
        (io, "open"),
        (os, "open"),
    ):
        monkeypatch.setattr(owner, name, refuse)
