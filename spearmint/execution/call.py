"""What to do next in one call, without doing it. Threads and asyncio drive the same sequence."""

from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from typing import Any, Literal, cast

from spearmint.cases.case import ExperimentCase
from spearmint.cases.join_log import JoinLog
from spearmint.cases.plan import Plan
from spearmint.errors import PlanError
from spearmint.execution.invoke import INVOCATIONS, Invocation
from spearmint.execution.jobs import Recording
from spearmint.execution.pool import variant_pool
from spearmint.execution.streams import ItemLog
from spearmint.latch import Latch
from spearmint.online.exposures import Exposure, exposures
from spearmint.online.scoring import output_scorer
from spearmint.online.shadow_pairs import MainFigures, shadow_pairs
from spearmint.registry.experiment import ExperimentFunction
from spearmint.results import ExperimentResults, FunctionResult, Outcome
from spearmint.strategies.split import Assignment
from spearmint.tracing.recorder import begin_root, end_main, end_with, is_traced, trace_id_of
from spearmint.tracing.sampling import SamplingDecision, sample

# What a driver does around main: start every variant, or settle each as cancelled; wait for all. Plain text, since
# CPython 3.11 takes a call of a Python function to read a member of an enum.
Step = Literal["start", "cancel", "wait"]

_MOST_EXTENSIONS = 20
_TOO_MANY_EXTENSIONS = "the cases that undiscovered experiments add call ever more undiscovered experiments"


