"""Whether an arm is worse than the main one, at any look: the one-sided bound that guardrails ask."""

import math
from dataclasses import dataclass

from spearmint.statistics.sequential import half_width, mixture_precision
from spearmint.statistics.unpaired import Moments

FEWEST_UNITS = 50
"""Units per arm below which nothing is told: the sequence is asymptotic, and so are the moments that it takes."""


@dataclass(frozen=True, slots=True)
class Harm:
    """By how much an arm is worse.

    Attributes:
        n: How many units it is made of, both arms together.
        value: How much worse the arm is, as far as one can see; negative where it is better.
        bound: How much worse it is at least, with the error that was asked for, at this look and all others together;
            minus infinity where nothing can be told yet.
    """

    n: int
    value: float
    bound: float


def harm_of_arm(
    ours: Moments, main: Moments, *, lower: bool, alpha: float, horizon: float, is_share: bool = False
) -> Harm:
    """Return by how much an arm is worse than the main one, from independent units of both.

    Args:
        ours: Moments of the arm's units.
        main: The same of main's.
        lower: Whether less is better.
        alpha: How likely the bound may ever be above the truth, between 0 and 0.5.
        horizon: The number of units at which the bound is to be closest.
        is_share: Whether the values are shares of failures, from 0 to 1, which vary even where all seen so far agree.
    """
    n = ours.n + main.n
    if min(ours.n, main.n) < FEWEST_UNITS:
        return Harm(n, math.nan, -math.inf)
    value = (ours.mean - main.mean) * (1 if lower else -1)
    spread = [_variance(one, is_share=is_share) / one.n for one in (ours, main)]
    return _bounded(n, value, math.sqrt(sum(spread)), alpha, horizon)


def harm_in_pairs(differences: Moments, *, lower: bool, alpha: float, horizon: float, is_share: bool = False) -> Harm:
    """Return by how much an arm is worse than the main one, from both on the same units.

    Args:
        differences: Moments of the differences, the arm's value less main's, one for each unit.
        lower: As for `harm_of_arm`, and so are the others.
        alpha: As there.
        horizon: As there.
        is_share: As there; the differences are then from -1 to 1.
    """
    if differences.n < FEWEST_UNITS:
        return Harm(differences.n, math.nan, -math.inf)
    value = differences.mean * (1 if lower else -1)
    error = math.sqrt(_variance(differences, is_share=is_share) / differences.n)
    return _bounded(differences.n, value, error, alpha, horizon)


def _variance(arm: Moments, *, is_share: bool) -> float:
    """Return the variance; of shares at least that of one success and one failure more, as Agresti and Coull count."""
    if not is_share:
        return arm.variance
    share = (abs(arm.mean) * arm.n + 1) / (arm.n + 2)
    return max(arm.variance, share * (1 - share))


def _bounded(n: int, value: float, error: float, alpha: float, horizon: float) -> Harm:
    if not error > 0 or not math.isfinite(value):
        return Harm(n, value, -math.inf)
    rho2 = mixture_precision(horizon, alpha, is_one_sided=True)
    return Harm(n, value, value - half_width(error, n, rho2, alpha, is_one_sided=True))
