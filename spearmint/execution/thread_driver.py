"""Drives the steps of a call with threads: main on the caller's, variants on the pool's."""

from functools import partial

from spearmint.cases.case import ExperimentCase
from spearmint.execution.call import Call, Step, after_main, before_main
from spearmint.execution.jobs import Job, Recording
from spearmint.execution.pool import variant_pool
from spearmint.frames import hide_frames
from spearmint.results import Outcome, outcome_of


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
        call = self._call
        assert call.plan is not None  # noqa: S101 - without a plan no step speaks of variants
        if call.is_large:
            self._hand_over_later(starts=starts)
            return
        cases = call.variants()
        try:
            for case in cases if starts else ():
                variant_pool.submit(_job(call, case), must_run=call.waits_for_variants)
        finally:  # Nothing is left, unless main or this was interrupted.
            for case in cases:
                variant_pool.cancel(call.job(case))

    def _hand_over_later(self, *, starts: bool) -> None:
        """Let a worker make the variants and hand them over, one by one, while there is room."""
        everyone = self._call.batch_job()
        everyone.work = partial(_hand_over_all, self._call, everyone)
        if starts:
            variant_pool.submit(everyone)
        else:
            variant_pool.cancel(everyone)


def _hand_over_all(call: Call, source: Job) -> Outcome:
    assert call.plan is not None  # noqa: S101 - else there is nobody
    for case in call.variants():
        if source.is_settled:  # The process ends, or has forked.
            break
        if not variant_pool.submit(_job(call, case), source=source):
            variant_pool.drop(source)
            break
    return Outcome("success")


def _job(call: Call, case: ExperimentCase) -> Job:
    job = call.job(case)
    job.work = partial(_run_variant, call, job.recording, case)
    return job


def _run_variant(call: Call, recording: Recording | None, case: ExperimentCase) -> Outcome:
    try:
        args, kwargs = call.variant_arguments(case)
    except Exception as error:  # noqa: BLE001 - a variant that cannot be called has failed, no more
        return outcome_of(error, 0.0)
    span = call.begin_variant(recording, case, args, kwargs)
    outcome: Outcome = call.invocation.to_outcome(case, span, call.experiment.function, args, kwargs)
    return outcome


def run_in_thread(call: Call, *, waits: bool = True) -> Outcome:
    """Run a call of a function, or drain a stream whose outcomes are all collected.

    Args:
        call: The call.
        waits: Whether to wait for the variants where the steps say so; else the caller does.

    Returns:
        Main's outcome.
    """
    driver = ThreadDriver(call, waits=waits)
    driver.begin()
    outcome = _run_main(call)
    driver.end(outcome)
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
