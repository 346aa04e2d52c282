"""A chunk of cells, run one after another."""

from collections.abc import Callable, Iterable, Mapping
from contextvars import Context
from time import perf_counter
from typing import NamedTuple

from spearmint.cases.case import ExperimentCase
from spearmint.evaluation.run.cell import Cell, CellResult, Subject
from spearmint.evaluation.run.cell_run import run_cell
from spearmint.evaluation.run.judging import judge_pair
from spearmint.evaluation.sharing.account import StepAccount


class ChunkResult(NamedTuple):
    """What came of a chunk of cells.

    Attributes:
        seconds: How long it took, scorers included.
        results: What came of each cell, in their order; shorter than the chunk where time ran out.
        account: What they shared.
    """

    seconds: float
    results: list[CellResult]
    account: StepAccount | None = None


def run_cells(
    subject: Subject,
    cases: Mapping[int, ExperimentCase],
    cells: Iterable[Cell],
    context: Context,
    *,
    budget: float,
    is_stopped: Callable[[], bool] = bool,
    keeps_rows: bool = False,
) -> ChunkResult:
    """Run cells one after another, each in a copy of a context, until the budget of seconds is spent.

    With ``keeps_rows``, those of one row and repetition are run together.
    """
    results: list[CellResult] = []
    account = StepAccount()
    place = None
    started = now = perf_counter()
    for cell in cells:
        before, place = place, (cell.row.number, cell.repeat)
        is_late = now - started > budget and not (keeps_rows and place == before)
        if results and (is_late or is_stopped()):
            break
        run = run_cell if cell.main is None else judge_pair
        results.append(context.copy().run(run, subject, cases[cell.case], cell, account))
        now = perf_counter()
    return ChunkResult(now - started, results, account)
