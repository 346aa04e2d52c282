"""One thread that tells when something has taken too long."""

import heapq
import itertools
import threading
import weakref
from collections.abc import Callable
from time import perf_counter
from typing import Any


class Deadlines:
    """Calls back for each thing whose deadline passes, unless it is gone by then; the thread starts with the first.

    Args:
        expire: Called with the thing, on the thread of the deadlines. It ignores things that have ended.
    """

    def __init__(self, expire: Callable[[Any], None]) -> None:
        self._expire = expire
        self._changed = threading.Condition()
        self._heap: list[tuple[float, int, weakref.ref[Any]]] = []
        self._order = itertools.count()
        self._thread: threading.Thread | None = None

    def watch(self, thing: Any, deadline: float) -> None:
        """Call back for a thing when its time has come.

        Args:
            thing: What the callback gets.
            deadline: Reading of `time.perf_counter` at which it is called.
        """
        with self._changed:
            heapq.heappush(self._heap, (deadline, next(self._order), weakref.ref(thing)))
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="spearmint-deadlines", daemon=True)
                self._thread.start()
            elif self._heap[0][2]() is thing:
                self._changed.notify()

    def _watch(self) -> None:
        while True:
            with self._changed:
                thing = self._next_due()
            if thing is not None:
                self._expire(thing)

    def _next_due(self) -> Any:
        """Return a thing whose deadline has passed, or wait for one, or for an earlier deadline, and return None."""
        left = self._heap[0][0] - perf_counter() if self._heap else None
        if left is not None and left <= 0:
            return heapq.heappop(self._heap)[2]()
        self._changed.wait(left)
        return None
