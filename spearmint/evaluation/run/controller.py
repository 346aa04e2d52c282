"""How many calls of a service are under way, and how often: growth by rounds, retreat on a refusal."""

import threading
from collections import deque
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Final

from spearmint.evaluation.limits import Limits
from spearmint.evaluation.run.faults import Fault

FIRST: Final = 20
"""Calls under way at first, where nothing is known."""
MOST: Final = 200
"""Calls under way at most, where nothing else is said."""
_GROWTH = 1.05
_RETREAT = 0.8
_PACE = 0.95  # of the calls a second that were answered when refusals began
_PACE_GROWTH = 1.03  # a second
_PAUSE = 0.5  # seconds after the first refusal of a burst, where the service does not say
_COOL_DOWN = 1.0  # seconds after a retreat in which further refusals belong to the same burst


class Controllers:
    """The controllers of an evaluation, one for all that is limited together."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: dict[Hashable, Controller] = {}

    def of(self, key: Hashable, limits: Limits) -> "Controller":
        """Return the controller of a key; it keeps the limits that were first given for it."""
        with self._lock:
            found = self._made.get(key)
            if found is None:
                found = self._made[key] = Controller(limits)
            return found


class Controller:
    """Lets calls through, as many at once and as often as a service takes.

    It grows by rounds and retreats by a factor, once for a burst of refusals; from the first burst on calls also keep
    the pace at which the service had answered, which grows with time.

    Args:
        limits: The limits.

    Attributes:
        limit: How many calls may be under way.
        exhausted: What the service said when it asked to wait for longer than the limits allow; empty before.
    """

    def __init__(self, limits: Limits) -> None:
        self._is_adaptive = limits.concurrency == "auto"
        self.limit = float(FIRST if limits.concurrency == "auto" else limits.concurrency)
        self._rate = limits.rate
        self._max_wait = limits.max_wait
        self._tokens = max(1.0, limits.rate or 0.0)
        self._filled = monotonic()
        self._running = 0
        self._clean = 0
        self._resumes = 0.0
        self._cool_until = 0.0
        self._pace: float | None = None
        self._paced = 0.0
        self._next = 0.0
        self._answered: deque[float] = deque()
        self._gate = threading.Lock()
        self._changed = threading.Condition()
        self.exhausted = ""

    @contextmanager
    def call(self) -> Iterator[None]:
        """Wait until a call may begin, and let another one in when it has ended."""
        with self._gate, self._changed:  # One at a time looks at the clock, and the others queue behind it.
            while (wait := self._wait()) is not None:
                self._changed.wait(wait or None)
            self._running += 1
        try:
            yield
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify()

    def succeed(self) -> None:
        """Note a call that was answered; a round of them lets more in."""
        now = monotonic()
        with self._changed:
            self._clean += 1
            self._answered.append(now)
            while self._answered[0] < now - 1:
                self._answered.popleft()
            if self._pace is not None and now >= self._paced + 1:
                self._pace, self._paced = self._pace * _PACE_GROWTH, now
            if self._is_adaptive and self._clean >= self.limit:
                self._clean = 0
                self.limit = min(MOST, self.limit * _GROWTH)
                self._changed.notify_all()

    def refuse(self, fault: Fault) -> None:
        """Note a call that was refused."""
        now = monotonic()
        asked = fault.retry_after or 0.0
        with self._changed:
            if asked > self._max_wait:
                self.exhausted = f"the service asked to wait for {asked:,.0f} s, and max_wait is {self._max_wait:g}"
                self._changed.notify_all()
                return
            self._clean = 0
            self._resumes = max(self._resumes, now + asked)
            if self._is_adaptive and now >= self._cool_until:
                self.limit = max(1.0, self.limit * _RETREAT)
                self._cool_until = now + max(_COOL_DOWN, asked)
                # How often a service answers is seen by how often it did when it began to refuse.
                answered = sum(moment > now - 1 for moment in self._answered)
                self._pace, self._paced = max(1.0, answered * _PACE), now + asked
                self._resumes = max(self._resumes, now + _PAUSE)

    def _wait(self) -> float | None:
        """Return the seconds until a call may begin, 0 until another one has ended; None if it may begin now."""
        if self.exhausted:
            return None
        now = monotonic()
        if now < self._resumes:
            return self._resumes - now
        if self._running >= int(self.limit):
            return 0.0
        return self._pace_wait(now) or self._rate_wait(now)

    def _pace_wait(self, now: float) -> float | None:
        """Return the seconds until the pace lets a call begin, which takes that place."""
        if self._pace is None:
            return None
        if now < self._next:
            return self._next - now
        self._next = max(self._next, now - 1 / self._pace) + 1 / self._pace
        return None

    def _rate_wait(self, now: float) -> float | None:
        """Return the seconds until the bucket holds a call, which it takes out."""
        if self._rate is None:
            return None
        self._tokens = min(max(1.0, self._rate), self._tokens + (now - self._filled) * self._rate)
        self._filled = now
        if self._tokens < 1:
            return (1 - self._tokens) / self._rate
        self._tokens -= 1
        return None
