"""The places through which rewritten code reads values under experiment, and which code reads which."""

import dis
import weakref
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType
from typing import Any

from spearmint.registry.later import Later
from spearmint.registry.value import ValueExperiment

Reader = Callable[..., Any]
"""What rewritten code calls for a read within a case; it stands among the constants of the code."""


class ValueSlot:
    """The place of one value in the process: rewritten code reads through it, whatever is installed.

    Args:
        name: ``"module:name"``.

    Attributes:
        name: The same.
        experiment: The value, while it is under experiment and something has looked for it.
        later: What makes it at the first look at it; None where nothing is ever left to be made.
        strangers: How many reads have met something else than what stood in the code, as after a rebinding.
    """

    __slots__ = ("__weakref__", "experiment", "later", "name", "strangers")

    def __init__(self, name: str) -> None:
        self.name = name
        self.experiment: ValueExperiment | None = None
        self.later: Later | None = None
        self.strangers = 0

    @property
    def value(self) -> ValueExperiment | None:
        """The value, while it is under experiment; it is made now if nothing has looked for it so far."""
        if self.later is not None:
            self.later.settle()
        return self.experiment


_slots: dict[str, ValueSlot] = {}
_read_in: "weakref.WeakKeyDictionary[CodeType, tuple[ValueSlot, ...]]" = weakref.WeakKeyDictionary()


def slot_of(name: str) -> ValueSlot:
    """Return the place of a value by its name."""
    found = _slots.get(name)
    return _slots.setdefault(name, ValueSlot(name)) if found is None else found


def register_reader(reader: Reader, slot: ValueSlot) -> None:
    """Have a function among the constants of code count as a read of a value."""
    reader.value_slot = slot  # type: ignore[attr-defined] # a function takes attributes


def value_in(slot: ValueSlot) -> ValueExperiment | None:
    """Return the value of a place, if it is under experiment now."""
    return slot.value


def values_read_in(code: CodeType) -> tuple[ValueSlot, ...]:
    """Return the values that a code object reads, with all that is defined in it, in the order of its constants."""
    if not _slots:
        return ()
    found = _read_in.get(code)
    if found is None:
        found = _read_in[code] = tuple(dict.fromkeys(_slots_in(code)))
    return found


def line_of_read(code: CodeType, slot: ValueSlot) -> int:
    """Return the line on which a code object first reads a value, else that on which it begins."""
    return min(_lines(code, slot), default=code.co_firstlineno)


def _slot_of(function: FunctionType) -> ValueSlot | None:
    return vars(function).get("value_slot")


def _slots_in(code: CodeType) -> Iterator[ValueSlot]:
    for constant in code.co_consts:
        if type(constant) is FunctionType:
            slot = _slot_of(constant)
            if slot is not None:
                yield slot
        elif type(constant) is CodeType:
            yield from _slots_in(constant)


def _lines(code: CodeType, slot: ValueSlot) -> Iterator[int]:
    for instruction in dis.get_instructions(code):
        held = instruction.argval
        if type(held) is CodeType:
            yield from _lines(held, slot)
        elif type(held) is FunctionType and _slot_of(held) is slot and instruction.positions is not None:
            yield instruction.positions.lineno or code.co_firstlineno
