"""One cell: a function under one case on one row, its output scored."""

import inspect
import reprlib
from collections.abc import Callable, Iterable, Mapping
from contextvars import Context
from dataclasses import dataclass
from time import perf_counter
from typing import Any, NamedTuple

from spearmint.cases.case import ExperimentCase
from spearmint.config.model import ATOMS
from spearmint.evaluation.dataset import Row
from spearmint.evaluation.run.row_arguments import Arguments
from spearmint.evaluation.run.scorer_trace import traced
from spearmint.evaluation.scorers import Scorer, metrics
from spearmint.execution.event_loop import background_loop
from spearmint.execution.invoke import invoke_blocking
from spearmint.registry.experiment import ExperimentFunction
from spearmint.results import Outcome, outcome_of
from spearmint.tracing.recorder import SamplingDecision, begin_root, end_with, sample
from spearmint.tracing.span import UNSAMPLED

_LONGEST = 200  # characters of an output or an error that are kept

_shorten = reprlib.Repr()
_shorten.maxstring = _shorten.maxother = _LONGEST
_shorten.maxlist = _shorten.maxtuple = _shorten.maxdict = _shorten.maxset = 10


class Cell(NamedTuple):
    """What is to be run.

    Attributes:
        case: Position of the case.
        row: The row.
        repeat: Which repetition, counted from 0.
    """

    case: int
    row: Row
    repeat: int


class CellResult(NamedTuple):
    """What came of a cell. It holds no object of the user's, so that it travels and is kept at little cost.

    Attributes:
        seconds: How long the function took.
        error: What the function raised, as text; None if it returned.
        scores: From each scorer that gave any to its metrics and their values.
        scorer_errors: From each scorer that raised to what it raised, as text.
        output: The beginning of the output's repr; None where it was not asked for.
    """

    seconds: float
    error: str | None
    scores: Mapping[str, Mapping[str, float]]
    scorer_errors: Mapping[str, str]
    output: str | None


@dataclass(frozen=True, slots=True)
class Subject:
    """What is evaluated, and how.

    Attributes:
        experiment: The function as an experiment.
        arguments: How rows become its arguments.
        scorers: What scores its outputs.
        wants_trace: Whether a scorer takes the trace.
        keeps_output: Whether results carry the beginning of outputs.
    """

    experiment: ExperimentFunction
    arguments: Arguments
    scorers: tuple[Scorer, ...]
    wants_trace: bool
    keeps_output: bool


class ChunkResult(NamedTuple):
    """What came of a chunk of cells.

    Attributes:
        seconds: How long it took, scorers included.
        results: What came of each cell, in their order; shorter than the chunk where time ran out.
    """

    seconds: float
    results: list[CellResult]


def run_cells(
    subject: Subject,
    cases: Mapping[int, ExperimentCase],
    cells: Iterable[Cell],
    context: Context,
    *,
    budget: float,
    is_stopped: Callable[[], bool] = bool,
) -> ChunkResult:
    """Run cells, one after another, each in a copy of a context.

    Args:
        subject: What is evaluated.
        cases: The cases by position.
        cells: What to run.
        context: The context variables that they begin with.
        budget: Seconds after which no further cell is begun.
        is_stopped: Tells when to leave the rest since nobody waits for it any more.
    """
    results: list[CellResult] = []
    started = now = perf_counter()
    for cell in cells:
        if results and (now - started > budget or is_stopped()):
            break
        results.append(context.copy().run(run_cell, subject, cases[cell.case], cell.row))
        now = perf_counter()
    return ChunkResult(now - started, results)


def run_cell(subject: Subject, case: ExperimentCase, row: Row) -> CellResult:
    """Run one cell.

    Raises:
        KeyboardInterrupt: If it is interrupted; all else is the cell's result.
    """
    trace = None
    if subject.wants_trace:
        outcome, trace = traced(subject.experiment.name, row.inputs, lambda: _call(subject, case, row))
    else:
        outcome = _call(subject, case, row)
    if outcome.status != "success":
        return CellResult(
            outcome.duration, _error_text(outcome.exception or RuntimeError(outcome.status)), {}, {}, None
        )
    given = {
        "inputs": row.inputs,
        "outputs": outcome.value,
        "expectations": row.expectations,
        "trace": trace,
        "config": case.config if any("config" in scorer.wants for scorer in subject.scorers) else None,
    }
    scores: dict[str, Mapping[str, float]] = {}
    errors: dict[str, str] = {}
    for scorer in subject.scorers:
        try:
            result = scorer.function(**{name: given[name] for name in scorer.wants})
            scores[scorer.name] = metrics(scorer, _awaited(result))
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - a scorer that fails is an error of its row, no more
            errors[scorer.name] = _error_text(error)
    output = _preview(outcome.value) if subject.keeps_output else None
    return CellResult(outcome.duration, None, scores, errors, output)


def _call(subject: Subject, case: ExperimentCase, row: Row) -> Outcome:
    experiment = subject.experiment
    args, kwargs = subject.arguments.of(row)
    try:
        args, kwargs = experiment.binder.fill(case.values, args, kwargs)
    except Exception as error:  # noqa: BLE001 - a call that cannot be made has failed, no more
        return outcome_of(error, 0.0)
    span: Any = UNSAMPLED  # Cells by the million are traced where that was asked for, not because mlflow is there.
    if experiment.is_traced and isinstance(decision := sample(experiment), SamplingDecision):
        span = begin_root(decision, "main", experiment, case, (args, kwargs))
    outcome = invoke_blocking(experiment, case, span, args, kwargs)
    if span is not UNSAMPLED:
        end_with(span, outcome)
    if isinstance(outcome.exception, KeyboardInterrupt):
        raise outcome.exception
    return outcome


def _awaited(result: Any) -> Any:
    return background_loop.run(result) if inspect.iscoroutine(result) else result


def _error_text(error: BaseException) -> str:
    try:
        text = f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001 - a __str__ that raises
        text = type(error).__name__
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _preview(value: Any) -> str:
    try:
        text = str(value) if type(value) in ATOMS else _shorten.repr(value)
    except Exception as error:  # noqa: BLE001 - a __repr__ that raises
        return f"<{type(value).__name__} whose repr raised {type(error).__name__}>"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
