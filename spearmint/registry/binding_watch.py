"""Whether what a settings file binds ever reaches a function: its callers may pass the parameter in every call."""

import weakref
from collections.abc import Sequence
from types import FunctionType
from typing import Any

from spearmint.config.binding import Slot, Supplier


class BindingWatch:
    """Notes which bound parameters of a function have got a value of a config.

    The first call of what supplies a value says so and puts the supplier in its own place, so that it costs no more.

    Args:
        slots: The bound parameters.

    Attributes:
        called: Holds whether the function has been called.
    """

    def __init__(self, slots: tuple[Slot, ...]) -> None:
        self.called = [False]
        self.parameters = frozenset(slot.name for slot in slots)
        self._names = tuple(slot.name for slot in slots)
        self._idle = {slot.name for slot in slots if not slot.override}

    def idle(self) -> frozenset[str]:
        """Return the parameters that no config has filled in any call so far; none without a call."""
        return frozenset(self._idle) if self.called[0] else frozenset()

    def noting(self, values: Sequence[Supplier | None]) -> list[Supplier | None]:
        """Return what supplies the values of one config, noting the first time that each is asked for."""
        noted: list[Supplier | None] = []
        for position, supply in enumerate(values):
            is_noted = supply is not None and self._names[position] in self._idle
            noted.append(self._noting(noted, position, supply) if supply and is_noted else supply)
        return noted

    def _noting(self, values: list[Supplier | None], position: int, supply: Supplier) -> Supplier:
        def note() -> Any:
            values[position] = supply
            self._idle.discard(self._names[position])
            return supply()

        _plain[note] = supply
        return note


_plain: weakref.WeakKeyDictionary[Supplier, Supplier] = weakref.WeakKeyDictionary()


def unnoted(supply: Supplier) -> Supplier:
    """Return what supplies a value without its being noted, for who only looks at configs."""
    return _plain.get(supply, supply) if isinstance(supply, FunctionType) else supply
