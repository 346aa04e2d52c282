"""What to do next in one call, without doing it. Threads and asyncio drive the same sequence."""

from collections.abc import Mapping
from contextvars import copy_context
from copy import deepcopy
from time import perf_counter
from typing import Any, Literal

from spearmint.cases import ExperimentCase, Plan
from spearmint.context import experiment_case_var
from spearmint.errors import PlanError
from spearmint.execution.account import Job
from spearmint.execution.background import background
from spearmint.registry import ExperimentFunction
from spearmint.results import ExperimentResults, FunctionResult, Latch, Outcome, outcome_of

# What a driver does around main: start every variant, or settle each as cancelled; wait for all. Plain text, since
# CPython 3.11 takes a call of a Python function to read a member of an enum.
Step = Literal["start", "cancel", "wait"]


class Call:
    """One call of an experiment outside any case, and where its results go.

    Args:
        experiment: The experiment.
        args: Positional arguments as the caller gave them.
        kwargs: Keyword arguments as the caller gave them.
        main: The main case.
        plan: Where the variants come from; None when there are none.
        awaits: Whether the call ends only when its variants have.
        is_told: Whether anybody gets the results.

    Attributes:
        snapshot: Arguments for the variants, when they get copies: taken before main can change them.
    """

    __slots__ = ("_results", "args", "awaits", "experiment", "kwargs", "main", "plan", "snapshot")

    def __init__(
        self,
        experiment: ExperimentFunction,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        main: ExperimentCase,
        plan: Plan | None,
        *,
        awaits: bool,
        is_told: bool,
    ) -> None:
        self.experiment = experiment
        self.args = args
        self.kwargs = kwargs
        self.main = main
        self.plan = plan
        self.awaits = awaits
        self._results: ExperimentResults | None = None
        if is_told:
            latch = None if plan is None else Latch(len(plan) - 1)
            self._results = ExperimentResults(FunctionResult(main, "main"), latch)
        self.snapshot: tuple[tuple[Any, ...], Mapping[str, Any]] | Exception = (args, kwargs)
        if plan is not None and experiment.settings.copy_args:
            try:
                self.snapshot = deepcopy(self.snapshot)
            except Exception as error:  # A variant that cannot have its copy fails; main does not.  # noqa: BLE001
                self.snapshot = error

    @property
    def results(self) -> ExperimentResults:
        """What comes of the call, if anybody is told."""
        assert self._results is not None  # noqa: S101 - who asks has said so in `begin`
        return self._results

    def settle_main(self, outcome: Outcome) -> None:
        """Record how main ended."""
        if self._results is not None:
            self._results.main_result.settle(outcome)

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
    def is_stream(self) -> bool:
        """Whether calling the function gives a generator."""
        return self.experiment.kind in ("generator", "async_generator")

    def job(self, case: ExperimentCase) -> Job:
        """Return a variant as a job, with its place among the results; its work is the driver's to set."""
        experiment = self.experiment
        timeout = experiment.settings.variant_timeout
        if timeout is None and self.is_stream:  # Which is bounded in any case.
            timeout = background.limits.stream_seconds
        result = None if self._results is None else self._results.add_variant(case)
        return Job(copy_context(), experiment.report, timeout, result)


def begin(
    experiment: ExperimentFunction,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    choice: tuple[ExperimentCase, Plan | None],
    *,
    awaits: bool = False,
    is_run: bool = False,
) -> Call:
    """Make a call of what was chosen for it.

    Args:
        experiment: The experiment.
        args: Positional arguments as the caller gave them.
        kwargs: Keyword arguments as the caller gave them.
        choice: What `spearmint.planning.select` returned.
        awaits: Whether the call ends only when its variants have.
        is_run: Whether the caller asked for a run, who gets errors that a direct call is spared.

    Returns:
        The call.

    Raises:
        PlanError: In a run, if the plan holds more cases than ``max_cases``; a direct call loses its variants, counted.
    """
    main, plan = choice
    # Variants that see just what the caller passed would all be main again, under names that are not theirs.
    if plan is not None and len(plan.dimensions) == 1 and experiment.binder.is_pinned(args, kwargs):
        plan = None
    limit = experiment.settings.max_cases
    if plan is not None and limit is not None and len(plan) > limit:
        message = _too_many(plan, limit)
        if is_run:
            raise PlanError(message)
        background.account.lose(len(plan) - 1, message)
        plan = None
    collects = experiment.collects
    return Call(experiment, args, kwargs, main, plan, awaits=awaits or collects, is_told=is_run or collects)


def _too_many(plan: Plan, limit: int) -> str:
    sizes = " x ".join(f"{size} ({name})" for name, size in plan.sizes.items())
    return (
        f"Cannot run {plan.root.name} over {len(plan)} cases: max_cases is {limit}, and its options are {sizes}. "
        "Give fewer configs, combine='one_at_a_time', or a larger max_cases."
    )


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
    if call.plan is None:
        return ()
    # To an end of its own, rather than being cancelled or interrupted.
    has_ended = outcome.exception is None or isinstance(outcome.exception, Exception)
    starts = () if call.experiment.start == "with_main" else _START if has_ended else _CANCEL
    # A stream ends inside its consumer's loop, or in the collector, where nobody can wait.
    if call.awaits and has_ended and (call.experiment.collects or not call.is_stream):
        return (*starts, "wait")
    return starts


_START: tuple[Step, ...] = ("start",)
_CANCEL: tuple[Step, ...] = ("cancel",)


def run_in_case(case: ExperimentCase, function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Outcome:
    """Call a function in a case; what it raises becomes part of the outcome."""
    started = perf_counter()
    token = experiment_case_var.set(case)
    try:
        value = function(*args, **kwargs)
    except BaseException as error:  # noqa: BLE001 - an outcome is data until one place raises it
        return outcome_of(error, perf_counter() - started)
    else:
        return Outcome("success", value, None, perf_counter() - started)
    finally:
        experiment_case_var.reset(token)
