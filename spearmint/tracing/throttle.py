"""How hard the exporter works: slowly while no caller waits for it, since the interpreter runs one thread at a time."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic, thread_time

_SMALLEST, _FIRST, _LARGEST = 8, 64, 256  # in a batch: a database takes many nearly as fast as few
_THROTTLED_LARGEST = 64
_SECONDS = 0.5  # that a batch may take before the next is as large; what is under way at exit counts as lost
_THROTTLED_SHARE = 0.25  # of a processor
_FIRST_PAUSE = 1.0  # seconds, after a batch of which nothing was written; doubled each time
_LONGEST_PAUSE = 30.0


class Throttle:
    """Lets the exporter rest between batches, unless a caller waits for it."""

    def __init__(self) -> None:
        # Re-entrant, since the collector may run anything at any allocation.
        self._lock = threading.RLock()
        self._waiters = 0
        self._is_awaited = threading.Event()
        self._began = self._began_at = 0.0
        self._size = _FIRST
        self._pause = 0.0

    @property
    def batch_size(self) -> int:
        """How many traces the next batch may hold."""
        return self._size if self._is_awaited.is_set() else min(self._size, _THROTTLED_LARGEST)

    @contextmanager
    def full_speed(self) -> Iterator[None]:
        """Let the worker rest no more while the caller waits."""
        with self._lock:
            self._waiters += 1
            self._is_awaited.set()
        try:
            yield
        finally:
            with self._lock:
                self._waiters -= 1
                if not self._waiters:
                    self._is_awaited.clear()

    def begin(self) -> None:
        """Note that a batch begins; the worker's thread calls this."""
        self._began, self._began_at = thread_time(), monotonic()

    def throttle(self, count: int, *, has_written: bool) -> None:
        """Rest after a batch of some traces: for its share of the processor, longer where nothing was written."""
        took = monotonic() - self._began_at
        if took > 2 * _SECONDS:
            self._size = max(self._size // 2, _SMALLEST)
        elif took < _SECONDS and count >= self._size:
            self._size = min(2 * self._size, _LARGEST)
        self._pause = 0.0 if has_written else min(max(2 * self._pause, _FIRST_PAUSE), _LONGEST_PAUSE)
        spent = thread_time() - self._began
        self._is_awaited.wait(max(self._pause, spent * (1 / _THROTTLED_SHARE - 1)))

    def end(self) -> None:
        """Let the worker never rest again, so that it ends."""
        with self._lock:
            self._waiters += 1
            self._is_awaited.set()
