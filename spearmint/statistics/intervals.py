"""Intervals for one mean or one share."""

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

CONFIDENCE = 0.95
LARGE = 2000
"""With more rows than this the mean is as good as normal, and resampling would only take longer."""
RESAMPLES = 4999
_SEED = 20_240_229

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean, or a share of successes, with its 95 % confidence interval.

    Attributes:
        n: How many rows it is made of.
        value: The mean or share; NaN without rows.
        low: Lower bound of the interval; NaN where none can be given, as from one value.
        high: Upper bound.
    """

    n: int
    value: float
    low: float
    high: float


def wilson(successes: int, n: int) -> Estimate:
    """Return a share with Wilson's score interval, which holds also near 0 and 1 and for few trials.

    From E. B. Wilson, "Probable inference, the law of succession, and statistical inference", Journal of the American
    Statistical Association 22, 1927, https://doi.org/10.1080/01621459.1927.10502953.

    Args:
        successes: How many trials succeeded.
        n: How many there were.

    Returns:
        The share and its interval; all NaN when ``n`` is 0.

    Raises:
        ValueError: If ``successes`` is not from 0 to ``n``.
    """
    if not 0 <= successes <= n:
        raise ValueError(f"Cannot tell the share of {successes} successes in {n} trials: it is none. Give 0 to {n}.")
    if n == 0:
        return Estimate(0, math.nan, math.nan, math.nan)
    interval = stats.binomtest(successes, n).proportion_ci(CONFIDENCE, method="wilson")
    return Estimate(n, successes / n, float(interval.low), float(interval.high))


def estimate(values: Sequence[float] | Values) -> Estimate:
    """Return the mean of independent values with an interval: Wilson's if all are 0 or 1, else a BCa bootstrap.

    Args:
        values: One number per row.

    Returns:
        The mean and its interval. The same values give the same interval: the bootstrap's seed is fixed.
    """
    data = np.asarray(values, dtype=np.float64)
    if is_pass_or_fail(data):
        return wilson(int(data.sum()), len(data))
    low, high = bca_interval(data)
    return Estimate(len(data), float(data.mean()), low, high)


def bca_interval(values: Values) -> tuple[float, float]:
    """Return the bias-corrected and accelerated bootstrap interval for a mean; Student's for very many values.

    From B. Efron, "Better bootstrap confidence intervals", Journal of the American Statistical Association 82, 1987,
    https://doi.org/10.1080/01621459.1987.10478410.

    Args:
        values: One number per row.

    Returns:
        Lower and upper bound; NaN from fewer than two values.
    """
    n = len(values)
    if n < 2:  # noqa: PLR2004 - one value says nothing of how values vary
        return math.nan, math.nan
    if np.ptp(values) == 0:
        return float(values[0]), float(values[0])
    if n > LARGE:
        interval = stats.ttest_1samp(values, 0.0).confidence_interval(CONFIDENCE)
        return float(interval.low), float(interval.high)
    made = bootstrap(values, np.mean, "BCa")
    low, high = made.confidence_interval.low, made.confidence_interval.high
    if math.isnan(low) or math.isnan(high):
        low, high = np.quantile(made.bootstrap_distribution, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


def bootstrap(values: Values, statistic: Callable[..., Any], method: str) -> Any:
    """Return what `scipy.stats.bootstrap` makes of values, with a fixed seed and bounded memory."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        return stats.bootstrap(
            (values,),
            statistic,
            n_resamples=RESAMPLES,
            confidence_level=CONFIDENCE,
            method=method,
            rng=np.random.default_rng(_SEED),
            batch=max(1, 1_000_000 // len(values)),
        )


def is_pass_or_fail(values: Values) -> bool:
    """Tell whether all numbers are 0 or 1."""
    return bool(np.all((values == 0) | (values == 1)))
