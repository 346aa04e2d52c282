"""A code object without positions: what it does, what it reads, and what it changes."""

import dis
import weakref
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR, CO_VARARGS, CO_VARKEYWORDS
from types import CodeType
from typing import Any

_SKIPPED = frozenset({"NOP", "EXTENDED_ARG", "CACHE", "RESUME"})  # They depend on lines, or on nothing.
_CLASS_POSITIONS = frozenset({"__doc__", "__firstlineno__", "__static_attributes__"})
_FLAGS = CO_VARARGS | CO_VARKEYWORDS | CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR
_JUMPS = frozenset({*dis.hasjrel, *dis.hasjabs})
_GLOBAL_LOADS = frozenset({"LOAD_GLOBAL", "LOAD_NAME"})
_FREE_LOADS = frozenset({"LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_DEREF"})
_ATTRIBUTE_LOADS = frozenset({"LOAD_ATTR", "LOAD_METHOD"})
_JOINED = {
    "LOAD_FAST_LOAD_FAST": ("LOAD_FAST", "LOAD_FAST"),
    "STORE_FAST_LOAD_FAST": ("STORE_FAST", "LOAD_FAST"),
    "STORE_FAST_STORE_FAST": ("STORE_FAST", "STORE_FAST"),
}
_ITEM_CHANGES = frozenset({"STORE_SUBSCR", "DELETE_SUBSCR"})
_MUTATORS = frozenset(
    {"add", "append", "appendleft", "clear", "discard", "extend", "insert", "pop", "popitem", "popleft"}
    | {"remove", "reverse", "setdefault", "sort", "update"}
)


@dataclass(frozen=True, slots=True)
class ImportedName:
    """An import statement in a body: the module, how many dots stand before it, and what is taken from it."""

    module: str
    level: int
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CodeDigest:
    """What a code object says, with all code that is defined in it.

    Attributes:
        form: Instructions, constants and parameters, without lines, docstrings and file names; JSON can say it.
        globals_read: The globals that it reads.
        names: Every global, attribute and module that it names.
        imports: What its bodies import.
        globals_changed: The globals that it binds, or whose content it changes.
        free_changed: The same of variables from around it.
        attributes_changed: The attributes that it sets, or whose content it changes.
    """

    form: list[Any]
    globals_read: frozenset[str]
    names: frozenset[str]
    imports: tuple[ImportedName, ...]
    globals_changed: frozenset[str]
    free_changed: frozenset[str]
    attributes_changed: frozenset[str]


_digests: weakref.WeakKeyDictionary[CodeType, CodeDigest] = weakref.WeakKeyDictionary()


def digest_of(code: CodeType) -> CodeDigest:
    """Return what a code object says, read once."""
    found = _digests.get(code)
    if found is None:
        found = _digests[code] = _read(code)
    return found


def _read(code: CodeType) -> CodeDigest:
    steps = _without_positions([step for step in dis.get_instructions(code) if step.opname not in _SKIPPED])
    inner = [digest_of(constant) for constant in code.co_consts if isinstance(constant, CodeType)]
    changed = set(_changes(steps))
    free = frozenset(code.co_freevars)
    instructions, offsets = _instructions(steps)
    return CodeDigest(
        form=[_parameters(code), instructions, _handlers(code, offsets)],
        globals_read=frozenset(step.argval for step in steps if step.opname in _GLOBAL_LOADS).union(
            *(one.globals_read for one in inner)
        ),
        names=frozenset(code.co_names).union(*(one.names for one in inner)),
        imports=(*_imports(steps), *(imported for one in inner for imported in one.imports)),
        globals_changed=frozenset(name for kind, name in changed if kind == "global").union(
            *(one.globals_changed for one in inner)
        ),
        free_changed=(frozenset(name for kind, name in changed if kind == "free") & free).union(
            *(one.free_changed & free for one in inner)
        ),
        attributes_changed=frozenset(name for kind, name in changed if kind == "attribute").union(
            *(one.attributes_changed for one in inner)
        ),
    )


def _parameters(code: CodeType) -> list[Any]:
    flags = code.co_flags & _FLAGS
    has_rest = bool(flags & CO_VARARGS) + bool(flags & CO_VARKEYWORDS)
    count = code.co_argcount + code.co_kwonlyargcount
    names = code.co_varnames[: count + has_rest]
    return [code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, flags, list(names)]


