"""Long work in a background thread that lets the others run in between: an event loop above all.

A thread that wakes up waits for the interpreter's whole switch interval, five milliseconds, wherever another one
computes. Pauses of the one that computes keep that short, and set nothing for the whole process.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter, sleep

_RUNS = 0.0005
_PAUSES = 0.0005  # None at all would let this thread have the interpreter back before another one has woken up.


class _Own(threading.local):
    since: float | None = None  # when this thread last paused, if it is to


_own = _Own()


@contextmanager
def giving_way() -> Iterator[None]:
    """Let `give_way` pause this thread until the block ends. The work takes about twice as long."""
    before, _own.since = _own.since, perf_counter()
    try:
        yield
    finally:
        _own.since = before


def give_way() -> None:
    """Pause, if this thread is to and has run for half a millisecond; called wherever a piece of long work ends."""
    since = _own.since
    if since is not None and perf_counter() - since > _RUNS:
        sleep(_PAUSES)
        _own.since = perf_counter()
