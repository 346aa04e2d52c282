"""One pair: the output of a case and main's, put before a judge."""

from spearmint.cases.case import ExperimentCase
from spearmint.evaluation.run.cell import Cell, CellResult, Subject
from spearmint.evaluation.run.cell_scores import score_output
from spearmint.evaluation.run.stored_output import decode_output
from spearmint.evaluation.sharing.account import StepAccount

_UNSTORED = "{} output cannot be stored for its judge: return what JSON can say, or give pickle=True with a store"


def judge_pair(subject: Subject, case: ExperimentCase, cell: Cell, account: StepAccount) -> CellResult:
    """Add the scores of pairs to the result that a cell brings, beside main's; the function is not called."""
    known, main = cell.known, cell.main
    assert known is not None  # noqa: S101 - who makes such a cell gives both
    assert main is not None  # noqa: S101
    result = known_of(known)
    if main.error is not None:
        return without_pair(subject.pairwise, result, "main has failed on the row: nothing to compare with")
    if known.stored is None or main.stored is None:
        whose = "the" if known.stored is None else "main's"
        return without_pair(subject.pairwise, result, _UNSTORED.format(whose))
    try:
        output, main_output = (decode_output(one, pickles=subject.pickles) for one in (known.stored, main.stored))
    except Exception as error:  # noqa: BLE001 - a class in the output may refuse in any way
        return without_pair(subject.pairwise, result, f"an output cannot be read again ({type(error).__name__})")
    return score_output(subject, case, cell, result, account, output=output, main_output=main_output)


def known_of(result: CellResult) -> CellResult:
    """Return a result that has been counted, its call and other scorers paid for, for scores to be added to."""
    return result._replace(calls=0, usage=result.usage and result.usage._replace(judges=()))


def without_pair(scorers: list[str], result: CellResult, cause: str) -> CellResult:
    """Return a result in which the scores of pairs have failed."""
    failed = {name: cause for name in scorers if not result.has_score(name)}
    return result._replace(scorer_errors={**result.scorer_errors, **failed})
