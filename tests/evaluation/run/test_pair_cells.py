import weakref
from itertools import permutations

import pytest

from spearmint.evaluation.dataset import Row
from spearmint.evaluation.run.budget_cells import BudgetCells
from spearmint.evaluation.run.cell import Cell, CellResult
from spearmint.evaluation.run.pair_cells import PairCells
from spearmint.evaluation.run.result_table import CellKey, ResultTable
from spearmint.evaluation.spending import Spending

CASES = 3


class Text(str):
    """A stored output whose end can be seen."""

    __slots__ = ("__weakref__",)


class Run:
    """Results that wait for whole rows, as in a run whose quota may be used up."""

    def __init__(self, rows):
        cells = [Cell(case, Row(row, f"data[{row}]", {}, {}), 0) for row in range(rows) for case in range(CASES)]
        self.table = ResultTable(CASES, rows, 1)
        self.limited = BudgetCells(None, iter(cells), Spending(None), rows)
        self.pairs = PairCells(self.limited, ["wins"], self.table, None)

    def take(self, cell, result):
        (kept,) = self.pairs.take([cell], [result])
        if self.pairs.is_complete(kept):
            for one, whole in self.limited.whole(cell, kept):
                self.table.record(CellKey(one.case, one.row.number, one.repeat), whole)
        return kept


def made(text="1", **changes):
    return CellResult(0.0, None, {}, {}, None, stored=text)._replace(**changes)


def judged(pair):
    return pair.known._replace(scores={"wins": {"wins": 1.0}}, calls=0)


@pytest.mark.parametrize("order", list(permutations(range(CASES))))
def test_output_of_main_is_kept_until_its_row_is_judged(order):
    run = Run(2)
    cells = list(run.pairs)
    assert len(cells) == 2 * CASES
    text = Text("main's")
    main = weakref.ref(text)
    for case in order:
        run.take(cells[case], made(text if case == 0 else "1"))
    del text
    pairs = list(run.pairs)
    assert sorted(pair.case for pair in pairs) == [1, 2]
    assert all(pair.main.stored == "main's" for pair in pairs)
    assert run.table.count == 0  # Main's result waits for the others of its row.
    run.take(pairs[0], judged(pairs[0]))
    run.take(cells[CASES], made())  # of another row
    assert main() is not None
    run.take(pairs[1], judged(pairs[1]))
    assert run.table.count == CASES
    del pairs
    run.take(cells[CASES + 1], made())
    assert main() is None


def test_refused_main_is_no_failure_and_leaves_pairs_unjudged():
    run = Run(1)
    cells = list(run.pairs)
    refused = made(None, error="no more calls", status="failed", calls=0, refusal="no more calls")
    assert not run.pairs.is_complete(run.take(cells[1], made()))
    assert run.take(cells[0], refused) is refused
    assert not run.pairs.is_complete(run.take(cells[2], made()))
    assert list(run.pairs) == []
    assert run.table.count == 0


def test_refused_pair_is_kept_without_a_score():
    run = Run(1)
    cells = list(run.pairs)
    for cell in cells:
        run.take(cell, made())
    first, second = run.pairs
    run.take(first, judged(first))
    refused = second.known._replace(calls=0, refusal="no more calls")
    assert run.take(second, refused) is refused
    assert run.pairs.is_complete(refused)  # in this run
    assert list(run.pairs) == []
    assert run.table.count == 0
