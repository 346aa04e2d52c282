"""The background of the process: what it takes of what is handed over, and what becomes of it at exit and in a fork."""

import asyncio
import atexit
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from spearmint.execution.job_tracker import JobTracker
from spearmint.execution.jobs import Batch
from spearmint.execution.limits import BackgroundStats, PoolLimits
from spearmint.execution.workers import Workers
from spearmint.online.writer import records
from spearmint.results import Outcome
from spearmint.tracing.exporter import exporter as traces

MANY = 100  # variants, beyond which their caller is not held up until there is room: as a batch, they take little


class VariantPool:
    """The pool. A process has one; a fork begins with an empty one.

    Attributes:
        limits: What it may take.
        account: What became of everything handed over.
        workers: The threads for variants that are not async.
        exit_callbacks: Called at exit, when no more work is waited for.
    """

    def __init__(self) -> None:
        self.limits = PoolLimits()
        self.exit_callbacks: list[Callable[[], None]] = []
        self._is_registered = False
        self._is_drained = False
        self._reset()

    def _reset(self) -> None:
        self.account = JobTracker()
        self.workers = Workers(self.account, lambda: self.limits)

    # What callers do.

    def configure(self, **changes: Any) -> None:
        """Replace limits of the process; they hold for what is handed over from now on.

        Raises:
            ConfigError: If a name is unknown or a value is out of range.
        """
        self.limits = self.limits.with_changes(changes)
        self.workers.adapt()
        self.workers.tell_of_room()

    def stats(self) -> BackgroundStats:
        """Return one consistent snapshot of the account."""
        return self.account.stats()

    def hand_over(self, batch: Batch, count: int) -> None:
        """Hand over variants, as far as there is room; the others are dropped, wait or run here, as limits say.

        Args:
            batch: The variants of a call.
            count: How many they are.
        """
        workers = self.workers
        if workers.count > workers.stuck and len(workers.queue) + count <= self.limits.queue_size:
            workers.put(batch, count)
            return
        if not self._is_registered:
            self.register()
        if self._is_full(workers) and self.account.drop(batch):
            self._warn_of_drop()
            return
        if not workers.can_work():  # Waiting would not end.
            self.drop(batch, count)
            return
        while count:
            limits = self.limits
            room = limits.queue_size - len(workers.queue)
            if count > MANY and limits.overflow != "drop":
                room = count
            if room > 0:
                number = min(room, count)
                workers.put(batch, number)
                count -= number
            elif limits.overflow == "drop" or self._is_locked():
                self.drop(batch, count)
                return
            elif limits.overflow == "run_in_caller" or workers.is_busy():
                self._run_here(batch, count)
                return
            else:
                workers.wait_for_room()

    def hand_over_awaited(self, batch: Batch, count: int) -> None:
        """Hand over variants that a caller waits for, or may: they find room in a full queue, too."""
        workers = self.workers
        if not self._is_registered:
            self.register()
        # Were a worker to wait for these, and all others for theirs, no thread would run them.
        if workers.is_busy():
            self._run_here(batch, count)
        elif workers.can_work():
            workers.put(batch, count)
        elif workers.stuck:  # What hung the pool is not to hang the caller either.
            self.drop(batch, count)
        else:
            self._run_here(batch, count)

    def _is_full(self, workers: Workers) -> bool:
        limits = self.limits
        return limits.overflow == "drop" and len(workers.queue) >= limits.queue_size

    def _run_here(self, batch: Batch, count: int) -> None:
        if self._is_locked():
            self.drop(batch, count)
            return
        for _ in range(count):
            self.workers.run_next(batch)

    def _is_locked(self) -> bool:
        """Tell whether the collector closes a stream under the lock: then nothing may run or wait on this thread."""
        is_owned: bool = self.account.lock._is_owned()  # noqa: SLF001 - as `GuardedLock`
        return is_owned

    def drop(self, batch: Batch, count: int) -> None:
        """Settle variants, the last ones of the plan, that do not run for want of room."""
        for job in batch.leave(count):
            self.account.settle(job, Outcome("dropped"))
        self._warn_of_drop()

    def shed(self, batch: Batch, count: int) -> None:
        """Settle variants that do not run, as their event loop has fallen behind."""
        for job in batch.leave(count):
            self.account.settle(job, Outcome("dropped"))
        self.account.warn_of_loss(f"the event loop lags by more than {self.limits.max_lag:g} s (max_lag)", "max_lag")

    def _warn_of_drop(self) -> None:
        is_stuck = self.workers.stuck >= self.workers.count > 0
        full = f"the queue of {self.limits.queue_size} is full"
        self.account.warn_of_loss("every worker is held by a variant beyond its time" if is_stuck else full)

    def cancel(self, batch: Batch, count: int, *, is_lost: bool = False) -> None:
        """Settle variants that do not run.

        Args:
            batch: The variants of a call.
            count: How many of them, the last ones of the plan.
            is_lost: Whether they were to run all the same, rather than main being interrupted.
        """
        outcome = Outcome("cancelled", exception=asyncio.CancelledError() if is_lost else None)
        for job in batch.leave(count):
            self.account.settle(job, outcome)

    def cancel_rest(self, batch: Batch) -> None:
        """Settle what has found no way into the queue before its caller was interrupted."""
        for job in self.account.under_way():
            if job.batch is batch and not job.has_worker and job.task is None:  # It ran here, or was about to run.
                self.account.settle(job, Outcome("cancelled"))
        self.cancel(batch, self.account.guard.run(self.account.rest, batch))

    def flush(self, timeout: float | None) -> bool:
        """Wait for what has been handed over; see `spearmint.flush`."""
        held_up = _running_loop()
        self._repair()

        def can_end(loop: asyncio.AbstractEventLoop | None) -> bool:
            return loop is None or (loop is not held_up and loop.is_running())

        with self.account.waiting(can_end) as (latch, is_whole):
            return latch.wait(timeout) and is_whole

    async def aflush(self, timeout: float | None) -> bool:
        """Do the same without holding up the event loop."""
        self._repair()
        with self.account.waiting(lambda loop: loop is None or loop.is_running()) as (latch, is_whole):
            return await latch.wait_async(timeout) and is_whole

    def _repair(self) -> None:
        """Tell those again who were to go on: what was to tell them may have been interrupted."""
        self.workers.wake_one()
        for queue in list(self.account.loops.values()):
            queue.repair()

    # The life of the process.

    def reset(self) -> None:
        """Begin with an empty account and no workers, as a process does; for tests, when nothing is under way."""
        retired = self.workers
        self._reset()
        retired.retire()

    def register(self) -> None:
        """Have the end of the process waited for, and forks told; a second time does nothing."""
        if not self._is_registered:
            self._is_registered = True
            atexit.register(self._drain_at_exit)
            # Whichever of the exits comes first, what variants and scorers have told is written after them.
            traces.before_exit.append(self._drain_at_exit)
            records.before_exit.append(self._drain_at_exit)
            if hasattr(os, "register_at_fork"):
                os.register_at_fork(after_in_child=self._reset_after_fork)

    def _reset_after_fork(self) -> None:
        """Let the child of a fork start afresh: what is under way belongs to the parent, threads and locks too."""
        inherited = self.account
        self.workers.is_retired = True
        self._reset()
        inherited.leave_to_parent()

    def _drain_at_exit(self) -> None:
        if self._is_drained:
            return
        self._is_drained = True
        with suppress(KeyboardInterrupt):  # A second Ctrl-C ends the wait.
            self.flush(self.limits.exit_timeout)
        left = self.account.abandon()
        for close in self.exit_callbacks:
            close()
        if left and sys.stderr is not None:
            waited = f"after {self.limits.exit_timeout:g} s"
            sys.stderr.write(f"spearmint: {left} background executions were abandoned at exit {waited}\n")


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


variant_pool = VariantPool()
traces.exit_timeout = lambda: variant_pool.limits.exit_timeout
