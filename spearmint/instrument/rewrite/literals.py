"""The literals in the code of a function, told apart by text and by place among equals."""

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import CodeType
from typing import Any

from bytecode import Bytecode, Instr

from spearmint.instrument.rewrite.interpolations import without_interpolations

KINDS = (bool, int, float, complex, str, bytes)
"""What literals give; a tuple of them is no literal of its own."""

_LOADS = frozenset({"LOAD_CONST", "LOAD_SMALL_INT", "RETURN_CONST"})
_OF_A_FUNCTION = frozenset({"MAKE_FUNCTION", "SET_FUNCTION_ATTRIBUTE"})
_NAMELESS = frozenset({"<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>", "<lambda>"})

_Load = tuple[CodeType, int, Instr]


@dataclass(frozen=True, slots=True)
class LiteralPlace:
    """One literal of a function.

    Attributes:
        value: What it gives.
        number: Its place among its equals in the function, counted from 0 in the order of the source.
        line: Its line, counted from 1; 0 where the code does not tell.
        loads: Which instructions load it: the code object that each stands in, and its position in there. They are
            several where the compiler has copied the code around it.
    """

    value: Any
    number: int
    line: int
    loads: tuple[tuple[CodeType, int], ...]


def is_part(code: CodeType, owner: CodeType) -> bool:
    """Tell whether a code object counts as that of the function around it, and may have no name of its own.

    These are comprehensions, of which some have code of their own on CPython 3.11 only, generator expressions and
    lambdas.

    Args:
        code: The code object.
        owner: The one that it stands in.
    """
    return code.co_name in _NAMELESS and bool(owner.co_flags & inspect.CO_OPTIMIZED)


def literals_of(code: CodeType) -> list[LiteralPlace]:
    """Find the literals of a function, in the order of the source.

    What the compiler puts among the constants on its own account is left out: the level of an import, the name of a
    class, those of annotated parameters. What it has folded is there as its result.

    Args:
        code: The code of the function.
    """
    found: dict[tuple[Any, ...], list[_Load]] = {}
    for order, load in enumerate(_loads(code)):
        item = load[2]
        key = _place(item) or (0, order)
        found.setdefault((key, type(item.arg).__name__, repr(item.arg)), []).append(load)
    counts: dict[tuple[Any, ...], int] = {}
    places = []
    for (_, *same), loads in sorted(found.items(), key=lambda one: one[0][0]):
        number = counts[tuple(same)] = counts.get(tuple(same), -1) + 1
        first = loads[0][2]
        where = tuple((code, position) for code, position, _ in loads)
        places.append(LiteralPlace(first.arg, number, first.lineno or 0, where))
    return places


def _loads(code: CodeType) -> Iterator[_Load]:
    """Yield the instructions that load a literal, in the order of the code, with those of the parts of a function."""
    readable, _ = without_interpolations(code)
    items = enumerate(Bytecode.from_code(readable))
    instructions = [(position, item) for position, item in items if isinstance(item, Instr)]
    names = [item.name for _, item in instructions]
    # Where a function is made, at the place of its `def`, names of what is annotated are loaded.
    made = {_place(item) for _, item in instructions if item.name == "MAKE_FUNCTION"} - {None}
    for index, (position, item) in enumerate(instructions):
        if isinstance(item.arg, CodeType) and is_part(item.arg, code):
            yield from _loads(item.arg)
        if item.name not in _LOADS or type(item.arg) not in KINDS:
            continue
        if "IMPORT_NAME" in names[index + 1 : index + 3] or _place(item) in made:
            continue
        if index and names[index - 1] in _OF_A_FUNCTION and _is_name_of_class(item.arg, instructions[:index]):
            continue
        yield code, position, item


def _place(item: Instr) -> tuple[int, int] | None:
    at = item.location
    return None if at is None or at.lineno is None or at.col_offset is None else (at.lineno, at.col_offset)


def _is_name_of_class(value: Any, before: Sequence[tuple[int, Instr]]) -> bool:
    made = next((item.arg for _, item in reversed(before) if isinstance(item.arg, CodeType)), None)
    return isinstance(made, CodeType) and made.co_name == value
