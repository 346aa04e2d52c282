"""One thread that tells when something has taken too long."""

import math
from collections.abc import Callable
from contextlib import suppress
from queue import Empty
from time import perf_counter
from typing import Any

from spearmint.native import TIMEOUT_MAX, SimpleQueue, start_thread


class Watchdog:
    """Calls back for each thing whose deadline passes before it is forgotten; the thread starts with the first.

    It holds no lock: the thread that watches may be interrupted at any moment.

    Args:
        on_timeout: Called with the thing, on the thread of the deadlines. It ignores things that have ended.
    """

    def __init__(self, on_timeout: Callable[[Any], None]) -> None:
        self._expire = on_timeout
        self._changes = SimpleQueue()
        self._watched: dict[Any, float] = {}
        self._wakes_at = math.inf
        self._has_thread = False

    def watch(self, thing: Any, deadline: float) -> None:
        """Call back for a thing when its time has come.

        Args:
            thing: What the callback gets.
            deadline: Reading of `time.perf_counter` at which it is called.
        """
        self._watched[thing] = deadline
        if not self._has_thread:
            self._start()
        elif deadline < self._wakes_at:
            self._changes.put(None)

    def cancel(self, thing: Any) -> None:
        """Do not call back for a thing any more."""
        self._watched.pop(thing, None)

    def _start(self) -> None:
        self._has_thread = True
        try:
            start_thread("spearmint-deadlines", self._watch)
        except RuntimeError:  # The machine has no more threads, or the interpreter is shutting down.
            self._has_thread = False
        except BaseException:  # It may have begun all the same; two of them tell each thing once.
            self._has_thread = False
            raise

    def _watch(self) -> None:
        while True:
            self._wait()
            for thing in self._due():
                self._expire(thing)
            thing = None  # Nothing is kept alive by waiting.

    def _wait(self) -> None:
        # Set before it is computed, so that what is watched meanwhile ends the wait at once.
        self._wakes_at = math.inf
        self._wakes_at = min(self._watched.copy().values(), default=math.inf)
        left = min(self._wakes_at - perf_counter(), TIMEOUT_MAX)
        if left > 0:
            with suppress(Empty):
                self._changes.get(timeout=left)
        self._wakes_at = math.inf

    def _due(self) -> list[Any]:
        now = perf_counter()
        due = [thing for thing, deadline in self._watched.copy().items() if deadline <= now]
        return [thing for thing in due if self._watched.pop(thing, None) is not None]
