"""The cells of a race, block by block: of the cases that are still in it, then the winner's on the rows held out."""

from collections.abc import Callable, Iterator, Sequence

from spearmint.errors import EvaluationError
from spearmint.evaluation.dataset import Row
from spearmint.evaluation.race import Positions, Race, RaceOutcome, RaceState
from spearmint.evaluation.run.cell import Cell
from spearmint.evaluation.run.result_table import ResultTable
from spearmint.suggest import did_you_mean

CellOf = Callable[[int, Row, int], Cell | None]
"""From case, row and repeat to the cell to be run; None where its result is there."""

_AHEAD = 1  # blocks that are begun before the one in front has ended, so that no worker idles


class RaceCells(Iterator[Cell]):
    """The cells of a race that are to be run.

    It has no more cells for a while where a block has to end first: once results are recorded in the table, it has.
    Verdicts depend on the recorded scores alone, not on the order in which they came.

    Args:
        race: The race.
        rows: All rows.
        table: Where results are recorded.
        cell_of: Makes the cells.
    """

    def __init__(self, race: Race, rows: Sequence[Row], table: ResultTable, cell_of: CellOf) -> None:
        self._race = race
        self._rows = rows
        self._table = table
        self._cell_of = cell_of
        self._state = RaceState(race, table.shape[0])
        racing, self._held_out = race.order(len(rows))
        self._blocks = [racing[first : first + race.block] for first in range(0, len(racing), race.block)]
        self._judged = 0  # blocks
        self._begun = 0
        self._waiting: Iterator[Cell] = iter(())
        self._is_confirming = False

    def __next__(self) -> Cell:
        while True:
            cell = next(self._waiting, None)
            if cell is not None:
                return cell
            self._judge()
            if not self._begin():
                raise StopIteration

    @property
    def outcome(self) -> RaceOutcome:
        """How the race ended, once there are no more cells."""
        self._judge()
        state = self._state
        return RaceOutcome(self._race, state.racing, state.drops, state.winner, state.rows, self._held_out)

    def _judge(self) -> None:
        """Judge the blocks that have ended, in their order."""
        while not self._has_ended and self._judged < self._begun:
            rows = self._blocks[self._judged]
            if not self._table.has_all(self._state.racing, rows):
                return
            self._require_metric()
            self._state.add_block(self._table.scores(self._race.metric, rows))
            self._judged += 1

    def _begin(self) -> bool:
        """Begin the next block, or the confirmation; return whether there was one to begin."""
        if not self._has_ended:
            if self._begun == len(self._blocks) or self._begun > self._judged + _AHEAD:
                return False
            self._waiting = self._block(self._blocks[self._begun])
            self._begun += 1
            return True
        winner = self._state.winner
        if self._is_confirming or winner == 0:
            return False
        self._is_confirming = True
        self._waiting = self._cells(self._held_out, [0, winner])
        return True

    @property
    def _has_ended(self) -> bool:
        return len(self._state.racing) == 1 or self._judged == len(self._blocks)

    def _block(self, rows: Positions) -> Iterator[Cell]:
        """Yield the cells of a block row by row, each under the cases that are in the race when it begins."""
        for place in range(len(rows)):
            self._judge()
            if self._has_ended:
                return
            yield from self._cells(rows[place : place + 1], self._state.racing)

    def _cells(self, rows: Positions, cases: Sequence[int]) -> Iterator[Cell]:
        for row in rows:
            for repeat in range(self._table.shape[2]):
                for case in cases:
                    cell = self._cell_of(case, self._rows[row], repeat)
                    if cell is not None:
                        yield cell

    def _require_metric(self) -> None:
        metric, known = self._race.metric, [*self._table.metrics, *self._table.measured]
        if metric not in known and self._table.metrics:
            hint = did_you_mean(metric, known)
            raise EvaluationError(f"Cannot race by {metric!r}: the scorers give {', '.join(known)}.{hint}")
