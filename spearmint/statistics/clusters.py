"""Means of rows that come in clusters, such as questions about one document: rows of a cluster are not independent.

The error is that of the clusters' sums, ``sqrt(C/(C-1) sum_c (sum_{i in c} (y_i - mean))**2) / n``, from K.-Y. Liang
and S. Zeger, "Longitudinal data analysis using generalized linear models", Biometrika 73, 1986,
https://doi.org/10.1093/biomet/73.1.13, with the correction for few clusters and Student's distribution of ``C - 1``
degrees of freedom.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import stats

from spearmint.statistics.intervals import CONFIDENCE, Estimate, Values
from spearmint.statistics.paired import PairedTest

_FEWEST = 2


def cluster_error(values: Values, clusters: Sequence[Any]) -> tuple[float, int]:
    """Return the standard error of a mean of clustered rows, and how many clusters there are.

    Args:
        values: One number per row.
        clusters: For each row what its cluster is known by: anything that can be hashed.

    Returns:
        The error, NaN from fewer than two clusters, and the number of clusters.

    Raises:
        ValueError: If the two have different lengths.
    """
    if len(values) != len(clusters):
        raise ValueError(f"Cannot cluster {len(values)} rows by {len(clusters)} keys: give one key for each row.")
    numbers: dict[Any, int] = {}
    labels = [numbers.setdefault(cluster, len(numbers)) for cluster in clusters]
    count = len(numbers)
    if count < _FEWEST:
        return math.nan, count
    sums = np.bincount(labels, weights=values - values.mean(), minlength=count)
    return math.sqrt(count / (count - 1) * float(sums @ sums)) / len(values), count


def clustered_estimate(values: Values, clusters: Sequence[Any]) -> Estimate:
    """Return the mean of clustered rows with its interval.

    Args:
        values: One number per row.
        clusters: For each row what its cluster is known by.

    Returns:
        The mean; its bounds are NaN from fewer than two clusters.
    """
    n = len(values)
    if n == 0:
        return Estimate(0, math.nan, math.nan, math.nan)
    test = _test(values, clusters)
    return Estimate(n, float(values.mean()), *test.interval(1 - CONFIDENCE))


def clustered_test(deltas: Values, clusters: Sequence[Any]) -> PairedTest:
    """Test whether the mean of clustered differences is 0.

    Args:
        deltas: One difference per row, at least one.
        clusters: For each row what its cluster is known by.

    Returns:
        The test.
    """
    return _test(deltas, clusters)


def _test(values: Values, clusters: Sequence[Any]) -> PairedTest:
    mean = float(values.mean())
    error, count = cluster_error(values, clusters)

    def interval(level: float) -> tuple[float, float]:
        if not count >= _FEWEST:
            return math.nan, math.nan
        half = float(stats.t.isf(level / 2, count - 1)) * error
        return mean - half, mean + half

    if count < _FEWEST:
        p_value = math.nan
    elif error == 0:
        p_value = 1.0 if mean == 0 else 0.0
    else:
        p_value = float(2 * stats.t.sf(abs(mean) / error, count - 1))
    return PairedTest(len(values), mean, p_value, "clustered t", interval, count)
