"""A saved run of an evaluation as tables: what each case did by each metric, and how it differs from main."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from spearmint.evaluation.report.charts import interval_text
from spearmint.evaluation.report.labels import short_id
from spearmint.evaluation.report.saved_run import SavedRun
from spearmint.evaluation.report.scales import number
from spearmint.statistics.clusters import clustered_test
from spearmint.statistics.intervals import Values
from spearmint.statistics.paired import PairedTest, paired_test, simultaneous


@dataclass(frozen=True, slots=True)
class RunTable:
    """What the cases of a run did by one metric.

    Attributes:
        metric: The metric.
        rows: For each case its short id, whether it is main, and its cells.
    """

    metric: str
    rows: Sequence[tuple[str, bool, Sequence[str]]]


def run_tables(run: SavedRun) -> list[RunTable]:
    """Return a table for each metric."""
    return [RunTable(metric, list(_rows(run, values))) for metric, values in run.values.items()]


def _rows(run: SavedRun, values: Values) -> Iterator[tuple[str, bool, Sequence[str]]]:
    found = [None, *simultaneous([_test(run, one, values[0]) for one in values[1:]])]
    for case, of_case, difference, failed in zip(run.cases, values, found, run.failed, strict=True):
        known = of_case[~np.isnan(of_case)]
        mean = float(known.mean()) if len(known) else math.nan
        cells = [number(mean), str(len(known)), str(int(failed.sum()))]
        if difference is None:
            cells += ["", "", "", "main"]
        else:
            interval = interval_text(difference.low, difference.high, "+")
            word = f"inconclusive: {difference.shortage}" if difference.shortage else difference.verdict
            cells += [f"{difference.value:+.4g}", interval, f"{difference.adjusted:.2g}", word]
        yield short_id(case.case_id), case.is_main, cells


def _test(run: SavedRun, ours: Values, main: Values) -> PairedTest:
    known = ~np.isnan(ours - main)
    if run.clusters is None or not known.any():
        return paired_test(ours, main)
    return clustered_test((ours - main)[known], run.clusters[known].tolist())
