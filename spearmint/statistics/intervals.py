"""Intervals for means and shares, and paired differences from the main config."""

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

CONFIDENCE = 0.95
FEWEST_ROWS = 20
"""With fewer rows no verdict is given: the bootstrap's intervals are too narrow there."""
LARGE = 2000
"""With more rows than this the mean is as good as normal, and resampling would only take longer."""
RESAMPLES = 4999
_SEED = 20_240_229
_FAR = 1e9  # stands for an infinite t, which scipy could not average

Values = NDArray[np.float64]
Verdict = Literal["higher", "lower", "no clear difference", "inconclusive"]


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


@dataclass(frozen=True, slots=True)
class Difference:
    """How much higher the mean is than under the main config, on the rows that have a value under both.

    Attributes:
        n: How many such rows there are.
        value: Mean of the differences, row by row; NaN without rows.
        low: Lower bound of the 95 % interval.
        high: Upper bound.
        p_value: How likely it is to see as much if there is no difference, for this comparison alone.
        adjusted: The p-value adjusted for all comparisons of one metric, by Holm's method.
        test: How the p-value came about.
    """

    n: int
    value: float
    low: float
    high: float
    p_value: float
    adjusted: float
    test: str

    @property
    def verdict(self) -> Verdict:
        """What the data say; ``"inconclusive"`` when there are too few rows to say anything."""
        if self.n < FEWEST_ROWS or math.isnan(self.adjusted):
            return "inconclusive"
        if self.adjusted > 1 - CONFIDENCE:
            return "no clear difference"
        return "higher" if self.value > 0 else "lower"


def wilson(successes: int, n: int) -> Estimate:
    """Return a share with Wilson's interval, which holds also near 0 and 1 and for few trials.

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
    low, high = _mean_interval(data)
    return Estimate(len(data), float(data.mean()), low, high)


def difference(ours: Sequence[float] | Values, main: Sequence[float] | Values) -> Difference:
    """Compare two configs row by row.

    Where both only pass or fail, the test is McNemar's exact one and the interval is Tango's score interval; else both
    come from a bootstrap of the rows' differences: BCa for the interval, Student's t for the p-value.

    Args:
        ours: One number per row; NaN where there is none.
        main: The numbers of the same rows under the main config.

    Returns:
        The difference, on the rows with a number in both; its ``adjusted`` p-value is not adjusted yet.
    """
    one, other = np.asarray(ours, dtype=np.float64), np.asarray(main, dtype=np.float64)
    has_both = ~(np.isnan(one) | np.isnan(other))
    one, other = one[has_both], other[has_both]
    n = len(one)
    if n == 0:
        return Difference(0, math.nan, math.nan, math.nan, math.nan, math.nan, "no rows")
    deltas = one - other
    mean = float(deltas.mean())
    if is_pass_or_fail(one) and is_pass_or_fail(other):
        gained, lost = int((deltas > 0).sum()), int((deltas < 0).sum())
        low, high = tango(gained, lost, n)
        p_value = float(stats.binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0
        return Difference(n, mean, low, high, p_value, p_value, "exact McNemar")
    low, high = _mean_interval(deltas)
    p_value = _mean_p_value(deltas)
    return Difference(n, mean, low, high, p_value, p_value, "paired bootstrap" if n <= LARGE else "paired t")


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values of several comparisons, so that the chance of any false alarm stays what it is for one.

    Args:
        p_values: One per comparison; NaN where there was none to make.

    Returns:
        The adjusted ones, in the same order.
    """
    made = sorted((p, position) for position, p in enumerate(p_values) if not math.isnan(p))
    adjusted = [math.nan] * len(p_values)
    highest = 0.0
    for rank, (p_value, position) in enumerate(made):
        highest = max(highest, min(1.0, (len(made) - rank) * p_value))
        adjusted[position] = highest
    return adjusted


def tango(gained: int, lost: int, n: int) -> tuple[float, float]:
    """Return the score interval for the difference of two shares measured on the same rows.

    From T. Tango, "Equivalence test and confidence interval for the difference in proportions for the paired-sample
    design", Statistics in Medicine 17, 1998. It inverts the score test, and holds for few rows and rare differences.

    Args:
        gained: Rows that pass now and failed under the main config.
        lost: Rows that fail now and passed.
        n: All rows.
    """
    z = float(stats.norm.ppf((1 + CONFIDENCE) / 2))

    def score(delta: float) -> float:
        linear = (2 * n - gained + lost) * delta - gained - lost
        # The likeliest share of lost rows, were the true difference this one.
        root = math.sqrt(max(0.0, linear**2 + 8 * n * lost * delta * (1 - delta)))  # rounding may go below 0
        share = (root - linear) / (4 * n)
        variance = n * (2 * share + delta * (1 - delta))
        return (gained - lost - n * delta) / math.sqrt(variance) if variance > 0 else 0.0

    observed = (gained - lost) / n
    edge = 1 - 1e-9  # at a difference of just 1 or -1 nothing varies
    low = -1.0 if score(-edge) <= z else optimize.brentq(lambda d: score(d) - z, -edge, max(observed, -edge))
    high = 1.0 if score(edge) >= -z else optimize.brentq(lambda d: score(d) + z, min(observed, edge), edge)
    return float(low), float(high)


def is_pass_or_fail(values: Values) -> bool:
    """Tell whether all numbers are 0 or 1."""
    return bool(np.all((values == 0) | (values == 1)))


def _mean_interval(values: Values) -> tuple[float, float]:
    """Return the bounds for the mean."""
    n = len(values)
    if n < 2:  # noqa: PLR2004 - one value says nothing of how values vary
        return math.nan, math.nan
    if np.ptp(values) == 0:
        return float(values[0]), float(values[0])
    if n > LARGE:
        interval = stats.ttest_1samp(values, 0.0).confidence_interval(CONFIDENCE)
        return float(interval.low), float(interval.high)
    made = _bootstrap(values, np.mean, "BCa")
    low, high = made.confidence_interval.low, made.confidence_interval.high
    if math.isnan(low) or math.isnan(high):
        low, high = np.quantile(made.bootstrap_distribution, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


def _mean_p_value(values: Values) -> float:
    """Return how likely a mean so far from 0 is if the true one is 0.

    What is resampled is Student's t, not the mean: with skewed differences the mean alone gives too many false alarms.
    """
    n = len(values)
    if n < 2:  # noqa: PLR2004
        return math.nan
    if np.ptp(values) == 0:
        return 1.0 if values[0] == 0 else 1 / (RESAMPLES + 1)
    if n > LARGE:
        return float(stats.ttest_1samp(values, 0.0).pvalue)
    mean = values.mean()

    def student(sample: Values, axis: int = -1) -> Any:
        distance = np.abs(sample.mean(axis) - mean)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.nan_to_num(distance / (sample.std(axis) / math.sqrt(n)), posinf=_FAR)

    observed = abs(mean) / (values.std() / math.sqrt(n))
    extreme = _bootstrap(values, student, "percentile").bootstrap_distribution >= observed
    return float(extreme.sum() + 1) / (RESAMPLES + 1)


def _bootstrap(values: Values, statistic: Callable[..., Any], method: str) -> Any:
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
