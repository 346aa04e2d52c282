"""The account of background work: every job from its hand-over to its end, and who waits for it."""

import asyncio
import logging
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields
from typing import Any

from spearmint.execution.jobs import Batch, Job, variant_var
from spearmint.execution.limits import BackgroundStats
from spearmint.latch import Latch
from spearmint.native import GuardedLock
from spearmint.results import Outcome
from spearmint.tracing.recorder import end_with

logger = logging.getLogger("spearmint")


@dataclass(slots=True, eq=False)
class _Flush:
    """A wait for jobs and batches; both leave ``left`` as they end."""

    left: dict[Any, None]
    latch: Latch = field(default_factory=lambda: Latch(1))


class JobTracker:
    """Counts of all jobs of the process, and the set of those under way.

    A signal handler may raise at any moment on the main thread, so that what threads of the pool do may not be
    interrupted, and everything else may, anywhere, and is done again. Whatever is done here can be done twice. Counts
    change where no handler can run between the change and what says that it was made: CPython lets handlers run after
    calls and backward jumps only.

    Attributes:
        guard: Guards all of it. Nothing of the user's runs under it, nor does a thread wait for another lock.
        lock: The same, for the threads of the pool.
        queues: What waits, as batches, each as often as it has variants that wait.
        loops: The queue of each event loop that has variants.
    """

    def __init__(self) -> None:
        # Re-entrant, since the collector may close a stream, which hands over variants, at any allocation.
        self.guard = GuardedLock()
        self.lock = self.guard.lock
        self.queues: list[Collection[Batch]] = []
        self.loops: dict[Any, Any] = {}
        self._counts = dict.fromkeys((item.name for item in fields(BackgroundStats)), 0)
        self._open: dict[Job, None] = {}
        self._flushes: list[_Flush] = []
        self._told: set[str] = set()

    def stats(self) -> BackgroundStats:
        """Return one consistent snapshot."""
        return self.guard.run(self._stats)

    def _stats(self) -> BackgroundStats:
        ended = self._counts.copy()
        pending = len(self._open) + sum(map(len, self.queues))
        return BackgroundStats(**{**ended, "submitted": sum(ended.values()) + pending, "pending": pending})

    def under_way(self) -> list[Job]:
        """Return the jobs that have begun and not ended."""
        return list(self._open.copy())

    def register(self, job: Job, queue: Any = None) -> None:
        """Take a job into account, and its batch from the head of a queue; the caller holds the lock."""
        self._open[job] = None
        job.is_registered = True
        if queue is not None:
            del queue[0]

    def rest(self, batch: Batch) -> int:
        """Return how many variants of a batch are in no queue yet; the caller holds the lock."""
        return batch.untaken - sum(1 for queue in self.queues for one in queue if one is batch)

    def settle(self, job: Job, outcome: Outcome) -> None:
        """Record how a job ended, unless that is known already."""
        try:
            self._settle(job, outcome)
        except BaseException:  # A signal handler has raised, and everything done so far can be done again.
            self._settle(job, outcome)
            raise

    def _settle(self, job: Job, outcome: Outcome) -> None:
        claimed = self.guard.run(_claim, job, outcome)
        if claimed is not outcome:
            end_with(job.recording and job.recording.span, claimed)  # It may have begun as the other one settled it.
            return
        end_with(job.recording and job.recording.span, outcome)
        if outcome.exception is not None and not job.is_told:
            job.is_told = True
            self._report(job, outcome.exception)
        if job.result is not None:
            job.result.settle(outcome)
        # Who waits finds the counts complete.
        self.guard.run(self._leave, job, "finished" if outcome.status == "success" else outcome.status)
        if job.result is not None:
            job.result.release()
        if self._flushes:
            self._tell_flushes(job)
        # Neither keeps the other, nor what the call was given, alive.
        job.batch = job.work = None

    def _report(self, job: Job, error: BaseException) -> None:
        try:
            if isinstance(error, asyncio.CancelledError | GeneratorExit):
                self.warn_of_loss("their event loop ended, or other code cancelled them")
            else:
                job.report(error)
        except BaseException:  # noqa: BLE001, S110 - a handler of logging that raises must not lose the job
            pass

    def _leave(self, job: Job, count: str) -> None:
        if job.is_counted:  # Abandoned, or left to the parent of a fork, while it was being settled.
            return
        self._counts[count] += job.count
        job.is_counted = True
        if job.batch is not None:
            job.batch.left -= job.count
        if job in self._open:
            del self._open[job]

    def _tell_flushes(self, job: Job) -> None:
        for one in self._flushes.copy():
            one.left.pop(job, None)
            if job.batch is not None and job.batch.left <= 0:
                one.left.pop(job.batch, None)
            if not one.left:
                one.latch.count_down(one)

    def count_dropped(self, number: int, reason: str, topic: str) -> None:
        """Count variants that were dropped before there was a job for each; the reason is told once for a topic."""
        self.guard.run(self._count_dropped, number)
        self.warn_of_loss(reason, topic)

    def _count_dropped(self, number: int) -> None:
        self._counts["dropped"] += number

    def drop(self, batch: Batch) -> bool:
        """Count all variants of a batch as dropped, if it has made no jobs and no caller gets their results."""
        return self.guard.run(self._drop, batch)

    def _drop(self, batch: Batch) -> bool:
        if not batch.is_deferred:
            return False
        self._counts["dropped"] += batch.size
        batch.size = 0
        return True

    def warn_of_loss(self, reason: str, topic: str = "") -> None:
        """Log a loss for the first time of each topic, or of each reason; the counts tell of the others."""
        topic = topic or reason
        if topic in self._told:  # As nearly always.
            return
        self._told.add(topic)
        if not sys.is_finalizing():  # By then, a daemon thread may hold a lock of logging for ever.
            advice = "background_stats() counts what is lost, configure(background=...) sets the limits"
            with suppress(Exception):  # As above.
                logger.warning("Variants are lost: %s; %s. This is said once.", reason, advice)

    def abandon(self) -> int:
        """Count what has not ended as abandoned; return how many those are."""
        left, number = self.guard.run(self._abandon)
        for job in left:
            end_with(job.recording and job.recording.span, Outcome("cancelled"), "abandoned")
            _silence_asyncio_warning(job)
        return number

    def _abandon(self) -> tuple[list[Job], int]:
        left, queued = self.under_way(), sum(map(len, self.queues))
        for job in left:
            job.is_counted = True
            job.outcome = job.outcome or Outcome("cancelled")
        self._open = {}
        self.queues = []
        self._counts["abandoned"] += len(left) + queued
        return left, len(left) + queued

    def clear(self) -> None:
        """Count from zero, and tell each kind of loss again, if nothing is under way; for tests."""
        if not self.stats().pending:
            self._counts = dict.fromkeys(self._counts, 0)
            self._told.clear()

    def leave_to_parent(self) -> None:
        """Settle, in the child of a fork, what goes on in the parent only."""
        for queue in self.queues:
            for batch in set(queue):
                for job in batch.leave(len(queue)):
                    self._leave_job_to_parent(job)
        for job in self._open:
            self._leave_job_to_parent(job)

    def _leave_job_to_parent(self, job: Job) -> None:
        job.outcome = job.outcome or Outcome("dropped")
        job.is_counted = True
        _silence_asyncio_warning(job)
        if job.result is not None:
            job.result.forget()

    def settle_orphans(self) -> None:
        """Settle the tasks that will never run, of closed loops, or that ended without their loop's telling."""
        for loop, queue in self.loops.copy().items():
            if loop.is_closed():
                queue.cancel()
        for job in self.under_way():
            if job.task is None or job.loop is None or not (job.loop.is_closed() or job.task.done()):
                continue
            self.settle(job, Outcome("cancelled", exception=asyncio.CancelledError()))
            _silence_asyncio_warning(job)
            coroutine = job.task.get_coro()
            if coroutine is not None and not job.task.done():
                with suppress(BaseException):  # Whatever its `finally` does, the loop that it needs is gone.
                    coroutine.close()

    @contextmanager
    def waiting(self, can_end: Callable[[Any], bool]) -> Iterator[tuple[Latch, bool]]:
        """Make a latch for jobs under way.

        Args:
            can_end: Tells whether what runs on a loop, or on threads where that is None, may end while the caller
                waits.

        Yields:
            The latch, and whether it counts every job. In a variant only those count that it has handed over: all
            others may be waiting for it.
        """
        self.settle_orphans()
        flush, is_whole = self.guard.run(self._begin_flush, can_end)
        try:
            if not flush.left:
                flush.latch.count_down(flush)
            yield flush.latch, is_whole
        finally:
            self._flushes = [one for one in self._flushes if one is not flush]

    def _begin_flush(self, can_end: Callable[[Any], bool]) -> tuple[_Flush, bool]:
        variant = variant_var.get()
        counted: dict[Any, Any] = {job: job.loop for job in self._open if variant in (None, job.parent)}
        for queue in self.queues:
            loop = getattr(queue, "loop", None)
            counted.update((one, loop) for one in queue if variant in (None, one.context.get(variant_var)))
        flush = _Flush({one: None for one, loop in counted.items() if can_end(loop)})
        self._flushes = [*self._flushes, flush]
        return flush, len(flush.left) == len(counted)


def _claim(job: Job, outcome: Outcome) -> Outcome:
    if job.outcome is None:
        job.outcome = outcome
    return job.outcome


def _silence_asyncio_warning(job: Job) -> None:
    if job.task is not None:
        # Its loss is told and counted; asyncio would log it once more, when the task is collected.
        job.task._log_destroy_pending = False  # type: ignore[attr-defined]  # noqa: SLF001
