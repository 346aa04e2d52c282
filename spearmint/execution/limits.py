"""What background work may take, and the account of what became of it."""

import os
from dataclasses import dataclass, field
from typing import ClassVar, Literal, get_args

from spearmint.process_options import ProcessOptions

Overflow = Literal["drop", "block", "run_in_caller"]


@dataclass(frozen=True, slots=True)
class PoolLimits(ProcessOptions):
    """What background work may take.

    Attributes:
        max_workers: Threads for variants of functions that are not async.
        max_tasks: Async variants of one event loop that may be under way at once.
        queue_size: Variants that may wait for a thread; also async variants that may wait for others of their loop.
        max_lag: Seconds by which an event loop may run late before async variants that no caller waits for are dropped,
            where ``overflow`` is ``"drop"``. From a fiftieth of that on average, they wait.
        overflow: What happens to a variant beyond that: ``"drop"`` it, ``"block"`` the caller until there is room, or
            ``"run_in_caller"``.
        exit_timeout: Seconds that the exit of the process waits for what is under way.
        stream_items: Items after which a variant's stream is closed.
        stream_seconds: Seconds after which a variant's stream is closed.
    """

    kind: ClassVar[str] = "background limit"

    max_workers: int = field(default_factory=lambda: min(32, (os.cpu_count() or 1) + 4))
    max_tasks: int = 16
    queue_size: int = 1000
    max_lag: float = 0.1
    overflow: Overflow = "drop"
    exit_timeout: float = 2.0
    stream_items: int = 10_000
    stream_seconds: float = 60.0

    def __post_init__(self) -> None:
        self.check_whole("max_workers", "max_tasks", "queue_size", "stream_items")
        self.check_seconds("max_lag")
        self.check_seconds("exit_timeout", "stream_seconds", or_zero=True)
        self.check_choice("overflow", get_args(Overflow))


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
