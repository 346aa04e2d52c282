"""One cell is run: the function is called, within its limits, and its output is scored."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from time import perf_counter
from typing import Any

from spearmint.cases.case import ExperimentCase
from spearmint.evaluation.dataset import Row
from spearmint.evaluation.run.attempts import attempt
from spearmint.evaluation.run.cell import Cell, CellResult, CellStatus, Subject
from spearmint.evaluation.run.cell_scores import score_output
from spearmint.evaluation.run.cell_text import error_text, preview
from spearmint.evaluation.run.local_pool import call_within
from spearmint.evaluation.run.scorer_trace import traced
from spearmint.evaluation.run.stored_output import decode_output, encode_output, is_pickled, output_digest_of
from spearmint.evaluation.run.usage_meter import UsageMeter
from spearmint.evaluation.sharing.account import StepAccount
from spearmint.execution.invoke import invoke_blocking
from spearmint.results import Outcome, outcome_of
from spearmint.tracing.recorder import begin_root, end_with
from spearmint.tracing.sampling import SamplingDecision, sample
from spearmint.tracing.span import UNSAMPLED

_GRACE = 0.5  # seconds that a coroutine has to be cancelled in


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
    stored, digest = _kept(subject, outcome.value)
    result = CellResult(
        outcome.duration,
        None,
        {},
        {},
        preview(outcome.value, case, cell.row) if subject.keeps_output else None,
        stored=stored,
        attempt=cell.attempt + attempts - 1,
        calls=attempts,
        usage=usage,
        digest=digest,
    )
    return score_output(subject, case, cell, result, account, output=outcome.value, trace=trace)


def _kept(subject: Subject, output: Any) -> tuple[str | None, str | None]:
    """Return an output as it is stored, and what it is recognised by."""
    if not (subject.keeps_output or subject.stores_output):
        return None, None
    text = encode_output(output, pickles=subject.pickles and subject.stores_output)
    digest = None if text is None or is_pickled(text) else output_digest_of(text).hex()
    return text if subject.stores_output else None, digest


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
    meter.begin()
    outcome = invoke_blocking(experiment, case, span, args, kwargs, timeout=subject.timeout)
    if span is not UNSAMPLED:
        end_with(span, outcome)
    if isinstance(outcome.exception, KeyboardInterrupt):
        raise outcome.exception
    return outcome
