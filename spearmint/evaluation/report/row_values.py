"""Estimates and tests of values by row, whether rows stand for themselves or come in clusters."""

import math
from collections.abc import Sequence

import numpy as np

from spearmint.evaluation.run.result_table import ResultTable
from spearmint.statistics.clusters import clustered_estimate, clustered_test
from spearmint.statistics.intervals import Estimate, Values, estimate
from spearmint.statistics.paired import PairedTest, paired_test
from spearmint.statistics.sign_test import is_won_or_lost, sign_test
from spearmint.statistics.winner import winner


def estimate_of(results: ResultTable, values: Values) -> Estimate:
    """Return the mean of the rows that have a value, with its interval."""
    known = ~np.isnan(values)
    if results.clusters is None:
        return estimate(values[known])
    return clustered_estimate(values[known], results.clusters[known].tolist())


def compare(results: ResultTable, ours: Values, main: Values) -> PairedTest:
    """Compare two sides on the rows that have a value on both; untested after a race, whose end depends on them."""
    known = ~(np.isnan(ours) | np.isnan(main))
    if results.is_raced:
        value = float((ours[known] - main[known]).mean()) if known.any() else math.nan
        return PairedTest(int(known.sum()), value, math.nan, "none after a race", lambda _level: (math.nan, math.nan))
    if results.clusters is None and known.any() and is_won_or_lost(ours[known], main[known]):
        return sign_test(int((ours > main).sum()), int((ours < main).sum()), int(known.sum()))
    if results.clusters is None or not known.any():
        return paired_test(ours, main)
    return clustered_test(ours[known] - main[known], results.clusters[known].tolist())


def complete(results: ResultTable, metric: str, cases: Sequence[int], *, lower: bool = False) -> Values:
    """Return the values of several cases, one column for each, on the rows on which all have one; higher is better."""
    table = np.column_stack([results.values(case, metric) for case in cases])
    known: Values = table[~np.isnan(table).any(axis=1)]
    return -known if lower else known


def corrected(results: ResultTable, metric: str, cases: Sequence[int], best: int, *, lower: bool) -> Estimate:
    """Return the mean of the best of several cases without the flattery of its having won.

    Args:
        results: What came of the cells.
        metric: Name of the metric.
        cases: Positions of the cases.
        best: Which of them has the best mean.
        lower: Whether less is better.

    Returns:
        The estimate; NaN where the best on all rows is not the best on those that every case has a value of, or there
        are no such rows, rows come in clusters, or cases have raced: nothing of the kind is known of these.
    """
    scores = complete(results, metric, cases, lower=lower)
    chosen = list(cases).index(best)
    unknown = Estimate(len(scores), math.nan, math.nan, math.nan)
    if results.clusters is not None or results.is_raced or not len(scores):
        return unknown
    means = scores.mean(axis=0)
    if means[chosen] < means.max():
        return unknown
    found = winner(scores, chosen)
    return Estimate(found.n, -found.value, -found.high, -found.low) if lower else found
