"""Batches of cases run on the rows of a search, none of them twice, and the winner on the rows held out."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from spearmint.evaluation.cost import PriceList
from spearmint.evaluation.dataset import Dataset, Row
from spearmint.evaluation.race import Race, RaceOutcome
from spearmint.evaluation.run.case_names import EvaluatedCase, named_case
from spearmint.evaluation.run.cell import Subject
from spearmint.evaluation.run.options import EvaluationOptions
from spearmint.evaluation.run.remote import EvaluationPayload
from spearmint.evaluation.run.result_table import ResultTable
from spearmint.evaluation.run.schedule import Schedule
from spearmint.evaluation.search.space import Coordinates, Space
from spearmint.evaluation.spending import Spending
from spearmint.statistics.intervals import Values


@dataclass(frozen=True, slots=True)
class CaseBatch:
    """Cases that have run.

    Attributes:
        cases: The cases.
        table: Their results.
        race: How they raced; None where all ran on all rows.
    """

    cases: Sequence[EvaluatedCase]
    table: ResultTable
    race: RaceOutcome | None

    def rows(self, case: int, metric: str) -> tuple[Values, int]:
        """Return the values of the rows that a case has, NaN where its function or scorer failed, and their number."""
        has_run = self.table.has_run(case)
        values = self.table.values(case, metric)[has_run]
        return values, int(has_run.sum())


class BatchRunner:
    """Runs cases of one function on fixed rows.

    Args:
        payload: What is evaluated, as it was given.
        subject: The same, ready to be called.
        space: What cases are chosen from.
        rows: The rows.
        name: What to call them.
        options: How to run; ``resume`` is the file that cells are kept in.

    Attributes:
        count: How many calls of the function it has made.
    """

    def __init__(
        self,
        payload: EvaluationPayload,
        subject: Subject,
        space: Space,
        *,
        rows: Sequence[Row],
        name: str,
        options: EvaluationOptions,
    ) -> None:
        self._payload = payload
        self._subject = subject
        self._space = space
        self._dataset = _listed(rows, name)
        self._rows = len(rows)
        self._options = options
        self._known: dict[Coordinates, tuple[ResultTable, int]] = {}
        self.count = 0

    def run(self, choices: Sequence[Coordinates], race: Race | None = None) -> CaseBatch:
        """Run what has not run yet of some cases."""
        named = [self._named(position, choice) for position, choice in enumerate(choices)]
        prices = PriceList(self._options.prices)
        table = ResultTable(len(named), self._rows, self._options.repeats, prices=prices)
        for position, choice in enumerate(choices):
            if choice in self._known:
                table.copy_case(*self._known[choice], position)
        raced = None if race is None or len(named) == 1 else race
        options = replace(self._options, race=raced)
        outcome = Schedule(self._payload, self._subject, named, self._dataset, table, Spending(prices), options).run()
        self.count += outcome.spent.calls
        self._known |= {choice: (table, position) for position, choice in enumerate(choices)}
        return CaseBatch(named, table, outcome.race)

    def _named(self, position: int, choice: Coordinates) -> EvaluatedCase:
        case = self._space.case(choice)
        return replace(named_case(position, case, Counter()), case_id=self._space.case_id(case))


def split_rows(rows: Sequence[Row], race: Race) -> tuple[list[Row], list[Row]]:
    """Return the rows to search on, in the order of the race, and those that are held out for the winner."""
    order, held_out = race.order(len(rows))
    return [rows[number] for number in order], [rows[number] for number in held_out]


def _listed(rows: Sequence[Row], name: str) -> Dataset:
    raw = [(row.place, {"inputs": row.inputs, "expectations": row.expectations}) for row in rows]
    return Dataset(name, lambda: iter(raw))
