"""Keeping the garbage collector out of work that makes many objects and no cycles, such as parsing a module."""

import gc
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class _Pauses:
    """How many threads want the collector out of their way, and whether it was on before the first did."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0
        self._was_on = False

    def begin(self) -> None:
        with self._lock:
            if not self._count:
                self._was_on = gc.isenabled()
                gc.disable()
            self._count += 1

    def end(self) -> None:
        with self._lock:
            self._count -= 1
            if not self._count and self._was_on:
                gc.enable()

    def forget(self) -> None:
        """Start anew in a forked child, which has none of the threads that paused it."""
        if self._count and self._was_on:
            gc.enable()
        self.__init__()  # type: ignore[misc]


_pauses = _Pauses()
if hasattr(os, "register_at_fork"):  # It is missing on Windows.
    os.register_at_fork(after_in_child=_pauses.forget)


@contextmanager
def gc_paused() -> Iterator[None]:
    """Keep the collector from running: it finds nothing, and takes 15 to 25 % of a first import of sqlalchemy."""
    _pauses.begin()
    try:
        yield
    finally:
        _pauses.end()
