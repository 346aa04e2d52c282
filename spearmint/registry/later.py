"""Experiments that are made at the first look at one, so that declaring them costs an import next to nothing."""

from collections.abc import Callable, Iterable
from typing import Any

from spearmint.cases.versions import versions


class Later:
    """Experiments that are made at the first look at one of them.

    Args:
        make: Makes one, and registers it.
        arguments: What it is called with for each.

    Attributes:
        is_released: Whether they are made, or have been taken back, so that nothing is left to be made.
    """

    __slots__ = ("__weakref__", "_arguments", "_make", "is_released")

    def __init__(self, make: Callable[..., object], arguments: Iterable[tuple[Any, ...]]) -> None:
        self.is_released = False
        self._make = make
        self._arguments = arguments

    def settle(self) -> None:
        """Make them, unless they are made or have been taken back."""
        if not self.is_released:
            with versions.lock:
                if not self.is_released:
                    for arguments in self._arguments:
                        self._make(*arguments)
                    self.release()

    def release(self) -> None:
        """Make no more of them."""
        with versions.lock:
            self.is_released = True
            self._arguments = ()
