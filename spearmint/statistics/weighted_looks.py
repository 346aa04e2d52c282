"""Arms whose shares move, as a bandit's do, at many looks at once: what `inverse_propensity` says, look by look."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from spearmint.statistics.intervals import Values
from spearmint.statistics.looks import MomentSeries


@dataclass(frozen=True, slots=True)
class WeightSums:
    """Sums over the units that each look adds, each unit with the same power of its weight ``1 / p``.

    Values ``y`` and second numbers ``x`` are less a centre that is the same for all, so that a mean far above its
    spread costs no digits. Each field has an item for each look.
    """

    ones: Values
    y: Values
    x: Values
    yy: Values
    xx: Values
    yx: Values

    def cumulated(self) -> "WeightSums":
        """Return the sums over all units up to each look."""
        parts = (self.ones, self.y, self.x, self.yy, self.xx, self.yx)
        return WeightSums(*(np.cumsum(part) for part in parts))

    def around(self, y: Values, x: Values) -> tuple[Values, Values, Values]:
        """Return the sums of squares, and of products, around means."""
        return (
            self.yy - 2 * y * self.y + y**2 * self.ones,
            self.xx - 2 * x * self.x + x**2 * self.ones,
            self.yx - y * self.x - x * self.y + x * y * self.ones,
        )


@dataclass(frozen=True, slots=True)
class WeightedSeries:
    """What is known of one arm at each look, each unit weighed by ``1 / p``.

    Attributes:
        effective: How many units of equal weight tell as much (L. Kish, "Survey sampling", 1965).
        sampling: Means, and variances which over ``n`` are the squared errors of these, by linearization.
        spread: The same means, and the variances of the values themselves.
    """

    effective: Values
    sampling: MomentSeries
    spread: MomentSeries

    def changed(self, change: Callable[[MomentSeries], MomentSeries]) -> "WeightedSeries":
        """Return the series of another number that is made of the two of each unit."""
        return replace(self, sampling=change(self.sampling), spread=change(self.spread))


def cumulated_by_weight(
    n: Values, weighted: WeightSums, squared: WeightSums, centre: tuple[float, float] = (0.0, 0.0)
) -> WeightedSeries:
    """Return what is known of an arm up to each look.

    Args:
        n: How many units each look adds.
        weighted: Sums with ``1 / p``.
        squared: Sums with ``1 / p**2``.
        centre: What the values, and the second numbers, are less.
    """
    counts, first, second = np.cumsum(n), weighted.cumulated(), squared.cumulated()
    has_few = counts < 2  # noqa: PLR2004 - one unit says nothing of how units vary
    with np.errstate(divide="ignore", invalid="ignore"):
        y, x = first.y / first.ones, first.x / first.ones
        effective = np.where(counts > 0, first.ones**2 / second.ones, 0.0)
        sampling = np.stack(second.around(y, x)) * counts**2 / (counts - 1) / first.ones**2
        spread = np.stack(first.around(y, x)) / first.ones * effective / (effective - 1)
    for moments in (sampling, spread):
        moments[:2] = np.maximum(moments[:2], 0.0)
        moments[:, has_few] = np.nan
    means = y + centre[0], x + centre[1]
    made = [MomentSeries(counts, means[0], one[0], means[1], one[1], one[2]) for one in (sampling, spread)]
    return WeightedSeries(effective, *made)


def with_common_spread(arms: Sequence[WeightedSeries]) -> list[MomentSeries]:
    """Return arms of one number as if their units had equal weights, none with less spread than another has.

    A bandit takes units from an arm whose values seem low, and low values also seem to vary little: of the few that
    such an arm has, with a large weight each, the error would be told as far too small. Among two equal arms with a
    success in 50 units, a confidence sequence saw a difference in a fifth of all worlds, and in none with this.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        widest = np.fmax.reduce([arm.spread.variance for arm in arms])
        return [
            replace(arm.sampling, variance=np.fmax(arm.sampling.variance, widest * arm.sampling.n / arm.effective))
            for arm in arms
        ]
