"""Async variants of one event loop: some are under way, as tasks, and the others wait for these to end."""

import asyncio
from collections import deque
from contextlib import suppress
from contextvars import Context
from functools import partial
from itertools import repeat
from time import monotonic, perf_counter

from spearmint.execution.jobs import Batch, Job, variant_var
from spearmint.execution.loop_lag import loop_lag
from spearmint.execution.pool import MANY, variant_pool
from spearmint.frames import hide_frames
from spearmint.results import Outcome, outcome_of

# Tasks that were told to stop and do not: asyncio itself would let them be collected in the middle.
_lingering: set[asyncio.Task[Outcome]] = set()

# Variants begin while the loop is late by less than this part of max_lag on average, and than what idle loops are late;
# one after another, each once a turn of the loop took less than the other part, else at the next sample of its lag.
# So they take what main leaves. On a loop that is always late, one begins at every so many samples.
_BUSY_PART = 0.02
_LONG_TURN_PART = 0.01
_IDLE_SECONDS = 0.002
_PATIENCE = 20


class _Waiting(deque[Batch]):
    """Batches, each as often as it has variants that wait."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self.loop = loop


class TaskQueue:
    """The variants of one loop, on whose thread alone it is used; it lives while there are any.

    Args:
        loop: The loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._lag = loop_lag(loop)
        self._account = variant_pool.account
        self._waiting = _Waiting(loop)
        self._running: dict[Job, None] = {}
        self._blocked: list[asyncio.Future[None]] = []
        self._awaited: set[Batch] = set()
        self._probe: asyncio.Handle | None = None
        self._turns_are_long = False
        self._held_back = 0

    async def hand_over(self, batch: Batch, count: int, *, is_awaited: bool) -> None:
        """Hand over the variants of a call.

        Args:
            batch: The variants.
            count: How many they are.
            is_awaited: Whether a caller waits for them: they find room in a full queue, too.
        """
        variant_pool.register()
        if not is_awaited and self._sheds():
            variant_pool.shed(batch, count)
            return
        self._enter()
        if is_awaited and variant_var.get() is not None:
            # Were variants to wait for others that wait behind them, none would run.
            for _ in range(count):
                self._begin(self._account.guard.run(self._take_from, batch))
            return
        while count:
            limits = variant_pool.limits
            room = max(limits.max_tasks - len(self._running), 0) + limits.queue_size - len(self._waiting)
            if is_awaited or (count > MANY and limits.overflow != "drop"):
                room = count
            if room > 0:
                number = min(room, count)
                if is_awaited:
                    self._put_first(batch, number)
                else:
                    self._waiting.extend(repeat(batch, number))
                count -= number
                self._start()
            elif limits.overflow == "drop":
                variant_pool.drop(batch, count)
                return
            elif limits.overflow == "run_in_caller":
                job = self._account.guard.run(self._take_from, batch)
                count -= 1
                self._begin(job)
                assert job.task is not None  # noqa: S101 - just made
                await asyncio.wait({job.task})
            else:
                room_maker = self._loop.create_future()
                self._blocked.append(room_maker)
                await room_maker
            self._enter()

    def _put_first(self, batch: Batch, number: int) -> None:
        """Let awaited variants wait behind other awaited ones, and before all else."""
        ahead = next((at for at, one in enumerate(self._waiting) if one not in self._awaited), len(self._waiting))
        self._awaited.add(batch)
        self._waiting.rotate(-ahead)
        self._waiting.extendleft(repeat(batch, number))
        self._waiting.rotate(ahead)

    def cancel(self) -> None:
        """Settle what waits, as its loop ends, or has ended."""
        while self._waiting:
            batch = self._waiting[0]
            number = self._waiting.count(batch)
            variant_pool.cancel(batch, number, is_lost=True)
            for _ in range(number):
                self._waiting.remove(batch)
        self._awaited.clear()
        self._leave()

    def _sheds(self) -> bool:
        limits = variant_pool.limits
        return limits.overflow == "drop" and self._lag.seconds > limits.max_lag

    def _may_begin(self) -> bool:
        """Tell whether the first that waits may begin: its caller waits for it, or the loop has time for it."""
        limits = variant_pool.limits
        if limits.overflow != "drop" or self._waiting[0] in self._awaited:
            return True
        is_busy = self._lag.average > max(limits.max_lag * _BUSY_PART, _IDLE_SECONDS)
        if self._probe is not None or self._turns_are_long or (is_busy and self._held_back < _PATIENCE):
            return False
        self._held_back = 0
        self._probe = self._loop.call_soon(self._probed, monotonic(), context=Context())
        return True

    def _probed(self, asked: float) -> None:
        """Go on where the turn that began with a variant was short."""
        self._probe = None
        self._turns_are_long = monotonic() - asked > variant_pool.limits.max_lag * _LONG_TURN_PART
        self._start_unless_ending()

    def _sampled(self) -> None:
        """Look anew whether what waits may begin."""
        self._probe, self._turns_are_long = None, False
        self._held_back += 1
        self._start_unless_ending()

    def _start_unless_ending(self) -> None:
        """Start what waits, but not on a loop whose tasks are being cancelled: what begins then would stay."""
        if not any(job.task is not None and job.task.cancelling() for job in self._running):
            self._start()

    def _enter(self) -> None:
        self._lag.watch(self._loop, self._sampled)
        if self._account.loops.get(self._loop) is not self:
            self._account.loops[self._loop] = self
            self._account.queues.append(self._waiting)

    def _leave(self) -> None:
        """Keep no loop alive that has nothing left to do."""
        if not self._waiting and not self._running and self._account.loops.get(self._loop) is self:
            self._lag.rest()
            del self._account.loops[self._loop]
            self._account.queues[:] = [one for one in self._account.queues if one is not self._waiting]

    def repair(self) -> None:
        """Have those started, on whatever thread this is called, that were to follow one whose end was interrupted."""
        with suppress(RuntimeError):  # The loop is closed.
            self._loop.call_soon_threadsafe(self._start)

    def _start(self) -> None:
        """Start what waits, as long as few enough are under way."""
        for job in [one for one in self._running if one.is_counted]:
            self._running.pop(job, None)
        try:
            while self._waiting and len(self._running) < variant_pool.limits.max_tasks and self._may_begin():
                self._begin(self._account.guard.run(self._take))
        except BaseException:  # A signal handler has raised.
            for job in self._account.under_way():
                if job.loop is self._loop and job.task is None:
                    self._account.settle(job, Outcome("cancelled"))
            raise
        self._leave()

    def _take(self) -> Job:
        batch = self._waiting[0]
        job = batch.take()
        job.loop = self._loop
        self._account.register(job, self._waiting)
        if batch in self._awaited and not batch.untaken:
            self._awaited.discard(batch)
        return job

    def _take_from(self, batch: Batch) -> Job:
        job = batch.take()
        job.loop = self._loop
        self._account.register(job)
        return job

    def _begin(self, job: Job) -> None:
        self._running[job] = None
        # Not by the loop's own factory, which may be eager and begin the variant within the caller's time.
        job.task = asyncio.Task(_run(job), loop=self._loop, context=job.context)
        # A task that is cancelled before its first step runs none of its code, so it cannot settle its job.
        job.task.add_done_callback(partial(self._ended, job))

    def _ended(self, job: Job, task: asyncio.Task[None]) -> None:
        self._running.pop(job, None)
        variant_pool.account.settle(job, Outcome("cancelled", exception=asyncio.CancelledError()))
        if task.cancelling():  # By others: the loop ends, and would not run what begins now.
            self.cancel()
        else:
            self._start()
        blocked, self._blocked = self._blocked, []
        for one in blocked:
            if not one.done():
                one.set_result(None)


