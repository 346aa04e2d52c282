"""One cell: a function under one case on one row, its output scored."""

import inspect
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any, Literal, NamedTuple

from spearmint.cases.case import ExperimentCase
from spearmint.evaluation.dataset import Row
from spearmint.evaluation.run.attempts import Limited, QuotaError, attempt, attempt_or_raise
from spearmint.evaluation.run.cell_text import error_text, preview
from spearmint.evaluation.run.local_pool import call_within
from spearmint.evaluation.run.row_arguments import Arguments
from spearmint.evaluation.run.scorer_trace import traced
from spearmint.evaluation.run.stored_output import decode_output, encode_output, is_pickled, output_digest_of
from spearmint.evaluation.run.usage_meter import UsageMeter, with_judges
from spearmint.evaluation.sharing.account import StepAccount
from spearmint.evaluation.sharing.sharing import Sharing
from spearmint.evaluation.usage import CellUsage
from spearmint.execution.event_loop import background_loop
from spearmint.execution.invoke import invoke_blocking
from spearmint.registry.experiment import ExperimentFunction
from spearmint.results import Outcome, outcome_of
from spearmint.scorers import Scorer, scores_of
from spearmint.tracing.recorder import begin_root, end_with
from spearmint.tracing.sampling import SamplingDecision, sample
from spearmint.tracing.span import UNSAMPLED

_OF_CELL = ("outputs", "config")  # what scorers get that is not the same in the whole row
_GRACE = 0.5  # seconds that a coroutine has to be cancelled in

CellStatus = Literal["success", "failed", "timed_out", "lost"]


class CellResult(NamedTuple):
    """What came of a cell. It holds no object of the user's, so that it is sent and kept at little cost.

    Attributes:
        seconds: How long the function took.
        error: What the function raised, as text; None if it returned.
        scores: From each scorer that gave any to its metrics and their values.
        scorer_errors: From each scorer that raised to what it raised, as text.
        output: The beginning of the output's repr; None where it was not asked for.
        status: How the function ended; ``"lost"`` if its process died.
        stored: The output as `stored_output` writes it; None where it was not asked for, or cannot be stored.
        attempt: Which run of the cell this was, counted from 1.
        usage: The tokens that it took; None where nothing is known of any.
        calls: How often the function was called for it; 0 where its output had been stored.
        refusal: Why a service takes no more calls, so that the cell, or one of its scores, is left for another run;
            empty if it does.
        digest: What an output is recognised by that is shown and not stored, in hexadecimal digits; None where none is
            known.
    """

    seconds: float
    error: str | None
    scores: Mapping[str, Mapping[str, float]]
    scorer_errors: Mapping[str, str]
    output: str | None
    status: CellStatus = "success"
    stored: str | None = None
    attempt: int = 1
    usage: CellUsage | None = None
    calls: int = 1
    refusal: str = ""
    digest: str | None = None

    @property
    def output_digest(self) -> bytes | None:
        """What the output is recognised by; None for one that was not kept, or that JSON cannot say."""
        if self.digest is not None:
            return bytes.fromhex(self.digest)
        return None if self.stored is None or is_pickled(self.stored) else output_digest_of(self.stored)

    def has_score(self, scorer: str) -> bool:
        """Tell whether a scorer has been called, and has given a score or failed."""
        return scorer in self.scores or scorer in self.scorer_errors


class Cell(NamedTuple):
    """What is to be run.

    Attributes:
        case: Position of the case.
        row: The row.
        repeat: Which repetition, counted from 0.
        attempt: Which run of the cell this is, counted from 1.
        known: A result whose output is stored, and to which scores are to be added without calling the function.
        main: What came of main's cell in the same row and repetition, whose output a judge compares with that of
            ``known``; None where the cell is not there to be judged in pairs.
    """

    case: int
    row: Row
    repeat: int
    attempt: int = 1
    known: CellResult | None = None
    main: CellResult | None = None