def _without_positions(steps: Sequence[dis.Instruction]) -> list[dis.Instruction]:
    """Leave out what a class body says of its docstring and its place."""
    stores = [
        index for index, step in enumerate(steps) if step.opname == "STORE_NAME" and step.argval in _CLASS_POSITIONS
    ]
    left_out = {index for store in stores for index in (store - 1, store)}  # a constant, and where it goes
    return [step for index, step in enumerate(steps) if index not in left_out]


def _instructions(steps: Sequence[dis.Instruction]) -> tuple[list[Any], list[int]]:
    """Return the instructions, jumps by index, and their offsets.

    CPython 3.13 and newer join two of local variables into one only where they stand on one line: they count as two.
    """
    parts = [(step, name, value) for step in steps for name, value in _parts(step)]
    offsets = [step.offset for step, _, _ in parts]
    form = [
        [name, bisect_left(offsets, step.argval) if step.opcode in _JUMPS else _constant(value)]
        for step, name, value in parts
    ]
    return form, offsets


def _parts(step: dis.Instruction) -> Iterator[tuple[str, Any]]:
    name = step.opname.replace("_BORROW", "")  # whether a load borrows depends on what it is joined with
    joined = _JOINED.get(name)
    if joined is None:
        yield name, step.argval
    else:
        yield from zip(joined, step.argval, strict=True)


def _handlers(code: CodeType, offsets: Sequence[int]) -> list[Any]:
    """Return which instructions are protected by which handlers."""
    entries = getattr(dis.Bytecode(code), "exception_entries", ())
    places = [(entry.start, entry.end, entry.target) for entry in entries]
    return [
        [*(bisect_left(offsets, place) for place in three), entry.depth, bool(entry.lasti)]
        for three, entry in zip(places, entries, strict=True)
    ]


def _constant(value: Any) -> Any:
    if isinstance(value, CodeType):
        return ["code", digest_of(value).form]
    if isinstance(value, tuple):
        return ["tuple", *map(_constant, value)]
    if isinstance(value, frozenset):
        return ["set", *sorted((_constant(item) for item in value), key=repr)]
    return [type(value).__name__, repr(value)]


def _changes(steps: Sequence[dis.Instruction]) -> Iterator[tuple[str, str]]:
    """Yield what is bound or changed in place, by kind and name; of the latter what can be seen without running."""
    for index, step in enumerate(steps):
        if step.opname in ("STORE_GLOBAL", "DELETE_GLOBAL"):
            yield "global", step.argval
        elif step.opname in ("STORE_DEREF", "DELETE_DEREF"):
            yield "free", step.argval
        elif step.opname in ("STORE_ATTR", "DELETE_ATTR"):
            yield "attribute", step.argval
        elif step.opname in _ATTRIBUTE_LOADS and step.argval in _MUTATORS and index:
            yield from _name_of(steps[index - 1])
        elif step.opname in _ITEM_CHANGES:
            container = _container(steps, index)
            if container is not None:
                yield from _name_of(container)


def _name_of(step: dis.Instruction) -> Iterator[tuple[str, str]]:
    if step.opname in _GLOBAL_LOADS:
        yield "global", step.argval
    elif step.opname in _FREE_LOADS:
        yield "free", step.argval
    elif step.opname in _ATTRIBUTE_LOADS:
        yield "attribute", step.argval


def _container(steps: Sequence[dis.Instruction], index: int) -> dis.Instruction | None:
    """Return what loads the container of an assignment to an item, where that is one instruction."""
    is_augmented = steps[index - 1].opname == "SWAP"
    # Backwards to where the key has been pushed; of `box[key] += 1`, to where box, key and value have been.
    wanted = 3 if is_augmented else 1
    depth = 0
    for position in range(index - 1, 0, -1):
        step = steps[position]
        if step.opcode in _JUMPS:
            return None
        try:
            depth += dis.stack_effect(step.opcode, step.arg)
        except ValueError:
            return None
        if depth == wanted:
            return steps[position if is_augmented else position - 1]
    return steps[0] if is_augmented else None


def _imports(steps: Sequence[dis.Instruction]) -> Iterator[ImportedName]:
    for index, step in enumerate(steps):
        if step.opname == "IMPORT_NAME" and index >= 2:  # noqa: PLR2004 - level and names are pushed before it
            level, names = steps[index - 2].argval, steps[index - 1].argval
            yield ImportedName(step.argval, level if isinstance(level, int) else 0, tuple(names or ()))
