"""What a report says of a race: who was dropped, who won, and whether the rows held out confirm it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from spearmint.evaluation.race import RaceOutcome
from spearmint.evaluation.report.labels import labels_of
from spearmint.evaluation.run.case_names import EvaluatedCase
from spearmint.evaluation.run.result_table import ResultTable
from spearmint.render import counted
from spearmint.statistics.paired import Difference, difference


@dataclass(frozen=True, slots=True)
class Dropped:
    """A case that left a race.

    Attributes:
        case_id: The case.
        rows: After how many rows.
        by: The case that most of the evidence was of.
    """

    case_id: str
    rows: int
    by: str


def dropped_of(outcome: RaceOutcome, cases: Sequence[EvaluatedCase]) -> list[Dropped]:
    """Return the cases that a race has dropped, in their order."""
    return [Dropped(cases[one.case].case_id, one.rows, cases[one.by].case_id) for one in outcome.drops]


def confirmation_of(results: ResultTable, outcome: RaceOutcome, metric: str) -> Difference | None:
    """Return the winner's difference from main on the rows held out; None where main has won, or there are none."""
    if outcome.winner == 0 or not len(outcome.held_out):
        return None
    ours, main = (results.values(case, metric)[outcome.held_out] for case in (outcome.winner, 0))
    return difference(ours, main)


def race_sentences(results: ResultTable, outcome: RaceOutcome, cases: Sequence[EvaluatedCase]) -> Iterator[str]:
    """Say how a race ended."""
    race, winner = outcome.race, labels_of(cases)[outcome.winner]
    some = f"{len(outcome.survivors)} of {counted(len(cases), 'case')} are left after {counted(outcome.rows, 'row')}"
    yield f"Race by {race.metric}: {some}; the best is ever dropped with a probability of at most {race.delta:g}."
    found = confirmation_of(results, outcome, race.metric)
    if outcome.winner == 0:
        yield "Main has won: there is nothing to confirm."
    elif found is None:
        yield f"{winner} has won; no rows were held out to confirm it."
    else:
        verdict = found.shortage or f"{found.verdict}, p = {found.p_value:.2g}"
        interval = f"[{found.low:+.3f}, {found.high:+.3f}]"
        away = f"{winner} {found.value:+.3f} {interval} vs. main, {verdict}"
        yield f"Confirmation on {counted(found.n, 'row')} held out: {away}."
