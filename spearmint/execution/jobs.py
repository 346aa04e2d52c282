"""A variant on its way, and the batch of all variants of one call."""

import asyncio
from collections.abc import Callable, Collection
from contextvars import Context, ContextVar
from dataclasses import dataclass
from typing import Any, Protocol

from spearmint.results import FunctionResult, Outcome

# Stands for the variant that the code runs in; what a variant hands over has it as its parent.
variant_var: ContextVar[object | None] = ContextVar("spearmint_variant", default=None)


@dataclass(slots=True, eq=False)
class Recording:
    """What is recorded of one variant. Its work fills it in, and must not hold the job, which holds the work.

    Attributes:
        result: Is told the id of the trace.
        span: What is recorded, once it has begun.
    """

    result: FunctionResult | None
    span: Any = None


class Batch(Protocol):
    """The variants of one call, handed over as one: they stand in a queue as often as there are of them.

    Attributes:
        context: The context variables of the call.
        left: How many of its variants have not ended.
        untaken: How many of them have neither been taken nor given up.
        size: How many there are.
        is_deferred: Whether no job has been made of any, and no caller gets their results.
    """

    context: Context
    left: int
    size: int

    @property
    def is_deferred(self) -> bool:
        """See above."""

    @property
    def untaken(self) -> int:
        """See above."""

    def take(self) -> "Job":
        """Return the next variant in the order of the plan as a job, the same until it is registered.

        One thread at a time calls this.
        """

    def leave(self, count: int) -> "Collection[Job]":
        """Give up that many of the last variants of the plan, and return the jobs of all that were given up."""


@dataclass(slots=True, eq=False)
class Job:
    """One variant on its way.

    Attributes:
        context: The context variables that it runs with.
        report: Tells of an exception, before the result settles.
        timeout: Seconds it may take; None for no bound.
        result: Where its outcome goes; None where no caller can ask for it.
        work: Runs the function and returns the outcome; on a loop, a coroutine that does.
        batch: What it was taken from; None for what is settled without having been queued.
        loop: The event loop that its task runs on, None for a thread.
        task: Holds the task, which asyncio itself would not keep alive.
        parent: The variant that handed it over, None outside variants.
        recording: What is recorded of it; None where it is not traced.
        has_worker: Whether a thread of the pool runs it, and nothing else meanwhile.
        has_stuck: Whether it keeps that thread beyond its time.
        outcome: How it ended, as the first has told of it.
        is_registered: Whether it has left the queue.
        is_told: Whether its exception has been reported.
        is_counted: Whether its end is counted, or none of this process's business.
        count: How many variants it is: more than one where several are given up at once.
    """

    context: Context
    report: Callable[[BaseException], None]
    timeout: float | None = None
    result: FunctionResult | None = None
    work: Callable[[], Any] | None = None
    batch: Batch | None = None
    loop: asyncio.AbstractEventLoop | None = None
    task: asyncio.Task[None] | None = None
    parent: object | None = None
    recording: Recording | None = None
    has_worker: bool = False
    has_stuck: bool = False
    outcome: Outcome | None = None
    is_registered: bool = False
    is_told: bool = False
    is_counted: bool = False
    count: int = 1