@dataclass(frozen=True, slots=True)
class Subject:
    """What is evaluated, and how.

    Attributes:
        experiment: The function as an experiment.
        arguments: How rows become its arguments.
        scorers: What scores its outputs.
        keeps_output: Whether results carry the beginning of outputs.
        stores_output: Whether they carry whole outputs, where these can be stored.
        timeout: Seconds that the function may take on a cell, and each scorer; None for no bound.
        usage: Tells the tokens that an output took; None to read spans and outputs.
        pickles: Whether outputs that JSON cannot say are pickled, and pickled ones read.
        is_called: Whether the function may be called; else stored outputs alone are scored.
        sharing: What cells of one row share; None if each runs alone.
        limited: How calls of the function are limited; None if they are not.
        limited_scorers: How calls of scorers are.
    """

    experiment: ExperimentFunction
    arguments: Arguments
    scorers: tuple[Scorer, ...]
    keeps_output: bool
    stores_output: bool = False
    timeout: float | None = None
    usage: Callable[[Any], Any] | None = None
    pickles: bool = False
    is_called: bool = True
    sharing: Sharing | None = None
    limited: Limited | None = None
    limited_scorers: Limited | None = None

    @property
    def scorer_timeout(self) -> float | None:
        """Seconds that a scorer may take."""
        return self.timeout if self.limited_scorers is None else self.limited_scorers.limits.timeout

    @property
    def pairwise(self) -> list[str]:
        """The names of the scorers that compare outputs with main's."""
        return [scorer.name for scorer in self.scorers if scorer.is_pairwise]

    @property
    def wants_trace(self) -> bool:
        """Whether a scorer takes the trace."""
        return any("trace" in scorer.wants for scorer in self.scorers)


def run_cell(subject: Subject, case: ExperimentCase, cell: Cell, account: StepAccount) -> CellResult:
    """Run one cell, or add to its known result the scores that it lacks; only an interruption is raised."""
    if cell.known is not None and cell.known.stored is not None:
        with suppress(Exception):  # A class in the output is another by now: the function runs again.
            output = decode_output(cell.known.stored, pickles=subject.pickles)
            known = cell.known._replace(attempt=cell.attempt, calls=0)
            return score_output(subject, case, cell, known, account, output=output)
        if not subject.is_called:
            unread = {scorer.name: "the stored output cannot be read" for scorer in subject.scorers}
            errors = {**unread, **cell.known.scorer_errors}
            return cell.known._replace(attempt=cell.attempt, calls=0, scorer_errors=errors)
    meter = UsageMeter()
    call: Callable[[], Any] = partial(_outcome, subject, case, cell, account, meter)
    if subject.wants_trace:
        call = partial(traced, subject.experiment.name, cell.row.inputs, call)
    limited = None if subject.limited is None else subject.limited.of_cell(case, cell.row)
    made, attempts, refusal = attempt(limited, call, partial(_failure, is_traced=subject.wants_trace))
    if not attempts:
        return CellResult(0.0, refusal, {}, {}, None, "failed", attempt=cell.attempt, calls=0, refusal=refusal)
    outcome, trace = made if subject.wants_trace else (made, None)
    usage = meter.usage(subject.usage, outcome, lambda error: error_text(error, case, cell.row, outcome.value))
    if outcome.status != "success":
        error = outcome.exception or RuntimeError(outcome.status)
        status: CellStatus = "timed_out" if outcome.status == "timed_out" else "failed"
        text = error_text(error, case, cell.row)
        failed = CellResult(outcome.duration, text, {}, {}, None, status, usage=usage)
        return failed._replace(attempt=cell.attempt + attempts - 1, calls=attempts, refusal=refusal)
    result = CellResult(
        outcome.duration,
        None,
        {},
        {},
        preview(outcome.value, case, cell.row) if subject.keeps_output else None,
        stored=encode_output(outcome.value, pickles=subject.pickles) if subject.stores_output else None,
        attempt=cell.attempt + attempts - 1,
        calls=attempts,
        usage=usage,
        digest=_digest(outcome.value) if subject.keeps_output and not subject.stores_output else None,
    )
    return score_output(subject, case, cell, result, account, output=outcome.value, trace=trace)


