"""Cells to be run, and pairs to be judged: each case's output, once main's of the same row is there."""

from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from spearmint.evaluation.run.cell import Cell, CellResult
from spearmint.evaluation.run.judging import known_of, without_pair
from spearmint.evaluation.run.result_table import CellKey, ResultTable
from spearmint.statistics.sign_test import TIE

_Place = tuple[int, int]
"""Number of a row, and of a repetition."""


class PairCells(Iterator[Cell]):
    """Cells to be run, and, as soon as both outputs of a pair are known, cells that put them before the judges.

    It has no more cells for a while where results have to come first. Outputs are kept until all cases of a row
    have been judged.

    Args:
        cells: The cells to be run; they too may have no more for a while.
        scorers: The names of the scorers that compare outputs with main's.
        table: Where results are recorded.
        stored: Returns a result that was there before the run; None where there is none.
    """

    def __init__(
        self,
        cells: Iterator[Cell],
        scorers: list[str],
        table: ResultTable,
        stored: Callable[[CellKey], CellResult] | None,
    ) -> None:
        self._cells = cells
        self._scorers = scorers
        self._table = table
        self._stored = stored
        self._ready: deque[Cell] = deque()
        self._waiting: dict[_Place, list[Cell]] = defaultdict(list)
        self._mains: dict[_Place, CellResult] = {}
        self._touched: set[int] = set()

    def __next__(self) -> Cell:
        return self._ready.popleft() if self._ready else next(self._cells)

    def is_complete(self, result: CellResult) -> bool:
        """Tell whether nothing more comes of a cell in this run; else its pair is still to be judged."""
        return result.error is not None or bool(result.refusal) or all(map(result.has_score, self._scorers))

    def take(self, chunk: Sequence[Cell], results: Sequence[CellResult]) -> list[CellResult]:
        """Take results as they come, and return what is to be kept of them; a refused one waits for another run."""
        self._forget()
        return [self._taken(cell, result) for cell, result in zip(chunk, results, strict=True)]

    def _taken(self, cell: Cell, result: CellResult) -> CellResult:
        place = (cell.row.number, cell.repeat)
        self._touched.add(cell.row.number)
        if result.refusal:
            return result
        if cell.main is not None:
            if result.error is None or cell.known is None:
                return result
            # The judge took its process with it; what the function returned is as good as before.
            return without_pair(self._scorers, known_of(cell.known), result.error)
        if cell.case == 0:
            if result.error is None:
                ties = {name: {name: TIE} for name in self._scorers}
                result = result._replace(scores={**result.scores, **ties})
            self._mains[place] = result
            self._ready.extend(one._replace(main=result) for one in self._waiting.pop(place, ()))
        elif not self.is_complete(result):
            judged = cell._replace(attempt=result.attempt, known=result)
            main = self._main(place)
            if main is None:
                self._waiting[place].append(judged)
            else:
                self._ready.append(judged._replace(main=main))
        return result

    def _main(self, place: _Place) -> CellResult | None:
        """Return what came of main on a row; None as long as that is not known."""
        key = CellKey(0, *place)
        if place not in self._mains and self._stored is not None and self._table.has(key):
            return self._stored(key)
        return self._mains.get(place)

    def _forget(self) -> None:
        """Let go of main's outputs on rows on which all cases have been judged."""
        cases, _, repeats = self._table.shape
        for row in self._touched:
            if self._table.has_all(range(cases), np.array([row])):
                for repeat in range(repeats):
                    self._mains.pop((row, repeat), None)
        self._touched.clear()
