"""Whether units went to the arms in the shares that were set: where not, no comparison of the arms is sound."""

import math
from collections.abc import Sequence

import numpy as np
from scipy import special, stats

from spearmint.statistics.sequential import mixture_precision

UNHEALTHY = 0.001
"""The p-value below which a ratio is told as broken: one looks at it often, and acts on it."""
FEWEST_PER_ARM = 8
"""Units per arm below which Pearson's test is not asked."""
FEWEST_PER_MOVING_ARM = 5
"""The same of arms whose shares move, as a bandit's do."""
_CONCENTRATION = 100.0
_HORIZON = 5000  # units at which a broken ratio of moving shares is found soonest


def pearson(counts: Sequence[int], shares: Sequence[float]) -> float:
    """Test counts against shares by Pearson's chi-square, once.

    From K. Pearson, "On the criterion that a given system of deviations ...", Philosophical Magazine 50, 1900,
    https://doi.org/10.1080/14786440009463897.

    Args:
        counts: How many units each arm has.
        shares: How many it was to have, in any unit. An arm of share 0 counts neither as a cell nor as a degree of
            freedom.

    Returns:
        The p-value; NaN where fewer than two arms have a share, or there are no units.

    Raises:
        ValueError: If the two have different lengths, or a number is negative or not finite.

    >>> f"{pearson([600, 400], [1, 1]):.2e}"
    '2.54e-10'
    """
    observed, expected = _cells(counts, shares)
    total = observed.sum()
    if len(observed) < 2 or total == 0:  # noqa: PLR2004 - one arm has all units, as it was to have
        return math.nan
    return float(stats.chisquare(observed, expected * total).pvalue)


def log_bayes_factor(counts: Sequence[int], shares: Sequence[float], concentration: float = _CONCENTRATION) -> float:
    """Return how much likelier counts are under other shares, near the expected ones, than under these.

    ``lnB(k t + c) - lnB(k t) - sum(c ln t)`` with the multivariate beta function: a Dirichlet-multinomial mixture, from
    M. Lindon and A. Malek, "Anytime-valid inference for multinomial count data", NeurIPS 2022,
    https://arxiv.org/abs/2011.03567.

    Args:
        counts: How many units each arm has.
        shares: How many it was to have, in any unit.
        concentration: How near the other shares are thought to be: the ``k`` of the formula.

    Returns:
        The natural logarithm of the Bayes factor, a nonnegative martingale if the shares hold.

    Raises:
        ValueError: As `pearson`.
    """
    observed, expected = _cells(counts, shares)
    prior = concentration * expected
    factor = _log_beta(prior + observed) - _log_beta(prior) - float(observed @ np.log(expected))
    return float(factor)


class SampleRatio:
    """The sample ratio watched over time: its p-value holds at every look.

    Args:
        shares: How many units each arm is to have, in any unit.

    Attributes:
        p_value: The smallest so far.
    """

    def __init__(self, shares: Sequence[float]) -> None:
        self._shares = shares
        self.p_value = 1.0

    def look(self, counts: Sequence[int]) -> float:
        """Return the p-value, after looking at how many units each arm has by now."""
        factor = log_bayes_factor(counts, self._shares)
        self.p_value = min(self.p_value, math.exp(-max(0.0, factor)))
        return self.p_value


def running_p_values(counts: np.ndarray, shares: Sequence[float]) -> np.ndarray:
    """Return what `SampleRatio` says at each of many looks.

    Args:
        counts: A row for each arm, an item for each look.
        shares: How many units each arm is to have, in any unit.

    Raises:
        ValueError: As `pearson`.
    """
    observed, expected = _cells(counts, shares)
    prior = _CONCENTRATION * expected[:, np.newaxis]
    inner = special.gammaln(prior + observed).sum(axis=0) - special.gammaln((prior + observed).sum(axis=0))
    factors = inner - _log_beta(_CONCENTRATION * expected) - np.log(expected) @ observed
    smallest: np.ndarray = np.minimum.accumulate(np.exp(-np.maximum(0.0, factors)))
    return smallest


def moving_p_values(counts: np.ndarray, weights: np.ndarray, squares: np.ndarray) -> tuple[float, float]:
    """Test whether units went to arms in shares that moved, as a bandit's do.

    An arm's units, each weighed by 1 over the share that its arm had when it came, stand for all units, give or take
    what chance does to the estimate of Horvitz and Thompson. Where shares never move and there are two arms, the
    distance is that of Pearson's test. The arm that is furthest off counts, times the number of arms (Bonferroni).

    Args:
        counts: How many units each arm has: a row for each arm, an item for each look.
        weights: The sums of ``1 / p`` over them.
        squares: The sums of ``1 / p**2``.

    Returns:
        The p-value of the last look alone, and one that holds at every look: that of a normal mixture, as
        `sequential.p_value`. An arm is asked once it, and the others together, were to have `FEWEST_PER_MOVING_ARM`
        units.
    """
    total = counts.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        off = (weights - total) ** 2 / (total * (squares / weights - 1))
        expected = total * counts / weights
        is_asked = np.minimum(expected, total - expected) >= FEWEST_PER_MOVING_ARM
    furthest = np.where(is_asked, off, 0.0).max(axis=0)
    k = total * mixture_precision(_HORIZON, UNHEALTHY) + 1
    running = np.sqrt(k) * np.exp(-(k - 1) * furthest / (2 * k))
    fixed = float(stats.chi2.sf(furthest[-1], 1)) if len(furthest) else 1.0
    return min(1.0, len(counts) * fixed), min(1.0, len(counts) * float(running.min(initial=1.0)))


def _cells(counts: Sequence[int] | np.ndarray, shares: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """Return counts and shares, which sum to 1, of the arms that have a share."""
    observed, expected = np.asarray(counts, dtype=np.float64), np.asarray(shares, dtype=np.float64)
    if len(observed) != len(expected):
        raise ValueError(f"Cannot compare {len(observed)} counts with {len(expected)} shares: give one for each arm.")
    for name, values in (("counts", observed), ("shares", expected)):
        if not np.all(np.isfinite(values) & (values >= 0)):
            raise ValueError(f"Cannot test {name} of {values.tolist()!r}: give finite numbers from 0.")
    has_share = expected > 0
    return observed[has_share], expected[has_share] / expected.sum()


def _log_beta(parameters: np.ndarray) -> float:
    return float(special.gammaln(parameters).sum() - special.gammaln(parameters.sum()))
