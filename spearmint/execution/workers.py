"""The worker threads of the pool, and the queue that they take variants from."""

import sys
from collections import deque
from collections.abc import Callable
from itertools import repeat
from time import perf_counter

from spearmint.execution.job_tracker import JobTracker
from spearmint.execution.jobs import Batch, Job, variant_var
from spearmint.execution.limits import PoolLimits
from spearmint.execution.watchdog import Watchdog
from spearmint.native import SimpleQueue, Waiter, get_ident, start_thread
from spearmint.results import Outcome, outcome_of

_ROOM_SECONDS = 0.05  # after which a caller who waits for room looks again, should what tells of it have been lost


class Workers:
    """Daemon threads of one process, started as they are needed.

    Callers run on threads where a signal handler may raise at any moment, and hold no lock: each step of theirs is done
    or not done, and what wakes or starts a worker is done again by the next caller. A worker is never interrupted, and
    starts further ones.

    Args:
        account: What is told of every job.
        limits: Returns what they may take.

    Attributes:
        queue: Holds each batch as often as it has variants that wait.
        count: How many threads there are.
        stuck: How many of them are held by variants beyond their time.
        blocked: Callers that wait for room in the queue.
        may_grow: Whether more threads may be started.
        is_sleeping: Whether some worker is idle, and none is being woken.
        is_retired: Whether they have been replaced, as in the child of a fork.
    """

    def __init__(self, account: JobTracker, limits: Callable[[], PoolLimits]) -> None:
        self.queue: deque[Batch] = deque()
        self.count = self.stuck = 0
        self.blocked: list[Waiter] = []
        self.may_grow = True
        self.is_sleeping = self.is_retired = False
        self._account = account
        self._lock = account.lock
        self._limits = limits
        self._wake_ups = SimpleQueue()
        self._watchdog = Watchdog(self._on_timeout)
        self._busy_threads: set[int] = set()
        self._idle = 0
        self._is_starting = False
        account.queues.append(self.queue)

    # What callers do.

    def put(self, batch: Batch, count: int) -> None:
        """Add variants of a batch to the queue."""
        try:
            if count == 1:
                self.queue.append(batch)
            else:
                self.queue.extend(repeat(batch, count))
            if self.is_sleeping or (self.may_grow and not self._idle):
                self.wake_one()
        except BaseException:  # They may be in the queue already.
            self.wake_one()
            raise

    def wake_one(self) -> None:
        """Have some worker look at the queue."""
        if self.is_sleeping:
            self.is_sleeping = False
            try:
                self._wake_ups.put(None)
            except BaseException:
                self.is_sleeping = True
                raise
        elif self.queue and not self._idle:
            self._start_one()

    def can_work(self) -> bool:
        """Tell whether some worker is not stuck, starting one if need be."""
        return self.count > self.stuck or self._start_one()

    def is_busy(self) -> bool:
        """Tell whether this thread is a worker that runs a job."""
        return get_ident() in self._busy_threads

    def wait_for_room(self) -> None:
        """Wait until the queue may have room."""
        waiter = Waiter()
        self.blocked.append(waiter)
        try:
            if len(self.queue) >= self._limits().queue_size:
                waiter.wait(_ROOM_SECONDS)
        finally:
            self.blocked.remove(waiter)

    def tell_of_room(self) -> None:
        """Have those look again who wait for room."""
        for waiter in self.blocked.copy():
            waiter.wake()

    def run_next(self, batch: Batch) -> None:
        """Run the next variant of a batch on this thread."""
        self._run(self._account.guard.run(self._take_from, batch))

    def retire(self) -> None:
        """Let those go that are idle, or have yet to begin; for tests, when nothing is under way."""
        self.is_retired = True
        for _ in range(self._idle):
            self._wake_ups.put(None)

    # The threads.

    def adapt(self) -> None:
        """Take account of changed limits, or of a changed number of workers."""
        # A worker that a hung variant holds is replaced, at most once each, so that variants go on.
        most = self._limits().max_workers
        self.may_grow = self.count < most + min(self.stuck, most)

    def _start_one(self) -> bool:
        # A stream may be collected with the interpreter, when a new thread would never begin.
        if not self.may_grow or sys.is_finalizing():
            return False
        if self._is_starting:
            return True
        self._is_starting = True
        try:
            start_thread(f"spearmint-worker-{self.count + 1}", self._work)
        except RuntimeError:  # The machine has no more threads, or the interpreter is shutting down.
            self._is_starting = False
            return False
        except BaseException:  # It may have begun all the same, and finds out by itself whether it is one too many.
            self._is_starting = False
            raise
        return True

    def _work(self) -> None:
        with self._lock:
            self._is_starting = False
            if self.is_retired or not self.may_grow:
                return
            self.count += 1
            self.adapt()
        while (job := self._next()) is not None:
            self._busy_threads.add(get_ident())
            self._run(job)
            if self.is_retired:  # The variant has forked, and this is the child.
                return
            with self._lock:
                job.has_worker = False
                if job.has_stuck:
                    self.stuck -= 1
                    self.adapt()
            del job  # An idle worker keeps nothing alive.

    def _next(self) -> Job | None:
        """Wait for a job; None where there is one worker too many."""
        self._busy_threads.discard(get_ident())
        while not self.is_retired:
            with self._lock:
                if self.count > self._limits().max_workers + self.stuck:
                    self.count -= 1
                    self.adapt()
                    if self.queue:  # It may have been woken for what waits there.
                        self.wake_one()
                    return None
                job = self._take_or_go_idle()
            if job is not None:
                if self.blocked:
                    self.tell_of_room()
                return job
            self._wake_ups.get()
            with self._lock:
                self._idle -= 1
                self.is_sleeping = self._idle > 0
        return None

    def _take_or_go_idle(self) -> Job | None:
        job = self._take()
        if job is None:
            self._idle += 1
            # Set before the queue is looked at once more, as callers add to the queue before they look at this.
            self.is_sleeping = True
            job = self._take()
            if job is None:
                return None
            self._idle -= 1
            self.is_sleeping = self._idle > 0
        if self.queue:
            self.wake_one()
        return job

    def _take(self) -> Job | None:
        try:
            batch = self.queue.popleft()
        except IndexError:
            return None
        job = self._take_from(batch)
        job.has_worker = True
        return job

    def _take_from(self, batch: Batch) -> Job:
        job = batch.take()
        self._account.register(job)
        return job

    def _run(self, job: Job) -> None:
        if job.timeout is not None:
            self._watchdog.watch(job, perf_counter() + job.timeout)
        outcome = job.context.run(_outcome_of, job)
        if job.timeout is not None:
            self._watchdog.cancel(job)
        self._account.settle(job, outcome)

    def _on_timeout(self, job: Job) -> None:
        """Record that a running job has taken too long; its thread cannot be stopped."""
        undeliverable: list[Job] = []
        with self._lock:
            if job.outcome is not None:
                return
            if job.has_worker:
                job.has_stuck = True
                self.stuck += 1
                self.adapt()
            if self.queue and not self.can_work():
                while (one := self._take()) is not None:
                    undeliverable.append(one)
        self.tell_of_room()
        for one in undeliverable:
            self._account.settle(one, Outcome("dropped"))
        if undeliverable:
            self._account.warn_of_loss("every worker is held by a variant beyond its time")
        error = TimeoutError(f"the variant took longer than {job.timeout} s; its thread runs on")
        self._account.settle(job, Outcome("timed_out", exception=error, duration=job.timeout or 0.0))


def _outcome_of(job: Job) -> Outcome:
    assert job.work is not None  # noqa: S101 - set as it was taken
    variant_var.set(object())
    try:
        outcome: Outcome = job.work()
    except BaseException as error:  # noqa: BLE001 - a worker outlives whatever a variant does
        return outcome_of(error, 0.0)
    return outcome
