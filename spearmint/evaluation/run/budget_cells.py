"""The cells of an evaluation, row by row, for as long as its budget and the quotas of its services last."""

from collections import deque
from collections.abc import Iterator
from time import monotonic

from spearmint.errors import EvaluationError
from spearmint.evaluation.budget import Budget, Stop
from spearmint.evaluation.run.cell import Cell, CellResult
from spearmint.evaluation.spending import Spending


class BudgetCells(Iterator[Cell]):
    """The cells that a budget lets begin, and the results of whole rows.

    It has no more cells for a while where it cannot tell yet whether another row fits: once results have come, it can.

    Args:
        budget: The budget; None for no limit.
        cells: All cells, row by row; it too may have no more for a while.
        spending: What has been spent.
        rows: How many rows there are.

    Attributes:
        stop: What ended it; None as long as nothing has.
    """

    def __init__(self, budget: Budget | None, cells: Iterator[Cell], spending: Spending, rows: int) -> None:
        self._budget = budget
        self._cells = cells
        self._spending = spending
        self._of = rows
        self._started = monotonic()
        self._row: deque[Cell] = deque()
        self._following: Cell | None = None
        self._begun = 0  # cells
        self._flying = 0  # cells of rows that have begun and have not ended
        self._rows: set[int] = set()
        self._is_admitted = False
        self._dearest = 0.0  # US dollars for a cell: the highest mean so far
        self._missing: dict[int, set[tuple[int, int]]] = {}  # from a row that has not ended to its cells
        self._held: dict[int, list[tuple[Cell, CellResult]]] = {}  # their results so far
        self._ended = 0  # rows
        self.stop: Stop | None = None

    def __next__(self) -> Cell:
        if not self._row:
            self._is_admitted = False
            if self.stop is None:
                self._row.extend(self._whole_row())
        if not self._is_admitted:
            self._is_admitted = self.stop is None and self._may_begin(len(self._row))
            if not self._is_admitted:
                raise StopIteration
            number = self._row[0].row.number
            self._rows.add(number)
            self._missing[number] = {(cell.case, cell.repeat) for cell in self._row}
            self._held[number] = []
            self._flying += len(self._row)
        self._begun += 1
        return self._row.popleft()

    def whole(self, cell: Cell, result: CellResult) -> list[tuple[Cell, CellResult]]:
        """Return what is known now of whole rows, once a cell has a result; of a refused one nothing ever is."""
        number = cell.row.number
        if number not in self._missing:
            return [] if result.refusal else [(cell, result)]
        if result.refusal:
            return []
        self._held[number].append((cell, result))
        self._missing[number].discard((cell.case, cell.repeat))
        if self._missing[number]:
            return []
        self._ended += 1
        del self._missing[number]
        held = self._held.pop(number)
        self._flying -= len(held)
        return held

    def exhaust(self) -> None:
        """Let no other cell begin, since a service takes no more calls."""
        self._row.clear()
        if self.stop is None:
            self._end("quota")

    def quota_stop(self, quota: str) -> Stop:
        """Return what ended it, once all results have come, with what is to be said of it."""
        return Stop("quota", self._ended, self._of, self._budget, quota)

    def _whole_row(self) -> Iterator[Cell]:
        """Yield the cells of the row that comes next."""
        first = self._following or next(self._cells, None)
        self._following = None
        if first is None:
            return
        yield first
        for cell in self._cells:
            if cell.row.number != first.row.number:
                self._following = cell
                return
            yield cell

    def _may_begin(self, count: int) -> bool:
        """Tell whether a row of so many cells may begin now; it may later, unless the budget has ended by then."""
        budget = self._budget
        if not count or budget is None:
            return count > 0
        if budget.cells is not None and self._begun + count > budget.cells:
            if not self._begun:
                message = f"Cannot keep a budget of {budget.cells} cells: one row takes {count}. Give as many at least."
                raise EvaluationError(message)
            self._end("cells")
        elif budget.rows is not None and len(self._rows) >= budget.rows:
            self._end("rows")
        elif budget.seconds is not None and monotonic() - self._started >= budget.seconds:
            self._end("seconds")
        return self.stop is None and (budget.usd is None or self._is_affordable(count, budget.usd))

    def _is_affordable(self, count: int, usd: float) -> bool:
        """Tell whether a row is expected to cost no more than what is left."""
        if not self._begun:
            return True
        flying = self._flying  # Whole rows: what a part of one has cost, main or before it is judged, may be less.
        if flying and not self._dearest:  # The first row ends first: its configs may differ in what they cost.
            return False
        mean = self._spending.mean_usd
        if mean is None:
            cause = "no call of the first row tells what it cost"
            advice = "Give usage=, a function from an output to its tokens, and prices="
            raise EvaluationError(f"Cannot keep a budget in US dollars: {cause}. {advice}.")
        self._dearest = max(self._dearest, mean)
        if self._spending.usd + (flying + count) * self._dearest <= usd:
            return True
        if not flying:
            self._end("usd")
        return False

    def _end(self, limit: str) -> None:
        self.stop = Stop(limit, len(self._rows), self._of, self._budget)
