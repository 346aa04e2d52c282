"""Differences between independent groups of units, from sums that a database can make.

Each statistic is a function of `Moments`, so that ten million records need never be in memory.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from spearmint.statistics.intervals import Values


@dataclass(frozen=True, slots=True)
class Moments:
    """What is known of the units of one arm.

    Attributes:
        n: How many units.
        mean: Mean of their values; NaN without units.
        variance: Variance of their values, over ``n - 1``; NaN from fewer than two units.
        other_mean: Mean of a second number of each unit: the denominator of a ratio, or a covariate; 0 without.
        other_variance: Variance of that, over ``n - 1``.
        covariance: Covariance of both, over ``n - 1``.
    """

    n: int
    mean: float
    variance: float
    other_mean: float = 0.0
    other_variance: float = 0.0
    covariance: float = 0.0


@dataclass(frozen=True, slots=True)
class Gap:
    """How far an arm is from the main arm.

    Attributes:
        n: How many units both arms have together.
        value: The difference, the arm's less main's.
        error: Its standard error; NaN where an arm has fewer than two units.
        freedom: Degrees of freedom of the Student's distribution that ``value / error`` follows, by Welch.
    """

    n: int
    value: float
    error: float
    freedom: float

    @property
    def p_value(self) -> float:
        """How likely it is to see as much, looking once, if there is no difference; NaN where nothing can be told."""
        if not self.error > 0:
            return math.nan
        return float(2 * stats.t.sf(abs(self.value) / self.error, self.freedom))

    def interval(self, level: float) -> tuple[float, float]:
        """Return the bounds that miss the truth with a probability, looking once: Welch's test, inverted.

        From B. L. Welch, "The generalization of 'Student's' problem when several different population variances are
        involved", Biometrika 34, 1947, https://doi.org/10.1093/biomet/34.1-2.28.

        Args:
            level: The probability, such as 0.05.
        """
        if not self.error > 0:
            return math.nan, math.nan
        half = float(stats.t.isf(level / 2, self.freedom)) * self.error
        return self.value - half, self.value + half


def moments(values: Values, other: Values | None = None) -> Moments:
    """Return the moments of one value per unit, and of a second number of each unit.

    Raises:
        ValueError: If the two have different lengths.
    """
    n = len(values)
    second = np.zeros(n) if other is None else other
    if len(second) != n:
        raise ValueError(f"Cannot join {n} values with {len(second)} other numbers: give one of each per unit.")
    if n == 0:
        return Moments(0, math.nan, math.nan)
    means = float(np.mean(values)), float(np.mean(second))
    if n == 1:
        return Moments(1, means[0], math.nan, means[1], math.nan, math.nan)
    table = np.cov(values, second)
    return Moments(n, means[0], float(table[0, 0]), means[1], float(table[1, 1]), float(table[0, 1]))


def mean_gap(ours: Moments, main: Moments) -> Gap:
    """Return the difference of two arms' means."""
    return _gap(ours, main, ours.mean - main.mean, ours.variance, main.variance)


def ratio_gap(ours: Moments, main: Moments) -> Gap:
    """Return the difference of two arms' ratios, such as clicks per view, where units have several views.

    By the delta method: the ratio varies as ``(y - R x) / mean(x)`` over units. From A. Deng et al., "Applying the
    delta method in metric analytics", KDD 2018, https://arxiv.org/abs/1803.06336.

    Args:
        ours: Moments of numerators and, as the other number, denominators of the arm's units.
        main: The same of main's.
    """
    ratios = [_ratio(one) for one in (ours, main)]
    variances = [_linearized(one, ratio) for one, ratio in zip((ours, main), ratios, strict=True)]
    return _gap(ours, main, ratios[0] - ratios[1], *variances)


def _ratio(arm: Moments) -> float:
    return arm.mean / arm.other_mean if arm.other_mean else math.nan


def _linearized(arm: Moments, ratio: float) -> float:
    if not arm.other_mean:
        return math.nan
    spread = arm.variance + ratio**2 * arm.other_variance - 2 * ratio * arm.covariance
    return max(0.0, spread) / arm.other_mean**2


def _gap(ours: Moments, main: Moments, value: float, our_variance: float, main_variance: float) -> Gap:
    n = ours.n + main.n
    if min(ours.n, main.n) < 2:  # noqa: PLR2004 - one unit says nothing of how units vary
        return Gap(n, value, math.nan, math.nan)
    one, other = our_variance / ours.n, main_variance / main.n
    total = one + other
    parts = one**2 / (ours.n - 1) + other**2 / (main.n - 1)
    return Gap(n, value, math.sqrt(total), total**2 / parts if parts > 0 else math.nan)
