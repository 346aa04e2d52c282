"""The values that stand in the code of a module, found without running it."""

import dis
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType
from typing import Any, Literal

from spearmint.instrument.rewrite.literals import KINDS, is_part, literals_of
from spearmint.instrument.settings.value_target import literal_name

_STORES = frozenset({"STORE_NAME", "STORE_GLOBAL"})
_NO_SCOPES = frozenset({"__annotate__", "__conditional_annotations__"})

ValueKind = Literal["constant", "attribute", "literal"]


@dataclass(frozen=True, slots=True)
class StaticValue:
    """A value that stands in the code of a module.

    Attributes:
        name: Its name there, as settings have it.
        kind: What it is.
        value: What it gives.
        line: Its line, counted from 1; 0 where the code does not tell.
        function: Of a literal, the qualified name of its function; else empty.
        number: Of a literal, its place among its equals in the function, counted from 0.
    """

    name: str
    kind: ValueKind
    value: Any
    line: int
    function: str = ""
    number: int = 0


def static_values(code: CodeType) -> list[StaticValue]:
    """Find constants, class attributes and literals, in the order of the source.

    A name that is bound more than once is no constant, and neither is what is computed or is no text, number or tuple.

    Args:
        code: The code of the module.
    """
    counts: dict[str, int] = {}
    found = list(_in_body(code, "", counts))
    return sorted(found, key=lambda one: one.line)


def _in_body(code: CodeType, owner: str, counts: dict[str, int]) -> Iterator[StaticValue]:
    """Yield the values in the body of a module or class."""
    kind: ValueKind = "attribute" if owner else "constant"
    bound: dict[str, list[StaticValue | None]] = {}
    before: dis.Instruction | None = None
    for instruction in dis.get_instructions(code):
        if instruction.opname in _STORES:
            name = instruction.argval
            is_plain = before is not None and before.opname in ("LOAD_CONST", "LOAD_SMALL_INT")
            value = before.argval if before is not None and is_plain else None
            line = instruction.positions.lineno or 0 if instruction.positions else 0
            is_value = is_plain and _is_value(value) and not name.startswith("__")
            made = StaticValue(f"{owner}{name}", kind, value, line) if is_value else None
            bound.setdefault(name, []).append(made)
        before = instruction
    if "<" not in owner:  # Settings cannot name what stands in a class in a function.
        yield from (values[0] for values in bound.values() if len(values) == 1 and values[0] is not None)
    yield from _in_constants(code, counts)


def _in_constants(code: CodeType, counts: dict[str, int]) -> Iterator[StaticValue]:
    for one in code.co_consts:
        if not isinstance(one, CodeType) or one.co_name in _NO_SCOPES:
            continue
        if not one.co_flags & inspect.CO_OPTIMIZED:
            yield from _in_body(one, f"{one.co_qualname}.", counts)
            continue
        if not is_part(one, code):
            yield from _literals_of(one, counts)
        yield from _in_constants(one, counts)


def _literals_of(code: CodeType, counts: dict[str, int]) -> Iterator[StaticValue]:
    count = counts[code.co_qualname] = counts.get(code.co_qualname, 0) + 1
    if code.co_name.startswith("<"):  # A lambda in the body of a module or class: settings cannot name it.
        return
    name = code.co_qualname if count == 1 else f"{code.co_qualname}#{count}"
    for place in literals_of(code):
        full_name = literal_name(name, place.value, place.number)
        yield StaticValue(full_name, "literal", place.value, place.line, name, place.number)


def _is_value(value: Any) -> bool:
    return type(value) in KINDS or (type(value) is tuple and all(type(one) in KINDS for one in value))
