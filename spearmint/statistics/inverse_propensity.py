"""Means of arms whose shares have changed over time, as a bandit's do: each unit counts for those like it.

Plain means of arms compare units of different times. Here each unit weighs ``1 / p``, p being the share that its arm
had when the unit came to it: the estimate of D. G. Horvitz and D. J. Thompson, "A generalization of sampling without
replacement from a finite universe", JASA 47, 1952, https://doi.org/10.1080/01621459.1952.10483446, divided by the sum
of the weights (J. Hájek, 1971), so that adding a constant to all values adds it to the mean.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spearmint.statistics.intervals import Values
from spearmint.statistics.unpaired import Gap, Moments, moments


@dataclass(frozen=True, slots=True)
class WeightedSums:
    """What is known of the units of one arm, as sums that a database can make; p is a unit's propensity, y its value.

    Attributes:
        n: How many units.
        weights: Sum of ``1 / p``.
        squares: Sum of ``1 / p**2``.
        values: Sum of ``y / p``.
        weighted: Sum of ``y / p**2``.
        weighted_squares: Sum of ``y**2 / p**2``.
    """

    n: int
    weights: float
    squares: float
    values: float
    weighted: float
    weighted_squares: float

    @property
    def mean(self) -> float:
        """The mean that the arm would have if all units were in it; NaN without units."""
        return self.values / self.weights if self.n else math.nan

    @property
    def error(self) -> float:
        """The standard error of that, by linearization; NaN from fewer than two units."""
        if self.n < 2:  # noqa: PLR2004 - one unit says nothing of how units vary
            return math.nan
        mean = self.mean
        spread = self.weighted_squares - 2 * mean * self.weighted + mean**2 * self.squares
        return math.sqrt(max(0.0, spread) * self.n / (self.n - 1)) / self.weights


def weighted_sums(values: Values, propensities: Values) -> WeightedSums:
    """Return the sums of one value per unit, and the propensity with which each came to its arm.

    Raises:
        ValueError: If the two have different lengths, or a propensity is not above 0, up to 1.
    """
    if len(values) != len(propensities):
        message = f"Cannot weigh {len(values)} values by {len(propensities)} propensities: give one of each per unit."
        raise ValueError(message)
    if not np.all((propensities > 0) & (propensities <= 1)):
        raise ValueError(
            "Cannot weigh values by these propensities: one is not above 0, up to 1. Leave such units out."
        )
    weights = 1 / propensities
    parts = (weights, weights**2, values * weights, values * weights**2, (values * weights) ** 2)
    return WeightedSums(len(values), *(float(np.sum(part)) for part in parts))


def weighted_gap(ours: WeightedSums, main: WeightedSums) -> Gap:
    """Return the difference of two arms' means; units of both come to their arms by a draw each."""
    error = math.hypot(ours.error, main.error)
    freedom = float(max(1, min(ours.n, main.n) - 1))
    return Gap(ours.n + main.n, ours.mean - main.mean, error, freedom)


def moments_by_weight(arms: Sequence[tuple[Values, Values]]) -> list[Moments]:
    """Return moments of arms whose ``variance / n`` is the squared error of the weighted mean.

    Where no propensity moved, they are plain. Else no arm has less spread than another, as in
    `weighted_looks.with_common_spread`, which says why.

    Args:
        arms: For each arm one value per unit, and the propensity with which each came to its arm.

    Raises:
        ValueError: As `weighted_sums`.
    """
    sums = [weighted_sums(*arm) for arm in arms]
    if all(np.ptp(propensities) == 0 for _, propensities in arms if len(propensities)):
        return [moments(values) for values, _ in arms]
    effective = [one.weights**2 / one.squares if one.n else 0.0 for one in sums]
    spreads = [
        float(np.average((values - one.mean) ** 2, weights=1 / propensities)) * n / (n - 1)
        for one, n, (values, propensities) in zip(sums, effective, arms, strict=True)
        if n > 1
    ]
    widest = max(spreads, default=math.nan)
    return [
        Moments(one.n, one.mean, one.n * max(one.error**2, widest / n) if n > 1 else math.nan)
        for one, n in zip(sums, effective, strict=True)
    ]