def score_output(
    subject: Subject,
    case: ExperimentCase,
    cell: Cell,
    result: CellResult,
    account: StepAccount,
    *,
    output: Any,
    trace: Any = None,
    main_output: Any = None,
) -> CellResult:
    """Return a result with the scores that it lacks: those of pairs where the cell has main's result, else others."""
    row, sharing = cell.row, subject.sharing
    memo = None if sharing is None else sharing.memo(row.number, cell.repeat)
    wanted = [one for one in subject.scorers if one.is_pairwise == (cell.main is not None)]
    scorers = [one for one in wanted if not result.has_score(one.name)]
    given = {
        "inputs": row.inputs,
        "outputs": output,
        "main_outputs": main_output,
        "expectations": row.expectations,
        "trace": trace,
        "config": case.config if any("config" in scorer.wants for scorer in scorers) else None,
    }
    scores = dict(result.scores)
    errors = dict(result.scorer_errors)
    refusal = ""
    limited = None if subject.limited_scorers is None else subject.limited_scorers.of_cell(case, row)
    meter = UsageMeter()
    with meter.attempt():
        for scorer in scorers:
            call = partial(_score, scorer, {name: given[name] for name in scorer.wants})
            bounded = partial(attempt_or_raise, limited, partial(call_within, subject.scorer_timeout, call))
            try:
                if sharing is None or memo is None or "trace" in scorer.wants:
                    scores[scorer.name] = bounded()
                else:
                    own = {name: given[name] for name in scorer.wants if name in _OF_CELL}
                    scores[scorer.name] = sharing.score(memo, scorer.name, own, account, bounded)
            except KeyboardInterrupt:
                raise
            except QuotaError as error:
                refusal = str(error)
            except BaseException as error:  # noqa: BLE001 - a scorer that fails is an error of its row, no more
                errors[scorer.name] = error_text(error, case, row, output)
    usage = with_judges(result.usage, meter.spans)
    return result._replace(scores=scores, scorer_errors=errors, usage=usage, refusal=refusal)


def _digest(output: Any) -> str | None:
    text = encode_output(output)
    return None if text is None else output_digest_of(text).hex()


def _score(scorer: Scorer, given: Mapping[str, Any]) -> Mapping[str, float]:
    result = scorer.function(**given)
    return scores_of(scorer, background_loop.run(result) if inspect.iscoroutine(result) else result)


def _failure(made: Any, *, is_traced: bool) -> BaseException | None:
    """Return what an attempt has failed with; one that took too long is not made again."""
    outcome: Outcome = made[0] if is_traced else made
    return outcome.exception if outcome.status == "failed" else None


def _outcome(subject: Subject, case: ExperimentCase, cell: Cell, account: StepAccount, meter: UsageMeter) -> Outcome:
    """Call the function, within the time that it has."""
    timeout = subject.timeout
    if timeout is None:
        return _call(subject, case, cell, account, meter)
    # A coroutine that does not hold up its loop is cancelled in time; a thread can only be left alone.
    is_async = subject.experiment.kind in ("coroutine", "async_generator")
    started = perf_counter()
    try:
        call = partial(_call, subject, case, cell, account, meter)
        outcome: Outcome = call_within(timeout + _GRACE * is_async, call)
    except TimeoutError:
        outcome = Outcome("timed_out", None, None, perf_counter() - started)
    if outcome.status == "timed_out":
        error = TimeoutError(f"{subject.experiment.name} took longer than {timeout:g} s")
        return Outcome("timed_out", None, error, outcome.duration)
    return outcome


def _call(subject: Subject, case: ExperimentCase, cell: Cell, account: StepAccount, meter: UsageMeter) -> Outcome:
    """Call the function; how long it took to succeed is what it would have taken alone."""
    sharing = subject.sharing
    if sharing is None or not sharing.has_steps:
        return _called(subject, case, cell.row, meter)
    with sharing.steps(cell.row.number, cell.repeat, account) as clock:
        outcome = _called(subject, case, cell.row, meter)
        alone = clock.now() - clock.started
    if outcome.status != "success":  # Its time counts nowhere but in what was spent, which is the real one.
        return outcome
    account.count_saved(alone - outcome.duration)
    return Outcome(outcome.status, outcome.value, duration=alone)


def _called(subject: Subject, case: ExperimentCase, row: Row, meter: UsageMeter) -> Outcome:
    experiment = subject.experiment
    case = case.once_more()  # What an execution has of its own is kept with its case.
    args, kwargs = subject.arguments.of(row)
    try:
        args, kwargs = experiment.binder.fill(case.values, args, kwargs)
    except Exception as error:  # noqa: BLE001 - a call that cannot be made has failed, no more
        return outcome_of(error, 0.0)
    span: Any = UNSAMPLED  # Cells by the million are traced where that was asked for, not because mlflow is there.
    if experiment.is_traced and isinstance(decision := sample(experiment), SamplingDecision):
        span = begin_root(decision, "main", experiment, case, (args, kwargs))
    with meter.attempt():
        outcome = invoke_blocking(experiment, case, span, args, kwargs, timeout=subject.timeout)
    if span is not UNSAMPLED:
        end_with(span, outcome)
    if isinstance(outcome.exception, KeyboardInterrupt):
        raise outcome.exception
    return outcome
