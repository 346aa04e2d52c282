"""How good the best of several configs is, without the flattery of having won.

From I. Andrews, T. Kitagawa and A. McCloskey, "Inference on winners", Quarterly Journal of Economics 139, 2024,
https://doi.org/10.1093/qje/qjad043: the estimate and the interval are of the winner's score given that it won. The
hybrid of the paper is used, which is never much wider than an interval that holds for all configs at once.
"""

import math

import numpy as np
from scipy import optimize, stats

from spearmint.statistics.intervals import CONFIDENCE, Estimate, Values, is_pass_or_fail

_SEED = 20_240_229
_DRAWS = 20_000
_SHARE = 0.1  # of the error that the interval for all configs at once may have, as in the paper
_FEWEST = 2
_ROUNDINGS = 200
_EDGE = 1e-9


def winner(scores: Values, best: int | None = None) -> Estimate:
    """Return the mean of the config with the highest mean, corrected for its having been selected.

    Args:
        scores: One row per row of data and one column per config; higher is better, none is NaN.
        best: Number of the config with the highest mean; of several, which one was selected. None for the first.

    Returns:
        A median-unbiased estimate with its 95 % interval. The same scores give the same: the seed is fixed. The bounds
        are NaN from fewer than two rows.

    Raises:
        ValueError: If there is no config, a score is NaN, or ``best`` is not the best.
    """
    if scores.ndim != 2 or 0 in scores.shape or np.isnan(scores).any():  # noqa: PLR2004 - a table
        raise ValueError(f"Cannot tell the winner of scores of shape {scores.shape}: give rows x configs without NaN.")
    means = scores.mean(axis=0)
    chosen = int(means.argmax()) if best is None else best
    if means[chosen] < means.max():
        raise ValueError(f"Cannot take config {chosen} for the winner: its mean of {means[chosen]} is not the highest.")
    n, value = len(scores), float(means[chosen])
    if n < _FEWEST:
        return Estimate(n, value, math.nan, math.nan)
    covariance = np.atleast_2d(np.cov(scores, rowvar=False)) / n
    variance = float(covariance[chosen, chosen])
    if variance == 0:
        return Estimate(n, value, value, value)
    law = _WinnersLaw(means, covariance, chosen, 1 / n if is_pass_or_fail(scores) else 0.0)
    alpha = (1 - CONFIDENCE) * (1 - _SHARE) / (1 - (1 - CONFIDENCE) * _SHARE)
    return Estimate(n, law.quantile(0.5), law.quantile(1 - alpha / 2), law.quantile(alpha / 2))


class _WinnersLaw:
    """How the winner's mean is distributed given that it won, for each true mean: a normal distribution, cut off.

    Means of passes and failures are multiples of ``1/n``, of which several may be the highest. Each stands for all
    numbers that round to it: the law is averaged over draws of these.
    """

    def __init__(self, means: Values, covariance: Values, chosen: int, step: float) -> None:
        self._deviation = math.sqrt(float(covariance[chosen, chosen]))
        drawn = _spread(means, chosen, step)
        self._values = drawn[:, chosen]
        slope = covariance[:, chosen] / covariance[chosen, chosen]
        rest = drawn - slope * self._values[:, None]  # what the other means hold that is independent of the winner's
        falls_behind, keeps_up = slope < 1 - _EDGE, slope > 1 + _EDGE
        limits = rest / np.where(falls_behind | keeps_up, 1 - slope, 1.0)
        self._lows = limits[:, falls_behind].max(axis=1, initial=-np.inf)
        self._highs = limits[:, keeps_up].min(axis=1, initial=np.inf)
        self._value = float(means[chosen])
        self._reach = _simultaneous_reach(covariance, (1 - CONFIDENCE) * _SHARE) * self._deviation

    def quantile(self, level: float) -> float:
        """Return the true mean under which the winner's mean is below what it is with a probability of ``level``."""
        low, high = self._value - self._reach, self._value + self._reach
        if self._share_below(low) <= level:
            return low
        if self._share_below(high) >= level:
            return high
        return float(optimize.brentq(lambda mean: self._share_below(mean) - level, low, high))

    def _share_below(self, mean: float) -> float:
        """Return how likely the winner's mean is to be lower than it is, were its true mean this one; falls with it."""
        edges = np.maximum(self._lows, mean - self._reach), self._values, np.minimum(self._highs, mean + self._reach)
        low, value, high = ((one - mean) / self._deviation for one in edges)
        value = np.clip(value, low, high)
        is_above = low > 0  # In the upper tail, only differences of what lies beyond are exact.
        low, high = np.where(is_above, -high, low), np.where(is_above, -low, high)
        value = np.where(is_above, -value, value)
        log_low, log_value, log_high = (stats.norm.logcdf(one) for one in (low, value, high))
        with np.errstate(invalid="ignore", divide="ignore"):
            share = np.exp(log_value - log_high) * np.expm1(log_low - log_value) / np.expm1(log_low - log_high)
        share = np.where(high > low, share, 0.5)
        return float(np.where(is_above, 1 - share, share).mean())


def _spread(means: Values, chosen: int, step: float) -> Values:
    """Return draws of the numbers that round to the means, in which the one that was selected is the highest."""
    if step == 0:
        return means[None, :]
    noise = np.random.default_rng(_SEED).uniform(-step / 2, step / 2, (_ROUNDINGS, len(means)))
    tied = np.flatnonzero(means >= means[chosen])
    highest = tied[noise[:, tied].argmax(axis=1)]
    rows = np.arange(len(noise))
    noise[rows, highest], noise[rows, chosen] = noise[rows, chosen], noise[rows, highest].copy()
    return means + noise


def _simultaneous_reach(covariance: Values, alpha: float) -> float:
    """Return how many deviations the largest of all means' errors exceeds with a probability of ``alpha``."""
    deviation = np.sqrt(np.diag(covariance))
    varies = deviation > 0
    correlation = covariance[np.ix_(varies, varies)] / np.outer(deviation[varies], deviation[varies])
    values, vectors = np.linalg.eigh(correlation)
    draws = np.random.default_rng(_SEED).standard_normal((_DRAWS, len(values)))
    errors = np.abs(draws * np.sqrt(np.clip(values, 0, None)) @ vectors.T).max(axis=1)
    return float(np.quantile(errors, 1 - alpha))
