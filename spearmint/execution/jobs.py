"""The account of background work: every job from its hand-over to its end, and who waits for it."""

import asyncio
import logging
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import Context, ContextVar
from dataclasses import dataclass, field, fields
from typing import Any

from spearmint.execution.limits import BackgroundStats
from spearmint.results import FunctionResult, Latch, Outcome
from spearmint.tracing.recorder import end_with

logger = logging.getLogger("spearmint")

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


@dataclass(slots=True, eq=False)
class Job:
    """One variant on its way.

    Attributes:
        context: The context variables that it runs with.
        report: Tells of an exception, before the result settles.
        timeout: Seconds it may take; None for no bound.
        result: Where its outcome goes; None where nobody can ask for it.
        work: Runs the function and returns the outcome. None for a task, which runs itself.
        loop: The event loop that its task runs on, None for a thread.
        task: Holds the task, which asyncio itself would not keep alive.
        parent: The variant that handed it over, None outside variants.
        recording: What is recorded of it; None where it is not traced.
        has_worker: Whether a thread of the pool runs it, and nothing else meanwhile.
        has_stuck: Whether it keeps that thread beyond its time.
        is_settled: Whether its end is known, or none of this process's business.
        count: How many variants it is. A job may stand for many, which it hands over as jobs of their own.
    """

    context: Context
    report: Callable[[BaseException], None]
    timeout: float | None = None
    result: FunctionResult | None = None
    work: Callable[[], Outcome] | None = None
    loop: asyncio.AbstractEventLoop | None = None
    task: asyncio.Task[None] | None = None
    parent: object | None = field(default_factory=variant_var.get)
    recording: Recording | None = None
    has_worker: bool = False
    has_stuck: bool = False
    is_settled: bool = False
    count: int = 1


