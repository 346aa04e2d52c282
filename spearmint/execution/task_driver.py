"""Drives the steps of a call with asyncio: main in the running task, variants as tasks beside it."""

import asyncio
from functools import partial
from time import perf_counter

from spearmint.cases.case import ExperimentCase
from spearmint.execution.call import Call, Step, after_main, before_main
from spearmint.execution.jobs import Job, variant_var
from spearmint.execution.pool import variant_pool
from spearmint.frames import hide_frames
from spearmint.results import Outcome, outcome_of

# Tasks that were told to stop and do not: asyncio itself would let them be collected in the middle.
_lingering: set[asyncio.Task[Outcome]] = set()


class TaskDriver:
    """Does what the steps of one call of an async function say, on the running loop.

    Args:
        call: The call.
    """

    def __init__(self, call: Call) -> None:
        self._call = call

    async def begin(self) -> None:
        """Do everything that comes before main."""
        for step in before_main(self._call):
            await self._perform(step)

    async def end(self, outcome: Outcome) -> None:
        """Do everything that comes after main.

        Args:
            outcome: How main ended.
        """
        for step in after_main(self._call, outcome):
            await self._perform(step)

    async def _perform(self, step: Step) -> None:
        if step == "wait":
            await self._call.results.await_variants()
            while await self.extend():
                await self._call.results.await_variants()
        else:
            await self._hand_over(starts=step == "start")

    async def extend(self) -> bool:
        """Hand over the cases that undiscovered experiments add, when all others have ended; tell if there are any."""
        if not self._call.extend():
            return False
        await self._hand_over(starts=True)
        return True

    async def _hand_over(self, *, starts: bool) -> None:
        call = self._call
        assert call.plan is not None  # noqa: S101 - without a plan no step speaks of variants
        loop = _open_loop()
        if call.is_large:
            self._hand_over_later(loop if starts else None, is_lost=starts)
            return
        cases = call.variants()
        try:
            if starts and loop is not None:
                for case in cases:
                    await self._start(call.job(case), case, loop)
        finally:  # Nothing is left, unless main or this was interrupted, or the loop is gone.
            for case in cases:
                variant_pool.cancel(call.job(case), is_lost=starts)

    def _hand_over_later(self, loop: asyncio.AbstractEventLoop | None, *, is_lost: bool) -> None:
        """Let a task make the variants and start them, one by one, while there is room."""
        everyone = self._call.batch_job()
        if loop is None:
            variant_pool.cancel(everyone, is_lost=is_lost)
            return
        everyone.loop = loop
        variant_pool.admit(everyone)
        everyone.task = asyncio.Task(self._start_all(everyone, loop), loop=loop, context=everyone.context)
        everyone.task.add_done_callback(partial(_settle_unstarted, everyone))

    async def _start_all(self, source: Job, loop: asyncio.AbstractEventLoop) -> None:
        assert self._call.plan is not None  # noqa: S101 - else there is nobody
        for case in self._call.variants():
            if not await self._start(self._call.job(case), case, loop, source):
                return
            await asyncio.sleep(0)  # The loop is not this one's alone.
        variant_pool.account.settle(source, Outcome("success"))

    async def _start(
        self, job: Job, case: ExperimentCase, loop: asyncio.AbstractEventLoop, source: Job | None = None
    ) -> bool:
        job.loop = loop
        overflow = variant_pool.limits.overflow
        if source is not None and overflow == "drop" and variant_pool.account.tasks >= variant_pool.limits.queue_size:
            variant_pool.drop(source)  # And with it all that come after.
            return False
        has_room = variant_pool.admit(job, source) or self._call.waits_for_variants
        if not has_room and overflow == "drop":
            variant_pool.drop(job)
            return True
        # Not by the loop's own factory, which may be eager and begin the variant within the caller's time.
        job.task = asyncio.Task(_run_variant(job, self._call, case), loop=loop, context=job.context)
        # A task that is cancelled before its first step runs none of its code, so it cannot settle its job.
        job.task.add_done_callback(partial(_settle_unstarted, job))
        if not has_room:
            only_it = overflow == "run_in_caller"
            tasks = {job.task} if only_it else variant_pool.tasks(loop)
            await asyncio.wait(tasks - {source.task} if source else tasks, return_when=asyncio.FIRST_COMPLETED)
        return True


def _open_loop() -> asyncio.AbstractEventLoop | None:
    """Return the running loop; None where the collector closes a stream after its loop, or a closing loop does."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return None
    return None if getattr(loop, "_asyncgens_shutdown_called", False) else loop


def _settle_unstarted(job: Job, _: asyncio.Task[None]) -> None:
    variant_pool.account.settle(job, Outcome("cancelled", exception=asyncio.CancelledError()))


async def _run_variant(job: Job, call: Call, case: ExperimentCase) -> None:
    variant_var.set(object())
    if job.timeout is None:
        outcome = await _outcome_of_variant(call, job, case)
    else:
        outcome = await _outcome_in_time(job.timeout, call, job, case)
    variant_pool.account.settle(job, outcome)


async def _outcome_in_time(timeout: float, call: Call, job: Job, case: ExperimentCase) -> Outcome:
    started = perf_counter()
    inner = asyncio.ensure_future(_outcome_of_variant(call, job, case))
    try:
        await asyncio.wait({inner}, timeout=timeout)
    except asyncio.CancelledError as error:
        outcome = outcome_of(error, perf_counter() - started)
    else:
        outcome = inner.result() if inner.done() else _timed_out(timeout, perf_counter() - started)
    if not inner.done():  # It is told to stop, and nobody waits to see whether it does.
        inner.cancel()
        _lingering.add(inner)
        inner.add_done_callback(_lingering.discard)
    return outcome


def _timed_out(timeout: float, seconds: float) -> Outcome:
    return Outcome("timed_out", exception=TimeoutError(f"the variant took longer than {timeout} s"), duration=seconds)


async def _outcome_of_variant(call: Call, job: Job, case: ExperimentCase) -> Outcome:
    try:
        args, kwargs = call.variant_arguments(case)
    except BaseException as error:  # noqa: BLE001 - a variant that cannot be called has failed, no more
        return outcome_of(error, 0.0)
    span = call.begin_variant(job.recording, case, args, kwargs)
    outcome: Outcome = await call.invocation.to_outcome(case, span, call.experiment.function, args, kwargs)
    return outcome


async def run_in_task(call: Call) -> Outcome:
    """Run a call of an async function, or drain an async stream whose outcomes are all collected.

    Args:
        call: The call.

    Returns:
        Main's outcome.
    """
    driver = TaskDriver(call)
    await driver.begin()
    try:
        args, kwargs = call.main_arguments
    except Exception as error:  # noqa: BLE001 - the caller gets it from the outcome
        outcome = outcome_of(error, 0.0)
    else:
        span = call.begin_main(args, kwargs)
        outcome = await call.invocation.to_outcome(call.main, span, call.experiment.function, args, kwargs)
    await driver.end(outcome)
    return outcome


hide_frames(globals())
