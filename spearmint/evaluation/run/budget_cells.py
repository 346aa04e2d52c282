"""The cells of an evaluation, row by row, for as long as its budget lasts."""

from collections import deque
from collections.abc import Iterator
from time import monotonic

from spearmint.errors import EvaluationError
from spearmint.evaluation.budget import Budget, Stop
from spearmint.evaluation.run.cell import Cell
from spearmint.evaluation.spending import Spending


class BudgetCells(Iterator[Cell]):
    """The cells that a budget lets begin.

    It has no more cells for a while where it cannot tell yet whether another row fits: once results have come, it can.

    Args:
        budget: The budget.
        cells: All cells, row by row; it too may have no more for a while.
        spending: What has been spent.
        rows: How many rows there are.

    Attributes:
        stop: What ended it; None as long as nothing has.
    """

    def __init__(self, budget: Budget, cells: Iterator[Cell], spending: Spending, rows: int) -> None:
        self._budget = budget
        self._cells = cells
        self._spending = spending
        self._of = rows
        self._started = monotonic()
        self._row: deque[Cell] = deque()
        self._following: Cell | None = None
        self._begun = 0  # cells
        self._rows: set[int] = set()
        self._is_admitted = False
        self._dearest = 0.0  # US dollars for a cell: the highest mean so far
        self.stop: Stop | None = None

    def __next__(self) -> Cell:
        if self.stop is not None:
            raise StopIteration
        if not self._row:
            self._row.extend(self._whole_row())
            self._is_admitted = False
        if not self._is_admitted:
            self._is_admitted = self._may_begin(len(self._row))
        if not self._is_admitted:
            raise StopIteration
        self._begun += 1
        self._rows.add(self._row[0].row.number)
        return self._row.popleft()

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
        if not count:
            return False
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
        flying = self._begun - self._spending.cells
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
