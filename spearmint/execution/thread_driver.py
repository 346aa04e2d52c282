"""Drives the steps of a call with threads: main on the caller's, variants on the pool's."""

from contextvars import copy_context

from spearmint.execution.batch import DeferredBatch, VariantBatch
from spearmint.execution.call import Call, Step, after_main, before_main
from spearmint.execution.pool import variant_pool
from spearmint.frames import hide_frames
from spearmint.results import Outcome, outcome_of
from spearmint.tracing.recorder import end_main


class ThreadDriver:
    """Does what the steps of one call say.

    Args:
        call: The call.
        waits: Whether to wait for the variants where the steps say so; else the caller does.
    """

    def __init__(self, call: Call, *, waits: bool = True) -> None:
        self._call = call
        self._waits = waits

    def begin(self) -> None:
        """Do everything that comes before main."""
        for step in before_main(self._call):
            self._perform(step)

    def end(self, outcome: Outcome) -> None:
        """Do everything that comes after main.

        Args:
            outcome: How main ended.
        """
        for step in after_main(self._call, outcome):
            self._perform(step)

    def _perform(self, step: Step) -> None:
        if step != "wait":
            self._hand_over(starts=step == "start")
        elif self._waits:
            self._call.results.wait()
            while self.extend():
                self._call.results.wait()

    def extend(self) -> bool:
        """Hand over the cases that undiscovered experiments add, when all others have ended; tell if there are any."""
        if not self._call.extend():
            return False
        self._hand_over(starts=True)
        return True

    def _hand_over(self, *, starts: bool) -> None:
        batch = VariantBatch(self._call)
        try:
            if not starts:
                variant_pool.cancel(batch, batch.size)
            elif self._call.waits_for_variants or variant_pool.workers.is_busy():
                variant_pool.hand_over_awaited(batch, batch.size)
            else:
                variant_pool.hand_over(batch, batch.size)
        except BaseException:  # The caller was interrupted.
            variant_pool.cancel_rest(batch)
            raise


def hand_over(batch: DeferredBatch, error: BaseException | None = None) -> None:
    """Hand over the variants of a call whose main has ended.

    Args:
        batch: The variants.
        error: What main has raised; other than an `Exception`, it cancels them.
    """
    try:
        batch.context = copy_context()
        if error is None or isinstance(error, Exception):
            variant_pool.hand_over(batch, batch.size)
        else:
            variant_pool.cancel(batch, batch.size)
    except BaseException:  # The caller was interrupted.
        variant_pool.cancel_rest(batch)
        raise


def run_in_thread(call: Call, *, waits: bool = True) -> Outcome:
    """Run a call of a function, or drain a stream whose outcomes are all collected.

    Args:
        call: The call.
        waits: Whether to wait for the variants where the steps say so; else the caller does.

    Returns:
        Main's outcome.
    """
    driver = ThreadDriver(call, waits=waits)
    try:
        driver.begin()
        outcome = _run_main(call)
        driver.end(outcome)
    except BaseException as error:  # The caller was interrupted.
        end_main(call.decision, error)
        raise
    return outcome


def _run_main(call: Call) -> Outcome:
    try:
        args, kwargs = call.main_arguments
    except Exception as error:  # noqa: BLE001 - the caller gets it from the outcome
        return outcome_of(error, 0.0)
    span = call.begin_main(args, kwargs)
    outcome: Outcome = call.invocation.to_outcome(call.main, span, call.experiment.function, args, kwargs)
    return outcome


hide_frames(globals())
