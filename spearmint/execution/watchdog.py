"""One thread that tells when something has taken too long."""

import math
import threading
from collections.abc import Callable
from time import perf_counter
from typing import Any


class Watchdog:
    """Calls back for each thing whose deadline passes before it is forgotten; the thread starts with the first.

    Args:
        on_timeout: Called with the thing, on the thread of the deadlines. It ignores things that have ended.
    """

    def __init__(self, on_timeout: Callable[[Any], None]) -> None:
        self._expire = on_timeout
        self._changed = threading.Condition()
        self._watched: dict[Any, float] = {}
        self._wakes_at = math.inf
        self._has_thread = False

    def watch(self, thing: Any, deadline: float) -> None:
        """Call back for a thing when its time has come.

        Args:
            thing: What the callback gets.
            deadline: Reading of `time.perf_counter` at which it is called.
        """
        with self._changed:
            self._watched[thing] = deadline
            if not self._has_thread:
                self._has_thread = self._start()
            elif deadline < self._wakes_at:
                self._changed.notify()

    def cancel(self, thing: Any) -> None:
        """Do not call back for a thing any more."""
        with self._changed:
            self._watched.pop(thing, None)

    def _start(self) -> bool:
        try:
            threading.Thread(target=self._watch, name="spearmint-deadlines", daemon=True).start()
        except RuntimeError:  # The machine has no more threads, or the interpreter is shutting down.
            return False
        return True

    def _watch(self) -> None:
        while True:
            self._wait()
            for thing in self._due():
                self._expire(thing)
            thing = None  # Nothing is kept alive by waiting.

    def _wait(self) -> None:
        with self._changed:
            # Copied, since the collector may run code that watches one more while this is read.
            self._wakes_at = min(self._watched.copy().values(), default=math.inf)
            left = min(self._wakes_at - perf_counter(), threading.TIMEOUT_MAX)
            if left > 0:
                self._changed.wait(left)
            self._wakes_at = math.inf

    def _due(self) -> list[Any]:
        now = perf_counter()
        with self._changed:
            due = [thing for thing, deadline in self._watched.copy().items() if deadline <= now]
            for thing in due:
                self._watched.pop(thing, None)
        return due
