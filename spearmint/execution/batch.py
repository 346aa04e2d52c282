"""The variants of one call on their way: a plan and a cursor, from which jobs are made when they are to run."""

from collections.abc import Callable, Iterator
from contextvars import Context, copy_context
from functools import partial
from typing import Any

from spearmint.cases.case import ExperimentCase
from spearmint.cases.plan import Plan
from spearmint.execution.call import Call
from spearmint.execution.jobs import Job, Recording, variant_var
from spearmint.execution.pool import variant_pool
from spearmint.frames import hide_frames
from spearmint.registry.experiment import ExperimentFunction
from spearmint.results import FunctionResult, Outcome, outcome_of


def _run_variant(call: Call, recording: Recording | None, case: ExperimentCase) -> Outcome:
    try:
        args, kwargs = call.variant_arguments(case)
    except Exception as error:  # noqa: BLE001 - a variant that cannot be called has failed, no more
        return outcome_of(error, 0.0)
    span = call.begin_variant(recording, case, args, kwargs)
    return call.end_variant(case, call.invocation.to_outcome(case, span, call.experiment.function, args, kwargs))


async def _arun_variant(call: Call, recording: Recording | None, case: ExperimentCase) -> Outcome:
    try:
        args, kwargs = call.variant_arguments(case)
    except BaseException as error:  # noqa: BLE001 - as above
        return outcome_of(error, 0.0)
    span = call.begin_variant(recording, case, args, kwargs)
    return call.end_variant(case, await call.invocation.to_outcome(case, span, call.experiment.function, args, kwargs))


def _lost() -> Outcome:
    return Outcome("cancelled")


class VariantBatch:
    """The variants of one call of a function that is not async.

    Args:
        call: The call, which has a plan.
        context: As below; by default, what is current.

    Attributes:
        context: The context variables of the caller; each variant runs with a copy.
        left: How many variants have not ended.
        size: How many there are.
    """

    __slots__ = ("_call", "_cases", "_given_up", "_last", "_results", "_taken", "context", "left", "size")
    _run: Callable[..., Any] = staticmethod(_run_variant)

    def __init__(self, call: Call, context: Context | None = None) -> None:
        assert call.plan is not None  # noqa: S101 - without a plan no step speaks of variants
        self._call = call
        self.context = copy_context() if context is None else context
        self.size = self.left = call.plan.variant_count
        self._cases: Iterator[ExperimentCase] = call.variants()
        self._taken = 0
        self._given_up: tuple[Job, ...] = ()
        self._last: Job | None = None
        self._results: list[FunctionResult] | None = call.expected_results(self._cases)

    @property
    def is_deferred(self) -> bool:
        """Whether no job has been made of any: never."""
        return False

    @property
    def untaken(self) -> int:
        """How many variants have neither been taken nor given up."""
        return self.size - self._taken - sum(job.count for job in self._given_up)

    def take(self) -> Job:
        """Return the next variant as a job, the same until it is registered."""
        if self._last is not None and not self._last.is_registered:
            return self._last
        if self._results is None:
            case, result = next(self._cases, None), None
        else:
            result = self._results[self._taken]
            case = result.experiment_case
        job = self._job(result)
        if case is None:  # One was made for a taker that was interrupted.
            job.work = _lost
        else:
            job.work = partial(self._run, self._call, job.recording, case)
        self._last = job
        self._taken += 1
        return job

    def leave(self, count: int) -> tuple[Job, ...]:
        """Give up that many of the last variants, and return the jobs of all that were given up."""
        count = min(count, self.untaken)
        if count > 0:
            if self._results is None:
                jobs = [self._job(None)]
                jobs[0].count = count
            else:
                end = self.size - sum(job.count for job in self._given_up)
                jobs = [self._job(one) for one in self._results[end - count : end]]
            self._given_up = (*self._given_up, *jobs)
        return self._given_up

    def _job(self, result: FunctionResult | None) -> Job:
        call = self._call
        timeout = call.experiment.settings.variant_timeout
        if timeout is None and call.is_stream:  # Which is bounded in any case.
            timeout = variant_pool.limits.stream_seconds
        recording = None if call.decision is None else Recording(result)
        context = self.context.copy()
        parent = context.get(variant_var)
        return Job(context, call.experiment.report, timeout, result, batch=self, parent=parent, recording=recording)


class TaskBatch(VariantBatch):
    """The variants of one call of an async function."""

    __slots__ = ()
    _run = staticmethod(_arun_variant)


_NO_CONTEXT = Context()


class DeferredBatch:
    """The variants of a call that nothing is recorded of, and whose results are not kept.

    The caller makes this alone; a `VariantBatch` is made of it when the first variant is taken.

    Args:
        experiment: What is called.
        args: Positional arguments as the caller gave them.
        kwargs: Keyword arguments as the caller gave them.
        choice: The main case, and the plan, whose variant cases have been made.

    Attributes:
        context: The context variables of the caller, set as the batch is handed over; empty if that was interrupted.
        left: How many variants have not ended.
        size: How many variants there are; 0 once all are dropped.
    """

    __slots__ = ("_args", "_choice", "_experiment", "_kwargs", "_made", "context", "left", "size")

    def __init__(
        self,
        experiment: ExperimentFunction,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        choice: tuple[ExperimentCase, Plan],
    ) -> None:
        self._experiment = experiment
        self._args = args
        self._kwargs = kwargs
        self._choice = choice
        self._made: VariantBatch | None = None
        self.context = _NO_CONTEXT
        # No properties: what counts an end may run no code in between, which a signal handler could follow.
        self.size = self.left = len(choice[1].materialized)

    @property
    def is_deferred(self) -> bool:
        """Whether no job has been made of any."""
        return self._made is None

    @property
    def untaken(self) -> int:
        """How many variants have neither been taken nor given up."""
        return self._batch.untaken if self.size else 0

    def take(self) -> Job:
        """Return the next variant as a job, the same until it is registered."""
        job = self._batch.take()
        job.batch = self
        return job

    def leave(self, count: int) -> tuple[Job, ...]:
        """Give up that many of the last variants, and return the jobs of all that were given up."""
        jobs = self._batch.leave(count)
        for job in jobs:
            job.batch = self
        return jobs

    @property
    def _batch(self) -> VariantBatch:
        if self._made is None:
            plan = self._choice[1]
            call = Call(
                self._experiment,
                self._args,
                self._kwargs,
                self._choice,
                base=plan,
                waits_for_variants=False,
                collects_results=False,
            )
            call.decision = None  # Tracing may have been turned on since main was called.
            self._made = VariantBatch(call, self.context)
        return self._made


hide_frames(globals())