class Call:
    """One call of an experiment outside any case, and where its results go.

    Args:
        experiment: The experiment.
        args: Positional arguments as the caller gave them.
        kwargs: Keyword arguments as the caller gave them.
        choice: The main case, and the plan where the variants come from; None when there are none.
        base: The plan that the call is told of, and that grows when undiscovered experiments join it.
        waits_for_variants: Whether the call ends only when its variants have.
        collects_results: Whether the caller gets the results.

    Attributes:
        snapshot: Arguments for the variants, when they get copies: taken before main can change them.
        assignment: The unit and arm that main is an exposure of; None where it is none.
        decision: What ties the traces of main and its variants together; None where tracing is off.
        span: What is recorded of main, once it has begun.
    """

    __slots__ = (
        "_base",
        "_exposure",
        "_main_figures",
        "_results",
        "args",
        "assignment",
        "decision",
        "experiment",
        "kwargs",
        "main",
        "plan",
        "snapshot",
        "span",
        "waits_for_variants",
    )

    def __init__(
        self,
        experiment: ExperimentFunction,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        choice: tuple[ExperimentCase, Plan | None],
        *,
        base: Plan,
        waits_for_variants: bool,
        collects_results: bool,
    ) -> None:
        self.experiment = experiment
        self.args = args
        self.kwargs = kwargs
        self.main, self.plan = choice
        self._base = base
        plan = self.plan
        self.waits_for_variants = waits_for_variants
        self._results: ExperimentResults | None = None
        may_have_variants = plan is not None or waits_for_variants
        self.decision = sample(experiment, compares=may_have_variants) if is_traced(experiment) else None
        self.span: Any = None
        self.assignment: Assignment | None = None
        self._exposure: Exposure | None = None
        self._main_figures: MainFigures | None = None
        if collects_results:
            latch = Latch(0 if plan is None else plan.variant_count) if may_have_variants else None
            self._results = ExperimentResults(FunctionResult(self.main, "main"), latch, base)
        self.snapshot: tuple[tuple[Any, ...], Mapping[str, Any]] | Exception = (args, kwargs)
        if may_have_variants and experiment.settings.copy_args:
            try:
                self.snapshot = deepcopy(self.snapshot)
            except Exception as error:  # A variant that cannot have its copy fails; main does not.  # noqa: BLE001
                self.snapshot = error

    @property
    def results(self) -> ExperimentResults:
        """What comes of the call, if the caller gets it."""
        assert self._results is not None  # noqa: S101 - who asks has said so in `begin_call`
        return self._results

    def settle_main(self, outcome: Outcome) -> None:
        """Record how main ended."""
        if self.span is not None:
            end_with(self.span, outcome)
        elif outcome.exception is not None:  # It may have been interrupted as it began, or before.
            end_main(self.decision, outcome.exception)
        if self._exposure is not None:
            self._measure(self.experiment, self._exposure, outcome)
        if self.main.assignments:
            for value, (_, exposure) in self.main.values_read.items():  # A value has no call of its own.
                if exposure is not None:
                    self._measure(cast("ExperimentFunction", value), exposure, outcome)
        if self.plan is not None and self.main.assignments and not self.is_stream:  # A reader's pace is no duration.
            self._main_figures = outcome.exception is not None, outcome.duration
        if self._results is not None:
            self._results.main_result.settle(outcome)

    def _measure(self, exposed: ExperimentFunction, exposure: Exposure, outcome: Outcome) -> None:
        exposures.measure_outcome(exposure, outcome)
        output_scorer.take_outcome(exposure, exposed, (self.experiment, self.args, self.kwargs), outcome)

    def extend(self) -> bool:
        """Take in the cases that undiscovered experiments add, once all others have ended.

        Returns:
            Whether there are any: they are the variants of the plan now, to be handed over and waited for.
        """
        results, log = self.results, self.main.log
        larger = self._base.extended(log)
        if self._base.overflow or larger.executed == len(larger.dimensions):
            results.put_in_order()
            return False
        log.extensions += 1
        reason = larger.overflow or (_TOO_MANY_EXTENSIONS if log.extensions > _MOST_EXTENSIONS else "")
        if reason:  # It is too late for an error: the others have been run.
            variant_pool.account.count_dropped(larger.variant_count, reason, self.experiment.name)
            results.put_in_order()
            return False
        self.plan = self._base = larger
        results.expect(larger)
        return True

    def variants(self) -> Iterator[ExperimentCase]:
        """Yield the variant cases of the plan."""
        assert self.plan is not None  # noqa: S101 - without a plan no step speaks of variants
        return self.plan.variants(self.main.log)

    def begin_main(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Begin to record main, and tell whom it exposes.

        Args:
            args: Positional arguments, its config's values in their places.
            kwargs: Keyword arguments.

        Returns:
            What is to be current in `spearmint.tracing.recorder.span_var` while it runs.
        """
        span: Any = self.decision
        if isinstance(self.decision, SamplingDecision):
            self.span = span = begin_root(self.decision, "main", self.experiment, self.main, (args, kwargs))
            if self._results is not None:
                self._results.main_result.trace_id = trace_id_of(span)
        if self.assignment is not None:
            self._exposure = exposures.expose(self.assignment, self.main, span)
        return span

    def begin_variant(
        self, recording: Recording | None, case: ExperimentCase, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        """Begin to record a variant; otherwise as `begin_main`."""
        if recording is None or not isinstance(self.decision, SamplingDecision):
            return self.decision
        recording.span = begin_root(self.decision, "variant", self.experiment, case, (args, kwargs))
        if recording.result is not None:
            recording.result.trace_id = trace_id_of(recording.span)
        return recording.span

    def end_variant(self, case: ExperimentCase, outcome: Outcome) -> Outcome:
        """Compare a variant that has ended with main, where a unit is assigned; return how it ended."""
        if self._main_figures is not None:
            shadow_pairs.measure(self.main, self._main_figures, case, outcome)
        return outcome

    @property
    def main_arguments(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Positional and keyword arguments of main, its config's values in their places."""
        return self.experiment.binder.fill(self.main.values, self.args, self.kwargs)

    def variant_arguments(self, case: ExperimentCase) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return positional and keyword arguments of a variant.

        Raises:
            Exception: If they were to be copied and cannot be.
        """
        if isinstance(self.snapshot, Exception):
            raise self.snapshot
        args, kwargs = deepcopy(self.snapshot) if self.experiment.settings.copy_args else self.snapshot
        return self.experiment.binder.fill(case.values, args, kwargs)

    @property
    def invocation(self) -> Invocation:
        """How the function is called."""
        return INVOCATIONS[self.experiment.kind]

    @property
    def is_stream(self) -> bool:
        """Whether calling the function gives a generator."""
        return self.invocation.is_stream

    def item_log(self) -> ItemLog | None:
        """Return where the items of main's stream are kept; None where nothing compares or returns them."""
        if self._results is not None:
            return ItemLog(None)
        is_scored = self.assignment is not None and bool(output_scorer.scorers_of(self.experiment))
        if is_scored or (isinstance(self.decision, SamplingDecision) and self.decision.compares):
            return ItemLog(variant_pool.limits.stream_items)
        return None

    def expected_results(self, cases: Iterable[ExperimentCase]) -> list[FunctionResult] | None:
        """Return a pending result for each of the variants; None where the caller gets none."""
        results = self._results
        return None if results is None else [results.add_variant(case) for case in cases]


def begin_call(
    experiment: ExperimentFunction,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    choice: tuple[ExperimentCase, Plan | None],
    *,
    waits_for_variants: bool = False,
    is_run: bool = False,
) -> Call:
    """Make a call of what was chosen for it.

    Args:
        experiment: The experiment.
        args: Positional arguments as the caller gave them.
        kwargs: Keyword arguments as the caller gave them.
        choice: What `spearmint.planning.select.select` returned.
        waits_for_variants: Whether the call ends only when its variants have.
        is_run: Whether the caller asked for a run, who gets errors that a direct call is spared.

    Returns:
        The call.

    Raises:
        PlanError: In a run, if the plan holds more cases than ``max_cases``; a direct call loses its variants, counted.
    """
    main, plan = choice
    base = cast("Plan", main.plan) if plan is None else plan
    # Variants that see just what the caller passed would all be main again, under names that are not theirs.
    if plan is not None and len(plan.dimensions) == 1 and experiment.binder.is_fully_bound_by_caller(args, kwargs):
        base, plan = plan.without_variants(), None
    if plan is not None and plan.size == 1:  # The main case alone, for the sake of what is told of it.
        plan = None
    if plan is not None and plan.overflow:
        if is_run:
            raise PlanError(plan.overflow)
        variant_pool.account.count_dropped(plan.variant_count, plan.overflow, experiment.name)
        plan = None
    collects = experiment.collects
    if (
        is_run or collects
    ) and not main.log.is_captured:  # Results are of this call alone, and so is what joins its cases.
        main = base.main_case(JoinLog(version=main.log.version))
    call = Call(
        experiment,
        args,
        kwargs,
        (main, plan),
        base=base,
        waits_for_variants=waits_for_variants or collects,
        collects_results=is_run or collects,
    )
    if main.assignments and not experiment.binder.is_fully_bound_by_caller(args, kwargs):
        call.assignment = main.assignments.get(experiment, (None, None))[0]
    return call


def before_main(call: Call) -> tuple[Step, ...]:
    """Return what comes before main."""
    return ("start",) if call.plan is not None and call.experiment.start == "with_main" else ()


def after_main(call: Call, outcome: Outcome) -> tuple[Step, ...]:
    """Record how main ended, and return what comes after it.

    Args:
        call: The call.
        outcome: How main ended.

    Returns:
        The steps. They are no generator's, which the collector could close before the stream that would send to it.
    """
    call.settle_main(outcome)
    if call.plan is None and not call.waits_for_variants:
        return ()
    # To an end of its own, rather than being cancelled or interrupted.
    has_ended = outcome.exception is None or isinstance(outcome.exception, Exception)
    is_done = call.plan is None or call.experiment.start == "with_main"
    starts = () if is_done else _START if has_ended else _CANCEL
    # A stream ends inside its consumer's loop, or in the collector, where there is no waiting.
    if call.waits_for_variants and has_ended and (call.experiment.collects or not call.is_stream):
        return (*starts, "wait")
    return starts


_START: tuple[Step, ...] = ("start",)
_CANCEL: tuple[Step, ...] = ("cancel",)
