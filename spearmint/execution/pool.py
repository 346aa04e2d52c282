"""The background of the process: a bounded pool of daemon threads, and what becomes of it at exit and in a fork."""

import asyncio
import atexit
import os
import queue
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from time import perf_counter
from typing import Any

from spearmint.execution.jobs import Job, JobTracker, variant_var
from spearmint.execution.limits import BackgroundStats, PoolLimits
from spearmint.execution.watchdog import Watchdog
from spearmint.results import Outcome, outcome_of
from spearmint.tracing.exporter import exporter as traces


class VariantPool:
    """The pool. A process has one; a fork begins with an empty one.

    Attributes:
        limits: What it may take.
        account: What became of everything handed over.
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
        self._lock = self.account.lock
        self._room = threading.Condition(self._lock)
        self._queue: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._watchdog = Watchdog(self._on_timeout)
        self._here = threading.local()
        self._queued = self._workers = self._busy = self._stuck = self._blocked = 0

    # What callers do.

    def configure(self, **changes: Any) -> None:
        """Replace limits of the process; they hold for what is handed over from now on.

        Raises:
            ConfigError: If a name is unknown or a value is out of range.
        """
        with self._lock:
            self.limits = self.limits.with_changes(changes)
            self._room.notify_all()

    def stats(self) -> BackgroundStats:
        """Return one consistent snapshot of the account."""
        return self.account.stats()

    def submit(self, job: Job, *, must_run: bool = False, source: Job | None = None) -> bool:
        """Hand a job to the pool.

        Args:
            job: The job; it has ``work``.
            must_run: Whether somebody waits for it, so that a full queue blocks instead of dropping it.
            source: The running job that stands for this one and others.

        Returns:
            False if it is left with its source, for want of room.
        """
        if not self._is_registered:
            self._register()
        # Were a worker to wait for this job, and all others for theirs, nobody would run them.
        is_worker = source is None and self._is_worker() and not self._is_locked()
        try:
            with self._lock:
                has_room = not is_worker and self._queued < self.limits.queue_size and self._can_work()
                if source is not None and not has_room and self.limits.overflow == "drop":
                    return False
                self.account.register(job, source)
                if has_room:
                    self._enqueue(job)
                    return True
            if is_worker or source is not None:
                self._run(job)
            else:
                self._overflow(job, must_run=must_run)
        except BaseException:  # The caller was interrupted.
            self.account.settle(job, Outcome("cancelled"))
            raise
        return True

    def _overflow(self, job: Job, *, must_run: bool) -> None:
        policy = "block" if must_run else self.limits.overflow
        if not self._can_work():  # Waiting would not end. What hung the pool is not to hang the caller either.
            policy = "run_in_caller" if must_run and not self._stuck else "drop"
        if policy == "drop" or self._is_locked():
            self.drop(job)
        elif policy == "block":
            self._enqueue_when_there_is_room(job)
        else:
            self._run(job)

    def admit(self, job: Job, source: Job | None = None) -> bool:
        """Enter a job that runs as a task; tell whether there is room for it, else its caller does as limits say."""
        if not self._is_registered:
            self._register()
        with self._lock:
            self.account.register(job, source)
            return self.account.tasks <= self.limits.queue_size

    def tasks(self, loop: asyncio.AbstractEventLoop) -> set[asyncio.Task[None]]:
        """Return the tasks under way on a loop."""
        return {job.task for job in self.account.under_way() if job.loop is loop and job.task is not None}

    def drop(self, job: Job) -> None:
        """Settle a job that does not run for want of room."""
        self.account.settle(job, Outcome("dropped"))
        is_stuck = self._stuck >= self._workers > 0
        full = f"the queue of {self.limits.queue_size} is full"
        self.account.warn_of_loss("every worker is held by a variant beyond its time" if is_stuck else full)

    def cancel(self, job: Job, *, is_lost: bool = False) -> None:
        """Enter a job that cannot run, and settle it.

        Args:
            job: The job.
            is_lost: Whether it was to run all the same, rather than main being interrupted.
        """
        with self._lock:
            self.account.register(job)
        self.account.settle(job, Outcome("cancelled", exception=asyncio.CancelledError() if is_lost else None))

    def flush(self, timeout: float | None) -> bool:
        """Wait for what has been handed over; see `spearmint.flush`."""
        held_up = _running_loop()

        def can_end(job: Job) -> bool:
            return job.loop is None or (job.loop is not held_up and job.loop.is_running())

        with self.account.waiting(can_end) as (latch, is_whole):
            return latch.wait(timeout) and is_whole

    async def aflush(self, timeout: float | None) -> bool:
        """Do the same without holding up the event loop."""
        with self.account.waiting(lambda job: job.loop is None or job.loop.is_running()) as (latch, is_whole):
            return await latch.wait_async(timeout) and is_whole

    # The pool. Each of these is called with the lock held, unless it says otherwise.

    def _is_worker(self) -> bool:
        """Tell whether this thread is running a job; no lock is needed."""
        return getattr(self._here, "is_busy", False)

    def _is_locked(self) -> bool:
        """Tell whether the collector closes a stream under the lock: then nothing may run or wait on this thread."""
        is_owned: bool = self._lock._is_owned()  # type: ignore[attr-defined]  # noqa: SLF001
        return is_owned

    def _can_work(self) -> bool:
        """Tell whether some worker is not stuck, starting one if need be."""
        return self._workers > self._stuck or self._start_worker()

    def _enqueue(self, job: Job) -> None:
        self._queued += 1
        self._queue.put(job)
        if self._queued > self._workers - self._busy:
            self._start_worker()

    def _enqueue_when_there_is_room(self, job: Job) -> None:
        with self._room:
            self._blocked += 1
            try:
                self._room.wait_for(lambda: self._queued < self.limits.queue_size)
            except BaseException:
                self._room.notify()  # It may have been this thread's turn.
                raise
            finally:
                self._blocked -= 1
            if self._can_work():
                self._enqueue(job)
                return
        self.drop(job)

    def _start_worker(self) -> bool:
        # A worker that a hung variant holds is replaced, at most once each, so that variants go on.
        is_full = self._workers >= self.limits.max_workers + min(self._stuck, self.limits.max_workers)
        # A stream may be collected with the interpreter, when a new thread would never begin.
        if is_full or sys.is_finalizing():
            return False
        self._workers += 1
        name = f"spearmint-worker-{self._workers}"
        worker = threading.Thread(target=self._work, args=(self._queue,), name=name, daemon=True)
        try:
            worker.start()
        except RuntimeError:  # The machine has no more threads, or the interpreter is shutting down.
            self._workers -= 1
            return False
        return True

    def _work(self, jobs: "queue.SimpleQueue[Job | None]") -> None:
        """Run jobs, one after another; the lock is not held."""
        while (job := jobs.get()) is not None:
            with self._lock:
                self._queued -= 1
                self._busy += 1
                if self._blocked:
                    self._room.notify()
                job.has_worker = True
            if not job.is_settled:
                self._run(job)
            if jobs is not self._queue:  # The variant has forked, and this is the child: there is no pool yet.
                return
            with self._lock:
                self._busy -= 1
                job.has_worker = False
                if job.has_stuck:
                    self._stuck -= 1
                if self._workers > self.limits.max_workers + self._stuck:
                    self._workers -= 1
                    return
            del job  # An idle worker keeps nothing alive.

    def _run(self, job: Job) -> None:
        """Run a job on this thread; the lock is not held."""
        was_busy, self._here.is_busy = self._is_worker(), True
        if job.timeout is not None:
            self._watchdog.watch(job, perf_counter() + job.timeout)
        try:
            outcome = job.context.run(_outcome_of, job)
            if job.timeout is not None:
                self._watchdog.cancel(job)
            self.account.settle(job, outcome)
        finally:
            self._here.is_busy = was_busy

    def _on_timeout(self, job: Job) -> None:
        """Record that a running job has taken too long; its thread cannot be stopped. The lock is not held."""
        with self._lock:
            if job.is_settled:
                return
            if job.has_worker:
                job.has_stuck = True
                self._stuck += 1
            undeliverable = [] if not self._queued or self._can_work() else self._take_all()
        for one in undeliverable:
            self.drop(one)
        error = TimeoutError(f"the variant took longer than {job.timeout} s; its thread runs on")
        self.account.settle(job, Outcome("timed_out", exception=error, duration=job.timeout or 0.0))

    def _take_all(self) -> list[Job]:
        """Empty the queue, and let those go on who wait for room."""
        taken = []
        with suppress(queue.Empty):
            while (job := self._queue.get_nowait()) is not None:
                taken.append(job)
        self._queued -= len(taken)
        self._room.notify_all()
        return taken

    # The life of the process.

    def reset(self) -> None:
        """Begin with an empty account and no workers, as a process does; for tests, when nothing is under way."""
        workers, jobs = self._workers, self._queue
        self._reset()
        for _ in range(workers):
            jobs.put(None)

    def _register(self) -> None:
        with self._lock:
            if not self._is_registered:
                self._is_registered = True
                atexit.register(self._drain_at_exit)
                # Whichever of the two exits comes first, the traces of the variants are written after the variants.
                traces.before_exit.append(self._drain_at_exit)
                if hasattr(os, "register_at_fork"):
                    os.register_at_fork(after_in_child=self._reset_after_fork)

    def _reset_after_fork(self) -> None:
        """Let the child of a fork start afresh: what is under way belongs to the parent, threads and locks too."""
        inherited = self.account
        self._reset()
        inherited.leave_to_parent()

    def _drain_at_exit(self) -> None:
        if self._is_drained:
            return
        self._is_drained = True
        with suppress(KeyboardInterrupt):  # Whoever presses the key again wants the wait to end.
            self.flush(self.limits.exit_timeout)
        left = self.account.abandon()
        for close in self.exit_callbacks:
            close()
        if left and sys.stderr is not None:
            waited = f"after {self.limits.exit_timeout:g} s"
            sys.stderr.write(f"spearmint: {left} background executions were abandoned at exit {waited}\n")


def _outcome_of(job: Job) -> Outcome:
    assert job.work is not None  # noqa: S101 - told by `submit`
    variant_var.set(object())
    try:
        return job.work()
    except BaseException as error:  # noqa: BLE001 - a worker outlives whatever a variant does
        return outcome_of(error, 0.0)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


variant_pool = VariantPool()
traces.exit_timeout = lambda: variant_pool.limits.exit_timeout