def task_queue(loop: asyncio.AbstractEventLoop) -> TaskQueue:
    """Return the queue of a loop."""
    found: TaskQueue | None = variant_pool.account.loops.get(loop)
    return TaskQueue(loop) if found is None else found


async def _run(job: Job) -> None:
    variant_var.set(object())
    assert job.work is not None  # noqa: S101 - set as it was taken
    if job.timeout is None:
        outcome = await job.work()
    else:
        outcome = await _outcome_in_time(job, job.timeout)
    variant_pool.account.settle(job, outcome)


async def _outcome_in_time(job: Job, timeout: float) -> Outcome:
    assert job.work is not None  # noqa: S101 - as above
    started = perf_counter()
    inner: asyncio.Task[Outcome] = asyncio.ensure_future(job.work())
    try:
        await asyncio.wait({inner}, timeout=timeout)
    except asyncio.CancelledError as error:
        outcome = outcome_of(error, perf_counter() - started)
    else:
        outcome = inner.result() if inner.done() else _timed_out(timeout, perf_counter() - started)
    if not inner.done():  # It is told to stop, and not waited for.
        inner.cancel()
        _lingering.add(inner)
        inner.add_done_callback(_lingering.discard)
    return outcome


def _timed_out(timeout: float, seconds: float) -> Outcome:
    return Outcome("timed_out", exception=TimeoutError(f"the variant took longer than {timeout} s"), duration=seconds)


hide_frames(globals())
