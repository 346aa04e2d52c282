"""How far an event loop is behind, sampled while variants are under way on it."""

import asyncio
from collections.abc import Callable
from contextvars import Context
from time import monotonic
from weakref import WeakKeyDictionary

_SAMPLE_SECONDS = 0.02
_REMEMBERED_SECONDS = 1.0
# Of one sample in the average, which so rises within a fifth of a second, and falls within one.
_WEIGHT_OF_RISE = 0.1
_WEIGHT_OF_FALL = 0.02


class LoopLag:
    """How late a loop runs what is due.

    It is sampled only while variants are under way, so a loop that runs none has no timer of ours. The last sample
    holds for a second longer: a loop that is behind without variants, too, sheds them meanwhile, and tries again.
    """

    def __init__(self) -> None:
        self._seconds = 0.0
        self._average = 0.0
        self._sampled = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._on_sample: Callable[[], object] = _do_nothing

    @property
    def seconds(self) -> float:
        """By how much the loop was late when last looked at; 0 if that is long ago."""
        return self._seconds if self._is_known() else 0.0

    @property
    def average(self) -> float:
        """By how much the loop was late of late, in seconds; 0 if that is long ago."""
        return self._average if self._is_known() else 0.0

    def watch(self, loop: asyncio.AbstractEventLoop, on_sample: Callable[[], object]) -> None:
        """Sample from now on, on the thread of the loop, and call what is given after each sample."""
        self._on_sample = on_sample
        if self._timer is None:
            self._wait(loop)

    def rest(self) -> None:
        """Sample no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._on_sample = _do_nothing

    def _is_known(self) -> bool:
        return monotonic() - self._sampled < _REMEMBERED_SECONDS

    def _wait(self, loop: asyncio.AbstractEventLoop) -> None:
        due = monotonic() + _SAMPLE_SECONDS
        # In a context of its own: that of the caller is not to be kept.
        self._timer = loop.call_later(_SAMPLE_SECONDS, self._sample, loop, due, context=Context())

    def _sample(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        self._wait(loop)  # At once: a signal handler may raise.
        now = monotonic()
        seconds = now - due
        change = seconds - self.average
        self._average = self.average + change * (_WEIGHT_OF_RISE if change > 0 else _WEIGHT_OF_FALL)
        self._seconds, self._sampled = seconds, now
        self._on_sample()


def _do_nothing() -> None:
    """Follow a sample for which nothing waits."""


_lags: WeakKeyDictionary[asyncio.AbstractEventLoop, LoopLag] = WeakKeyDictionary()


def loop_lag(loop: asyncio.AbstractEventLoop) -> LoopLag:
    """Return the lag of a loop."""
    found = _lags.get(loop)
    return _lags.setdefault(loop, LoopLag()) if found is None else found
