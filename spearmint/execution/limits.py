"""What background work may take, and the account of what became of it."""

import math
import os
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, get_args

from spearmint.errors import ConfigError
from spearmint.suggest import did_you_mean

Overflow = Literal["drop", "block", "run_in_caller"]


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """What background work may take.

    Attributes:
        max_workers: Threads for variants of functions that are not async.
        max_tasks: Async variants of one event loop that may be under way at once.
        queue_size: Variants that may wait for a thread; also async variants that may wait for others of their loop.
        overflow: What happens to a variant beyond that: ``"drop"`` it, ``"block"`` the caller until there is room, or
            ``"run_in_caller"``.
        exit_timeout: Seconds that the exit of the process waits for what is under way.
        stream_items: Items after which a variant's stream is closed.
        stream_seconds: Seconds after which a variant's stream is closed.
    """

    max_workers: int = field(default_factory=lambda: min(32, (os.cpu_count() or 1) + 4))
    max_tasks: int = 16
    queue_size: int = 1000
    overflow: Overflow = "drop"
    exit_timeout: float = 2.0
    stream_items: int = 10_000
    stream_seconds: float = 60.0

    def __post_init__(self) -> None:
        for name, lowest in (("max_workers", 1), ("max_tasks", 1), ("queue_size", 1), ("stream_items", 1)):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < lowest:
                raise _bad_limit(name, value, f"a whole number from {lowest}")
        for name in ("exit_timeout", "stream_seconds"):
            value = getattr(self, name)
            if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < math.inf:
                raise _bad_limit(name, value, "a number of seconds from 0")
        if self.overflow not in get_args(Overflow):
            raise _bad_limit("overflow", self.overflow, f"one of {', '.join(map(repr, get_args(Overflow)))}")

    def with_changes(self, changes: dict[str, Any]) -> "PoolLimits":
        """Return these limits with some replaced.

        Raises:
            ConfigError: If a name is unknown or a value is out of range.
        """
        known = [item.name for item in fields(self)]
        for name in changes:
            if name not in known:
                message = (
                    f"Cannot set background limit {name!r}: there is none. Give some of {', '.join(known)}."
                    f"{did_you_mean(name, known)}"
                )
                raise ConfigError(message)
        return replace(self, **changes)


def _bad_limit(name: str, value: Any, wanted: str) -> ConfigError:
    return ConfigError(f"Cannot set background limit {name!r} to {value!r}: it is out of range. Give {wanted}.")


@dataclass(frozen=True, slots=True)
class BackgroundStats:
    """What became of the variants of this process, as counts.

    ``submitted == finished + failed + cancelled + timed_out + dropped + abandoned + pending`` at any time.
    """

    submitted: int = 0
    finished: int = 0
    failed: int = 0
    cancelled: int = 0
    timed_out: int = 0
    dropped: int = 0
    abandoned: int = 0
    pending: int = 0
