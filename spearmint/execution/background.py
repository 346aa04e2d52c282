"""The background of the process: a bounded pool of daemon threads, and the account of everything handed to it."""

import asyncio
import atexit
import logging
import os
import queue
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context
from dataclasses import dataclass, fields
from time import perf_counter
from typing import Any

from spearmint.execution.deadlines import Deadlines
from spearmint.execution.limits import BackgroundStats, Limits, Overflow
from spearmint.results import FunctionResult, Latch, Outcome

logger = logging.getLogger("spearmint")


@dataclass(slots=True, weakref_slot=True, eq=False)
class Job:
    """One variant on its way.

    Attributes:
        result: Where its outcome goes.
        context: The context variables that it runs with.
        work: Runs the function and returns the outcome; it does not raise. None for a task, which runs itself.
        timeout: Seconds it may take; None for no bound.
        report: Tells of an exception, before the result settles.
        loop: The event loop that its task runs on, None for a thread.
        task: Holds the task, which asyncio itself would not keep alive.
    """

    result: FunctionResult
    context: Context
    report: Callable[[BaseException], None]
    work: Callable[[], Outcome] | None = None
    timeout: float | None = None
    loop: asyncio.AbstractEventLoop | None = None
    task: asyncio.Task[None] | None = None
    is_settled: bool = False
    has_stuck: bool = False


