"""Differences of two arms at many looks at once, as arrays: what `unpaired` and `sequential` say look by look."""

from dataclasses import dataclass

import numpy as np

from spearmint.statistics.intervals import Values
from spearmint.statistics.unpaired import Moments


@dataclass(frozen=True, slots=True)
class MomentSeries:
    """What is known of one arm at each look; the fields are those of `unpaired.Moments`, an item for each look."""

    n: Values
    mean: Values
    variance: Values
    other_mean: Values
    other_variance: Values
    covariance: Values

    def last(self) -> Moments:
        """Return what is known at the last look."""
        if not len(self.n):
            return Moments(0, np.nan, np.nan)
        rest = self.mean, self.variance, self.other_mean, self.other_variance, self.covariance
        return Moments(int(self.n[-1]), *(float(one[-1]) for one in rest))


@dataclass(frozen=True, slots=True)
class GapSeries:
    """How far an arm is from the main arm at each look.

    Attributes:
        n: How many units both arms have together.
        value: The difference, the arm's less main's.
        error: Its standard error; NaN where it cannot be told.
    """

    n: Values
    value: Values
    error: Values


@dataclass(frozen=True, slots=True)
class RunningBounds:
    """What holds at each look together with all before: bounds, and the smallest p-value so far."""

    low: Values
    high: Values
    p_value: Values


def cumulated(n: Values, means: Values, spreads: Values) -> MomentSeries:
    """Return the moments of all units up to each look, from those of the units that each look has added.

    By the parallel algorithm of T. Chan, G. Golub and R. LeVeque, "Algorithms for computing the sample variance", The
    American Statistician 37, 1983, https://doi.org/10.1080/00031305.1983.10483115, around the mean of all units, so
    that a mean far above its spread costs no digits.

    Args:
        n: How many units each look adds.
        means: Two rows: means of values, and of a second number, over these units; anything where there are none.
        spreads: Three rows: population variances of both, and their population covariance.
    """
    counts = np.cumsum(n)
    known = np.where(n > 0, means, 0.0)
    total = n.sum()
    centre = (known * n).sum(axis=1, keepdims=True) / total if total else np.zeros((2, 1))
    apart = np.where(n > 0, known - centre, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        shift = np.cumsum(n * apart, axis=1) / counts
        products = np.stack([apart[0] ** 2, apart[1] ** 2, apart[0] * apart[1]])
        sums = np.cumsum(n * (np.where(n > 0, spreads, 0.0) + products), axis=1)
        shifts = np.stack([shift[0] ** 2, shift[1] ** 2, shift[0] * shift[1]])
        around = (sums - counts * shifts) / (counts - 1)
    around[:2] = np.maximum(around[:2], 0.0)
    around[:, counts < 2] = np.nan  # noqa: PLR2004 - one unit says nothing of how units vary
    mean = centre + shift
    return MomentSeries(counts, mean[0], around[0], mean[1], around[1], around[2])


def mean_gaps(ours: MomentSeries, main: MomentSeries) -> GapSeries:
    """Return what `unpaired.mean_gap` says at each look."""
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.sqrt(ours.variance / ours.n + main.variance / main.n)
    has_few = np.minimum(ours.n, main.n) < 2  # noqa: PLR2004 - one unit says nothing of how units vary
    return GapSeries(ours.n + main.n, ours.mean - main.mean, np.where(has_few, np.nan, error))


def ratio_gaps(ours: MomentSeries, main: MomentSeries) -> GapSeries:
    """Return what `unpaired.ratio_gap` says at each look."""
    return mean_gaps(as_ratios(ours), as_ratios(main))


def adjusted_gaps(ours: MomentSeries, main: MomentSeries) -> GapSeries:
    """Return what `regression_adjustment.adjusted_gap` says at each look."""
    theta = slopes(ours, main)
    return mean_gaps(adjusted_by(ours, theta), adjusted_by(main, theta))


def slopes(ours: MomentSeries, main: MomentSeries) -> Values:
    """Return what `regression_adjustment.slope` says at each look."""
    spread, common = np.zeros(len(ours.n)), np.zeros(len(ours.n))
    for arm in (ours, main):
        has_any = arm.n > 1
        spread[has_any] += (arm.n * arm.other_variance - arm.other_variance)[has_any]
        common[has_any] += (arm.n * arm.covariance - arm.covariance)[has_any]
    return np.divide(common, spread, out=np.zeros_like(common), where=spread > 0)


def adjusted_by(arm: MomentSeries, theta: Values) -> MomentSeries:
    """Return the moments of the values less ``theta`` times the covariates."""
    variance = arm.variance + theta**2 * arm.other_variance - 2 * theta * arm.covariance
    return _of_one_number(arm, arm.mean - theta * arm.other_mean, variance)


def as_ratios(arm: MomentSeries) -> MomentSeries:
    """Return the ratios of the means, and their variances times the number of units, by the delta method."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(arm.other_mean != 0, arm.mean / arm.other_mean, np.nan)
        spread = arm.variance + ratio**2 * arm.other_variance - 2 * ratio * arm.covariance
        return _of_one_number(arm, ratio, spread / arm.other_mean**2)


def _of_one_number(arm: MomentSeries, mean: Values, variance: Values) -> MomentSeries:
    nothing = np.zeros(len(arm.n))
    return MomentSeries(arm.n, mean, np.maximum(variance, 0.0), nothing, nothing, nothing)


def running_bounds(gaps: GapSeries, rho2: float, alpha: float) -> RunningBounds:
    """Return what `sequential.ConfidenceSequence` says at each look.

    Args:
        gaps: The differences, look by look.
        rho2: From `sequential.mixture_precision`.
        alpha: How likely any of the intervals misses the truth.
    """
    is_known = (gaps.error > 0) & np.isfinite(gaps.error) & np.isfinite(gaps.value)
    n, value, error = (np.where(is_known, one, 1.0) for one in (gaps.n, gaps.value, gaps.error))
    k = n * rho2 + 1
    half = error * np.sqrt(n) * np.sqrt(2 * k * np.log(np.sqrt(k) / alpha)) / (n * np.sqrt(rho2))
    p = np.minimum(1.0, np.sqrt(k) * np.exp(-rho2 * n * (value / error) ** 2 / (2 * k)))
    return RunningBounds(
        np.maximum.accumulate(np.where(is_known, value - half, -np.inf)),
        np.minimum.accumulate(np.where(is_known, value + half, np.inf)),
        np.minimum.accumulate(np.where(is_known, p, 1.0)),
    )
