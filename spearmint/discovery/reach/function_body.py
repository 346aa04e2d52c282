"""What the body of a function names, with all that is defined in it, kept for each code object."""

import dis
import weakref
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import CodeType, FunctionType
from typing import Any

from spearmint.discovery.bytecode.extract import calls_in_code
from spearmint.discovery.call_table import CallSite, CallTable
from spearmint.discovery.cpython import is_supported
from spearmint.discovery.reach.table_store import module_of, table_store
from spearmint.discovery.table_builder import is_hidden

_IMPORT_NAME = dis.opmap["IMPORT_NAME"]


@dataclass(frozen=True, slots=True)
class Site:
    """A call site, taken apart.

    Attributes:
        root: The name that the target begins with.
        path: The attributes that follow it.
        called: The attributes that follow a call of these, where the target is chained: none for `f()(x)`. None where
            it is not.
        target: The whole name.
        place: Line of the call, counted from 1, and column; what is handed to a call has its place.
        is_reference: Whether the name is an argument, to be called by other code.
    """

    root: str
    path: tuple[str, ...]
    called: tuple[str, ...] | None
    target: str
    place: tuple[int, int]
    is_reference: bool


@dataclass(frozen=True, slots=True)
class Imported:
    """A name that a body imports.

    Attributes:
        module: The module, as the statement names it.
        level: How many dots stand before it.
        attribute: What is taken from it; None for the module itself, `""` for the package at its root.
    """

    module: str
    level: int
    attribute: str | None


@dataclass(frozen=True, slots=True)
class CodeScope:
    """One scope of a body.

    Attributes:
        sites: What it calls, in the order of the source.
        receiver: Its first parameter, which is the receiver in a method; empty without any.
        names: Globals and attributes that it names.
        free: Names from around it.
        imports: What it imports.
    """

    sites: tuple[Site, ...]
    receiver: str
    names: frozenset[str]
    free: frozenset[str]
    imports: Mapping[str, Imported]


@dataclass(frozen=True, slots=True)
class FunctionBody:
    """The scopes of a function: its own first, then those of the functions, lambdas and classes in it."""

    scopes: tuple[CodeScope, ...]


_bodies: weakref.WeakKeyDictionary[CodeType, FunctionBody] = weakref.WeakKeyDictionary()


def body_of(function: FunctionType) -> FunctionBody:
    """Return what a function's body names, from what import time has left, else from its code, if readable."""
    code = function.__code__
    found = _bodies.get(code)
    if found is None:
        found = _bodies[code] = _read(function, code)
    return found


def line_of(function: FunctionType, target: str) -> int:
    """Return the line on which a function, or one defined in it, first names a target; else that of its definition."""
    sites = (site for scope in body_of(function).scopes for site in scope.sites if site.target == target)
    return min((site.place[0] for site in sites), default=function.__code__.co_firstlineno)


def has_tables(function: FunctionType) -> bool:
    """Tell whether import time has left call tables for a function."""
    return bool(table_store.get(module_of(function), function.__code__))


def _read(function: FunctionType, code: CodeType) -> FunctionBody:
    scopes = []
    own: Mapping[str, CallTable] | None = None
    for one, merged in _scopes_in(code):
        tables = table_store.get(module_of(function), one)
        if not tables:
            own = _own_tables(code) if own is None else own
            tables = [table for name, table in own.items() if _is_of(name, table, one)]
        scopes.append(_scope(one, merged, tables))
    return FunctionBody(tuple(scopes))


def _own_tables(code: CodeType) -> Mapping[str, CallTable]:
    if not is_supported():
        return {}
    try:
        return calls_in_code(code)
    except ValueError:  # Another tool has rewritten it, with opcodes that no compiler emits.
        return {}


def _is_of(name: str, table: CallTable, code: CodeType) -> bool:
    """Tell whether a table may be that of a code object; lambdas on one line cannot be told apart, nor need be."""
    last = name.partition("#")[0].rpartition(".")[2]
    return last == code.co_name and table.first_line == code.co_firstlineno


def _scopes_in(code: CodeType) -> Iterator[tuple[CodeType, list[CodeType]]]:
    """Yield each scope's code, with that of its comprehensions, whose calls are its own."""
    merged = [code]
    inner: list[CodeType] = []
    for one in merged:
        for constant in one.co_consts:
            if isinstance(constant, CodeType):
                (merged if is_hidden(constant.co_name) else inner).append(constant)
    yield code, merged
    for one in inner:
        yield from _scopes_in(one)


def _scope(code: CodeType, merged: Iterable[CodeType], tables: Iterable[CallTable]) -> CodeScope:
    sites = tuple(_taken_apart(site) for table in tables for site in table.sites)
    names = frozenset(name for one in merged for name in one.co_names)
    has_imports = _IMPORT_NAME in code.co_code[::2]
    return CodeScope(
        sites=sites,
        receiver=code.co_varnames[0] if code.co_argcount else "",
        names=names,
        free=frozenset(code.co_freevars),
        imports=dict(_imports_in(code)) if has_imports else {},
    )


def _taken_apart(site: CallSite) -> Site:
    head, is_chained, tail = site.target.partition("()")
    root, *path = head.split(".")
    called = tuple(tail.split(".")[1:]) if is_chained else None
    return Site(root, tuple(path), called, site.target, (site.line, site.column), site.kind == "reference")


def _imports_in(code: CodeType) -> Iterator[tuple[str, Imported]]:
    """Yield the names that a function binds by importing."""
    arguments: list[Any] = [None, None]
    module: str | None = None
    level, is_from, attribute = 0, False, ""
    for instruction in dis.get_instructions(code):
        name = instruction.opname
        if name == "IMPORT_NAME":
            level, is_from = arguments[0], arguments[1] is not None
            module, attribute = instruction.argval, ""
        elif name == "IMPORT_FROM":
            attribute = instruction.argval
        elif name.startswith("STORE_") and module is not None:
            # Where an instruction stores twice, or stores and loads, what is imported comes first.
            bound = instruction.argval[0] if isinstance(instruction.argval, tuple) else instruction.argval
            if is_from:
                yield bound, Imported(module, level, attribute)
            else:  # `import a.b as c` takes one part from the other, `import a.b` binds the first.
                yield bound, Imported(module, 0, None if attribute or "." not in module else "")
                module = None
        elif name == "POP_TOP" and is_from:
            module = None
        arguments = [arguments[1], instruction.argval]