class JobTracker:
    """Counts of all jobs of the process, and the set of those under way.

    Attributes:
        lock: Guards both. Nothing of the user's runs under it, nor does anybody wait for another lock.
        tasks: How many of the jobs under way are tasks.
    """

    def __init__(self) -> None:
        # Re-entrant, since the collector may close a stream, which hands over variants, at any allocation.
        self.lock = threading.RLock()
        self.tasks = 0
        self._counts = dict.fromkeys((item.name for item in fields(BackgroundStats)), 0)
        self._open: set[Job] = set()
        self._more = 0  # Variants that jobs stand for beyond one each.
        self._waiters: list[tuple[set[Job], Latch]] = []
        self._told: set[str] = set()

    def stats(self) -> BackgroundStats:
        """Return one consistent snapshot."""
        with self.lock:
            return BackgroundStats(**{**self._counts, "pending": len(self._open) + self._more})

    def under_way(self) -> set[Job]:
        """Return the jobs that have not ended, as a set of the caller's own."""
        with self.lock:
            return self._open.copy()

    def register(self, job: Job, source: Job | None = None) -> None:
        """Take a job into account, maybe one that another job has stood for; the caller holds the lock."""
        if source is None or source not in self._open:  # Abandoned with all that it still stood for.
            self._counts["submitted"] += job.count
            self._more += job.count - 1
        else:
            source.count -= 1
            self._more -= 1
            for left, latch in self._waiters:
                if source in left:
                    left.add(job)
                    latch.add(1)
        self._open.add(job)
        if job.loop is not None:
            self.tasks += 1

    def settle(self, job: Job, outcome: Outcome) -> None:
        """Record how a job ended, unless that is known already."""
        with self.lock:
            if job.is_settled:
                return
            job.is_settled = True
        end_with(job.recording and job.recording.span, outcome)
        if outcome.exception is not None:
            with suppress(BaseException):  # A handler of logging that raises must not lose the job.
                self._tell(job, outcome.exception)
        with self.lock:
            if job.result is not None:
                job.result.settle(outcome)
            latches = self._leave(job, "finished" if outcome.status == "success" else outcome.status)
        # Who waits finds the counts complete. Not under the lock, as a latch has one of its own.
        if job.result is not None:
            job.result.release()
        for latch in latches:
            latch.count_down()

    def _tell(self, job: Job, error: BaseException) -> None:
        if isinstance(error, asyncio.CancelledError | GeneratorExit):
            self.warn_of_loss("their event loop ended, or somebody cancelled them")
        else:
            job.report(error)

    def _leave(self, job: Job, count: str) -> Iterable[Latch]:
        if job not in self._open:  # Abandoned, or left to the parent of a fork, while it was being settled.
            return ()
        self._open.discard(job)
        self._counts[count] += job.count
        self._more -= job.count - 1
        if job.loop is not None:
            self.tasks -= 1
        return [latch for left, latch in self._waiters if job in left] if self._waiters else ()

    def count_dropped(self, number: int, reason: str, topic: str) -> None:
        """Count variants that were dropped before there was a job for each; the reason is told once for a topic."""
        with self.lock:
            self._counts["submitted"] += number
            self._counts["dropped"] += number
        self.warn_of_loss(reason, topic)

    def warn_of_loss(self, reason: str, topic: str = "") -> None:
        """Log a loss for the first time of each topic, or of each reason; the counts tell of the others."""
        topic = topic or reason
        if topic in self._told:  # As nearly always, which needs no lock.
            return
        with self.lock:
            collects_results = topic in self._told
            self._told.add(topic)
        if (
            not collects_results and not sys.is_finalizing()
        ):  # By then, a daemon thread may hold a lock of logging for ever.
            advice = "background_stats() counts what is lost, configure(background=...) sets the limits"
            with suppress(Exception):  # As above.
                logger.warning("Variants are lost: %s; %s. This is said once.", reason, advice)

    def abandon(self) -> int:
        """Count what has not ended as abandoned; return how many those are."""
        with self.lock:
            left, self._open = self._open, set()
            self._counts["abandoned"] += len(left) + self._more
            self._more = 0
        for job in left:
            job.is_settled = True
            end_with(job.recording and job.recording.span, Outcome("cancelled"), "abandoned")
            _silence_asyncio_warning(job)
        return sum(job.count for job in left)

    def clear(self) -> None:
        """Count from zero, and tell each kind of loss again, if nothing is under way; for tests."""
        with self.lock:
            if not self._open:
                self._counts = dict.fromkeys(self._counts, 0)
                self._told.clear()

    def leave_to_parent(self) -> None:
        """Settle, in the child of a fork, what goes on in the parent only."""
        for job in self._open:
            job.is_settled = True
            _silence_asyncio_warning(job)
            if job.result is not None:
                job.result.forget()

    def settle_orphans(self) -> None:
        """Settle the tasks of closed loops, which nobody will ever run."""
        for job in self.under_way():
            if job.loop is None or not job.loop.is_closed() or job.task is None:
                continue
            self.settle(job, Outcome("cancelled", exception=asyncio.CancelledError()))
            _silence_asyncio_warning(job)
            coroutine = job.task.get_coro()
            if coroutine is not None:
                with suppress(BaseException):  # Whatever its `finally` does, the loop that it needs is gone.
                    coroutine.close()

    @contextmanager
    def waiting(self, can_end: Callable[[Job], bool]) -> Iterator[tuple[Latch, bool]]:
        """Make a latch for jobs under way.

        Args:
            can_end: Tells whether a job may end while the caller waits.

        Yields:
            The latch, and whether it counts every job. In a variant only those count that it has handed over: all
            others may be waiting for it.
        """
        self.settle_orphans()
        variant = variant_var.get()
        with self.lock:
            counted = [job for job in self.under_way() if variant is None or job.parent is variant]
            left = set(filter(can_end, counted))
            waiter = (left, Latch(len(left)))
            self._waiters.append(waiter)
        try:
            yield waiter[1], len(left) == len(counted)
        finally:
            with self.lock:
                self._waiters = [one for one in self._waiters if one is not waiter]


def _silence_asyncio_warning(job: Job) -> None:
    if job.task is not None:
        # Its loss is told and counted; asyncio would log it once more, when the task is collected.
        job.task._log_destroy_pending = False  # type: ignore[attr-defined]  # noqa: SLF001
