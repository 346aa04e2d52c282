"""The literals in the code of a function, told apart by text and by place among equals."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import CodeType
from typing import Any

from bytecode import Instr

KINDS = (bool, int, float, complex, str, bytes)
"""What literals give; a tuple of them is no literal of its own."""

_LOADS = frozenset({"LOAD_CONST", "LOAD_SMALL_INT", "RETURN_CONST"})
_OF_A_FUNCTION = frozenset({"MAKE_FUNCTION", "SET_FUNCTION_ATTRIBUTE"})


@dataclass(frozen=True, slots=True)
class LiteralPlace:
    """One literal of a function.

    Attributes:
        value: What it gives.
        number: Its place among its equals in the function, counted from 0 in the order of the source.
        line: Its line, counted from 1; 0 where the code does not tell.
        positions: Which instructions load it; several where the compiler has copied the code around it.
    """

    value: Any
    number: int
    line: int
    positions: tuple[int, ...]


def literals_in(items: Sequence[Any]) -> list[LiteralPlace]:
    """Find the literals of a function, in the order of the source.

    What the compiler puts among the constants on its own account is left out: the level of an import, the name of a
    class. What it has folded is there as its result.

    Args:
        items: The instructions, as `bytecode.Bytecode` has them.
    """
    found: dict[tuple[Any, ...], list[tuple[int, Any]]] = {}
    for position, item in _loads(items):
        at = item.location
        is_placed = at is not None and at.lineno is not None and at.col_offset is not None
        key = (at.lineno, at.col_offset) if is_placed and at is not None else (0, position)
        found.setdefault((key, type(item.arg).__name__, repr(item.arg)), []).append((position, item))
    counts: dict[tuple[Any, ...], int] = {}
    places = []
    for (_, *same), loads in sorted(found.items(), key=lambda one: one[0][0]):
        number = counts[tuple(same)] = counts.get(tuple(same), -1) + 1
        first = loads[0][1]
        places.append(LiteralPlace(first.arg, number, first.lineno or 0, tuple(position for position, _ in loads)))
    return places


def _loads(items: Sequence[Any]) -> Iterator[tuple[int, Instr]]:
    """Yield the instructions that load a literal, each with its position."""
    instructions = [(position, item) for position, item in enumerate(items) if isinstance(item, Instr)]
    names = [item.name for _, item in instructions]
    for index, (position, item) in enumerate(instructions):
        if item.name not in _LOADS or type(item.arg) not in KINDS:
            continue
        if "IMPORT_NAME" in names[index + 1 : index + 3]:
            continue
        if index and names[index - 1] in _OF_A_FUNCTION and _is_name_of_class(item.arg, instructions[:index]):
            continue
        yield position, item


def _is_name_of_class(value: Any, before: Sequence[tuple[int, Instr]]) -> bool:
    made = next((item.arg for _, item in reversed(before) if isinstance(item.arg, CodeType)), None)
    return isinstance(made, CodeType) and made.co_name == value
