import threading

import numpy as np
import pytest

from spearmint import Config, Race, Spearmint
from spearmint.evaluation.dataset import Row
from spearmint.evaluation.run.cell import Cell, CellResult
from spearmint.evaluation.run.process_pool import RenewableProcessPool
from spearmint.evaluation.run.race_cells import RaceCells
from spearmint.evaluation.run.result_table import CellKey, ResultTable
from tests.evaluation import subjects

ROWS = [{"x": x, "expected": 2 * x} for x in range(1, 81)]
RACE = Race("exact", block=10)


def verdicts(report):
    return [(one.case_id, one.rows, one.by) for one in report.dropped], report.survivors, report.confirmed


def race(**options):
    return subjects.mint.evaluate(subjects.times, ROWS, scorers=[subjects.exact], race=RACE, progress=False, **options)


def result_of(score):
    return CellResult(0.0, None, {"right": {"right": score}}, {}, None)


@pytest.mark.slow
def test_race_on_processes_reaches_the_verdicts_of_threads(tmp_path):
    alone = race()
    assert alone.best("exact").config.factor == 2
    assert alone.confirmed.n == 24
    with RenewableProcessPool(2) as pool:
        assert verdicts(race(executor=pool)) == verdicts(alone)
        resumed = tmp_path / "run.jsonl"
        assert verdicts(race(executor=pool, resume=resumed)) == verdicts(alone)
        lines = resumed.read_text()
        assert verdicts(race(executor=pool, resume=resumed)) == verdicts(alone)
    assert resumed.read_text() == lines


def test_next_block_has_begun_while_the_last_cell_of_one_is_out():
    rows = [Row(number, f"data[{number}]", {}, {}) for number in range(40)]
    table = ResultTable(2, 40, 1)
    cells = RaceCells(Race("right", block=10, confirm=0), rows, table, Cell)
    begun = list(cells)  # as many as may be in flight before any result is there
    assert len(begun) == 2 * 2 * 10
    for cell in begun[1:]:
        table.record(CellKey(cell.case, cell.row.number, cell.repeat), result_of(1.0))
    assert list(cells) == []  # the first block has not ended
    table.record(CellKey(begun[0].case, begun[0].row.number, 0), result_of(1.0))
    assert len(list(cells)) == 2 * 2 * 10  # both have ended, and two more begin
    assert cells.outcome.survivors == [0, 1]


def test_workers_are_not_idle_while_a_block_ends():
    started = threading.Semaphore(0)
    slow = Race("right", block=4, confirm=0).order(16)[0][0]

    def answer(x, config: Config):
        if x == slow and config.k == 0:
            for _ in range(8):  # cells of this block and of the next begin meanwhile
                assert started.acquire(timeout=30)
        started.release()
        return x % 2

    report = Spearmint().evaluate(
        answer,
        [{"x": x} for x in range(16)],
        scorers={"right": lambda outputs: outputs},
        configs=[{"k": 0}, {"k": 1}],
        race=Race("right", block=4, confirm=0),
        concurrency=2,
        progress=False,
    )
    assert report.errors == 0
    assert not np.isnan(report.results.values(0, "right")).any()


def test_a_block_begun_ahead_is_not_run_by_what_was_dropped():
    rows = [Row(number, f"data[{number}]", {}, {}) for number in range(40)]
    table = ResultTable(3, 40, 1)
    cells = RaceCells(Race("right", block=20, confirm=0, delta=0.5), rows, table, Cell)
    front = [next(cells) for _ in range(3 * 20)]
    ahead = [next(cells) for _ in range(3)]  # begun while the last cell of the block in front is out
    for cell in front:
        table.record(CellKey(cell.case, cell.row.number, 0), result_of(float(cell.case > 0)))
    rest = list(cells)
    assert {cell.case for cell in ahead} == {0, 1, 2}
    assert {cell.case for cell in rest} == {1, 2}
    assert len(rest) == 2 * 19


def test_a_race_that_has_been_won_runs_nothing_more_of_a_block():
    rows = [Row(number, f"data[{number}]", {}, {}) for number in range(60)]
    table = ResultTable(2, 60, 1)
    cells = RaceCells(Race("right", block=20, confirm=0, delta=0.5), rows, table, Cell)
    front = [next(cells) for _ in range(2 * 20 + 2)]
    for cell in front[: 2 * 20]:
        table.record(CellKey(cell.case, cell.row.number, 0), result_of(float(cell.case)))
    assert list(cells) == []
    assert cells.outcome.winner == 1
    assert cells.outcome.rows == 20
