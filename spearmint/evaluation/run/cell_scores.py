"""The output of one cell is scored, by the scorers that have not scored it yet."""

import inspect
from collections.abc import Mapping
from functools import partial
from typing import Any

from spearmint.cases.case import ExperimentCase
from spearmint.evaluation.run.attempts import QuotaError, attempt_or_raise
from spearmint.evaluation.run.cell import Cell, CellResult, Subject
from spearmint.evaluation.run.cell_text import error_text
from spearmint.evaluation.run.local_pool import call_within
from spearmint.evaluation.run.usage_meter import UsageMeter, with_judges
from spearmint.evaluation.sharing.account import StepAccount
from spearmint.evaluation.sharing.sharing import Score
from spearmint.execution.event_loop import background_loop
from spearmint.scorers import Scorer, scores_of


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
    wanted = subject.of_outputs if cell.main is None else subject.of_pairs
    given = {
        "inputs": row.inputs,
        "outputs": output,
        "main_outputs": main_output,
        "expectations": row.expectations,
        "trace": trace,
        "config": case.config if subject.wants_config else None,
    }
    scores = dict(result.scores)
    errors = dict(result.scorer_errors)
    refusal = ""
    limited = None if subject.limited_scorers is None else subject.limited_scorers.of_cell(case, row)
    meter = UsageMeter()
    meter.begin()
    for scorer in wanted:
        if result.has_score(scorer.name):
            continue
        bounded: Score = partial(_score, scorer, {name: given[name] for name in scorer.wants})
        if subject.scorer_timeout is not None:
            bounded = partial(call_within, subject.scorer_timeout, bounded)
        if limited is not None:
            bounded = partial(attempt_or_raise, limited, bounded)
        try:
            if sharing is None or memo is None or "trace" in scorer.wants:
                scores[scorer.name] = bounded()
            else:
                own = output if "outputs" in scorer.wants else None
                if "config" in scorer.wants:
                    own = own, given["config"]
                scores[scorer.name] = sharing.score(memo, scorer.name, own, account, bounded)
        except KeyboardInterrupt:
            raise
        except QuotaError as error:
            refusal = str(error)
        except BaseException as error:  # noqa: BLE001 - a scorer that fails is an error of its row, no more
            errors[scorer.name] = error_text(error, case, row, output)
    usage = with_judges(result.usage, meter.spans)
    # In half the time of `_replace`.
    seconds, failure, _, _, text, status, stored, number, _, calls, _, digest = result
    return CellResult(seconds, failure, scores, errors, text, status, stored, number, usage, calls, refusal, digest)


def _score(scorer: Scorer, given: Mapping[str, Any]) -> Mapping[str, float]:
    result = scorer.function(**given)
    return scores_of(scorer, background_loop.run(result) if inspect.iscoroutine(result) else result)
