"""Drives the steps of a call with asyncio: main in the running task, variants as tasks beside it."""

import asyncio
import sys

from spearmint.errors import ExecutionError
from spearmint.execution.batch import TaskBatch
from spearmint.execution.call import Call, Step, after_main, before_main
from spearmint.execution.pool import variant_pool
from spearmint.execution.task_queue import task_queue
from spearmint.frames import hide_frames
from spearmint.results import Outcome, outcome_of
from spearmint.tracing.recorder import end_main


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
        batch = TaskBatch(self._call)
        loop = _open_loop()
        try:
            if starts and loop is not None:
                await task_queue(loop).hand_over(batch, batch.size, is_awaited=self._call.waits_for_variants)
            else:
                if starts and is_under_trio():
                    variant_pool.account.warn_of_loss("trio runs the call, and variants are tasks of asyncio")
                variant_pool.cancel(batch, batch.size, is_lost=starts and not is_under_trio())
        except BaseException:  # The caller was interrupted, or cancelled.
            variant_pool.cancel_rest(batch)
            raise


def is_under_trio() -> bool:
    """Tell whether trio runs this code, which knows no tasks of asyncio."""
    trio = sys.modules.get("trio")
    return trio is not None and bool(trio.lowlevel.in_trio_run())


def refuse_trio(name: str) -> None:
    """Refuse to await variants where trio runs the code.

    Raises:
        ExecutionError: It does.
    """
    if is_under_trio():
        message = f"Cannot run {name} under trio: its variants are awaited by asyncio. "
        raise ExecutionError(message + "Call it on a loop of asyncio, or with a strategy that chooses no variants.")


def _open_loop() -> asyncio.AbstractEventLoop | None:
    """Return the running loop; None where the collector closes a stream after its loop, or a closing loop does."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return None
    return None if getattr(loop, "_asyncgens_shutdown_called", False) else loop


async def run_in_task(call: Call) -> Outcome:
    """Run a call of an async function, or drain an async stream whose outcomes are all collected.

    Args:
        call: The call.

    Returns:
        Main's outcome.
    """
    if call.waits_for_variants:
        refuse_trio(call.experiment.name)
    driver = TaskDriver(call)
    try:
        await driver.begin()
        outcome = await _run_main(call)
        await driver.end(outcome)
    except BaseException as error:  # The caller was interrupted, or cancelled while it waits.
        end_main(call.decision, error)
        raise
    return outcome


async def _run_main(call: Call) -> Outcome:
    try:
        args, kwargs = call.main_arguments
    except Exception as error:  # noqa: BLE001 - the caller gets it from the outcome
        return outcome_of(error, 0.0)
    span = call.begin_main(args, kwargs)
    outcome: Outcome = await call.invocation.to_outcome(call.main, span, call.experiment.function, args, kwargs)
    return outcome


hide_frames(globals())