class Background:
    """The pool and its account. A process has one; a fork begins with an empty one."""

    def __init__(self) -> None:
        self.limits = Limits()
        self._is_registered = False
        self._reset()

    def _reset(self) -> None:
        # Re-entrant, since the collector may close a stream, which hands over variants, at any allocation.
        self._lock = threading.RLock()
        self._room = threading.Condition(self._lock)
        self._queue: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self._deadlines = Deadlines(self._expire)
        self._here = threading.local()
        self._counts = dict.fromkeys((item.name for item in fields(BackgroundStats)), 0)
        self._open: set[Job] = set()
        self._waiters: list[tuple[set[Job], Latch]] = []
        self._queued = self._workers = self._busy = self._stuck = self._tasks = self._blocked = 0
        self._has_warned = False

    # What callers do.

    def configure(self, **changes: Any) -> None:
        """Replace limits of the process; they hold for what is handed over from now on.

        Raises:
            ConfigError: If a name is unknown or a value is out of range.
        """
        self.limits = self.limits.with_changes(changes)

    def stats(self) -> BackgroundStats:
        """Return one consistent snapshot of the account."""
        with self._lock:
            return BackgroundStats(**{**self._counts, "pending": len(self._open)})

    def submit(self, job: Job, *, must_run: bool = False) -> None:
        """Hand a job to the pool.

        Args:
            job: The job; it has ``work``.
            must_run: Whether somebody waits for it, so that a full queue blocks instead of dropping it.
        """
        with self._lock:
            self._enter(job)
        if self._is_worker():  # Were it to wait for this job, and all others for theirs, nobody would run them.
            self._run(job)
            return
        with self._lock:
            has_worker = self._workers > 0 or self._start_worker()
            if has_worker and self._queued < self.limits.queue_size:
                self._enqueue(job)
                return
        policy: Overflow = "block" if must_run else self.limits.overflow
        if not has_worker:  # No thread can be had, so waiting for one would not end.
            policy = "run_in_caller" if must_run else "drop"
        if policy == "drop":
            self.drop(job)
        elif policy == "block":
            self._enqueue_when_there_is_room(job)
        else:
            self._run(job)

    def admit(self, job: Job) -> bool:
        """Enter a job that runs as a task of its own.

        Returns:
            Whether there is room for it; without room the caller applies the overflow policy.
        """
        with self._lock:
            self._enter(job)
            self._tasks += 1
            return self._tasks <= self.limits.queue_size

    def tasks(self, loop: asyncio.AbstractEventLoop) -> set[asyncio.Task[None]]:
        """Return the tasks under way on a loop."""
        with self._lock:
            return {job.task for job in self._open if job.loop is loop and job.task is not None}

    def drop(self, job: Job) -> None:
        """Settle a job that does not run for want of room."""
        self.settle(job, Outcome("dropped"))
        self.warn_of_loss(f"the queue of {self.limits.queue_size} is full")

    def cancel(self, job: Job) -> None:
        """Enter a job that is not to run, since main was interrupted, and settle it."""
        with self._lock:
            self._enter(job)
        self.settle(job, Outcome("cancelled"))

    def count_lost(self, number: int, reason: str) -> None:
        """Count variants that were dropped before there was a job for each."""
        with self._lock:
            self._counts["submitted"] += number
            self._counts["dropped"] += number
        self.warn_of_loss(reason)

    def warn_of_loss(self, reason: str) -> None:
        """Log the first loss; the counts tell of the others."""
        with self._lock:
            has_warned, self._has_warned = self._has_warned, True
        if not has_warned:
            advice = "background_stats() counts what is lost, configure(background=...) sets the limits"
            logger.warning("Variants are lost: %s; %s. This is said once.", reason, advice)

    def settle(self, job: Job, outcome: Outcome) -> bool:
        """Record how a job ended, unless that is known already; return whether it was not."""
        with self._lock:
            if job.is_settled:
                return False
            job.is_settled = True
        if isinstance(outcome.exception, asyncio.CancelledError):
            self.warn_of_loss("their event loop ended, or somebody cancelled them")
        elif outcome.exception is not None:
            job.report(outcome.exception)
        job.result.settle(outcome)
        with self._lock:
            self._counts["finished" if outcome.status == "success" else outcome.status] += 1
            self._leave(job)
        return True

    def flush(self, timeout: float | None) -> bool:
        """Wait for what has been handed over; see `spearmint.flush`."""
        with self._waiting(self._can_progress) as (latch, is_whole):
            return latch.wait(timeout) and is_whole

    async def aflush(self, timeout: float | None) -> bool:
        """Do the same without holding up the event loop."""
        with self._waiting(lambda job: job is not self._current()) as (latch, is_whole):
            return await latch.wait_async(timeout) and is_whole

    # The account. Each of these is called with the lock held.

    def _enter(self, job: Job) -> None:
        self._register_once()
        self._counts["submitted"] += 1
        self._open.add(job)

    def _leave(self, job: Job) -> None:
        self._open.discard(job)
        if job.loop is not None:
            self._tasks -= 1
        for left, latch in self._waiters:
            if job in left:
                left.discard(job)
                latch.count_down()

    @contextmanager
    def _waiting(self, can_progress: Callable[[Job], bool]) -> Iterator[tuple[Latch, bool]]:
        with self._lock:
            left = set(filter(can_progress, list(self._open)))  # The collector may add to it meanwhile.
            latch, is_whole = Latch(len(left)), len(left) == len(self._open - {self._current()})
            waiter = (left, latch)
            self._waiters.append(waiter)
        try:
            yield latch, is_whole
        finally:
            with self._lock:
                self._waiters.remove(waiter)

    def _can_progress(self, job: Job) -> bool:
        """Tell whether a job may end while this thread waits: for a worker, or a task of the loop it holds up, none."""
        if self._is_worker():  # The others may be waiting for this one.
            return False
        return job.loop is None or (job.loop.is_running() and job.loop is not _running_loop())

    def _current(self) -> Job | None:
        return getattr(self._here, "job", None)

    def _is_worker(self) -> bool:
        return self._current() is not None

    # The pool.

    def _enqueue(self, job: Job) -> None:
        self._queued += 1
        self._queue.put(job)
        if self._queued > self._workers - self._busy:
            self._start_worker()

    def _enqueue_when_there_is_room(self, job: Job) -> None:
        with self._room:
            self._blocked += 1
            self._room.wait_for(lambda: self._queued < self.limits.queue_size)
            self._blocked -= 1
            self._enqueue(job)

    def _start_worker(self) -> bool:
        # A worker that a hung variant holds is replaced, at most once each, so that variants go on.
        if self._workers >= self.limits.max_workers + min(self._stuck, self.limits.max_workers):
            return False
        self._workers += 1
        worker = threading.Thread(target=self._work, name=f"spearmint-worker-{self._workers}", daemon=True)
        try:
            worker.start()
        except RuntimeError:  # The machine has no more threads, or the interpreter is shutting down.
            self._workers -= 1
            return False
        return True

    def _work(self) -> None:
        while True:
            job = self._queue.get()
            with self._lock:
                self._queued -= 1
                self._busy += 1
                if self._blocked:
                    self._room.notify()
            self._run(job)
            with self._lock:
                self._busy -= 1
                if self._workers > self.limits.max_workers + self._stuck:
                    self._workers -= 1
                    return
            del job  # An idle worker keeps nothing alive.

    def _run(self, job: Job) -> None:
        assert job.work is not None  # noqa: S101 - told by `submit`
        outer, self._here.job = self._current(), job
        if job.timeout is not None:
            self._deadlines.watch(job, perf_counter() + job.timeout)
        try:
            self.settle(job, job.context.run(job.work))
        finally:
            self._here.job = outer
            if job.has_stuck:
                with self._lock:
                    self._stuck -= 1

    def _expire(self, job: Job) -> None:
        """Record that a running job has taken too long; its thread cannot be stopped."""
        error = TimeoutError(f"the variant took longer than {job.timeout} s; its thread runs on")
        with self._lock:
            if job.is_settled:
                return
            job.has_stuck = True
            self._stuck += 1
        self.settle(job, Outcome("timed_out", exception=error, duration=job.timeout or 0.0))
        with self._lock:
            if self._queued:
                self._start_worker()

    # The life of the process.

    def _register_once(self) -> None:
        if not self._is_registered:
            self._is_registered = True
            atexit.register(self._drain_at_exit)
            if hasattr(os, "register_at_fork"):
                os.register_at_fork(after_in_child=self._begin_again)

    def _begin_again(self) -> None:
        """Let the child of a fork start afresh: what is under way belongs to the parent, threads and locks too."""
        inherited = self._open
        self._reset()
        for job in inherited:
            job.is_settled = True
            job.result.forget()

    def _drain_at_exit(self) -> None:
        self.flush(self.limits.exit_timeout)
        with self._lock:
            left, self._open = self._open, set()
            self._counts["abandoned"] += len(left)
            for job in left:
                job.is_settled = True
        if left:
            waited = f"after {self.limits.exit_timeout:g} s"
            sys.stderr.write(f"spearmint: {len(left)} background executions were abandoned at exit {waited}\n")


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


background = Background()
