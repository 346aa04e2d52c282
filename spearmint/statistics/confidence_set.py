"""The configs among which the best one is, with a probability: the model confidence set.

From P. R. Hansen, A. Lunde and J. M. Nason, "The model confidence set", Econometrica 79, 2011,
https://doi.org/10.3982/ECTA5771: the worst config leaves while a test of equal means rejects. The test is of the
largest standardized distance from the mean of those that are left, its distribution from resampled rows.
"""

from dataclasses import dataclass

import numpy as np

from spearmint.statistics.intervals import Values

_SEED = 20_240_229
_RESAMPLES = 2000
_MOST_AT_ONCE = 2_000_000  # numbers that stand in memory at a time


@dataclass(frozen=True, slots=True)
class ConfidenceSet:
    """The configs that may be the best.

    Attributes:
        p_values: For each config how likely it is to look as bad if it is one of the best: it is in the set at a level
            of 0.05 if this is above.
        alpha: How likely the set is to miss the best config.
    """

    p_values: tuple[float, ...]
    alpha: float

    @property
    def members(self) -> tuple[int, ...]:
        """Numbers of the configs in the set, which is never empty."""
        return tuple(number for number, p in enumerate(self.p_values) if p > self.alpha)


def confidence_set(scores: Values, alpha: float = 0.05) -> ConfidenceSet:
    """Return the configs among which the best one is, with a probability of 1 - alpha.

    Args:
        scores: One row per row of data and one column per config; higher is better, none is NaN.
        alpha: How likely the set is to miss the best config, between 0 and 1.

    Returns:
        The set. The same scores give the same set: the seed is fixed.

    Raises:
        ValueError: If there is no config, there are fewer than two rows, a score is NaN, or alpha is out of range.
    """
    if scores.ndim != 2 or scores.shape[1] == 0 or len(scores) < 2:  # noqa: PLR2004 - a table; rows that vary
        raise ValueError(f"Cannot tell the best of scores of shape {scores.shape}: give two rows or more, and configs.")
    if np.isnan(scores).any():
        raise ValueError("Cannot tell the best of scores that are NaN: give the rows that all configs have a score of.")
    if not 0 < alpha < 1:
        raise ValueError(f"Cannot hold an error of {alpha!r}: give a number between 0 and 1, such as 0.05.")
    means = scores.mean(axis=0)
    resampled = _resampled_means(scores)
    left = list(range(scores.shape[1]))
    p_values = [1.0] * len(left)
    highest = 0.0
    while len(left) > 1:
        distance = means[left].mean() - means[left]  # how far each is below the mean of those left
        moved = resampled[:, left].mean(axis=1, keepdims=True) - resampled[:, left] - distance
        error = np.sqrt((moved**2).mean(axis=0))
        varies = error > 0
        if not varies.any() and not distance.any():
            break  # They are equal on every row.
        # One that is below the mean by the same on every row is worse beyond doubt.
        standard = np.divide(distance, error, out=np.where(distance > 0, np.inf, -np.inf), where=varies)
        worst = int(standard.argmax())
        spread = np.divide(moved, error, out=np.full_like(moved, -np.inf), where=varies).max(axis=1)
        highest = max(highest, float((spread >= standard[worst]).mean()))
        p_values[left.pop(worst)] = highest
    return ConfidenceSet(tuple(p_values), alpha)


def _resampled_means(scores: Values) -> Values:
    """Return the means of each config on resampled rows, one resample per row."""
    rng = np.random.default_rng(_SEED)
    n = len(scores)
    at_once = max(1, _MOST_AT_ONCE // n)
    parts = []
    for first in range(0, _RESAMPLES, at_once):
        counts = rng.multinomial(n, np.full(n, 1 / n), size=min(at_once, _RESAMPLES - first))
        parts.append(counts @ scores / n)
    return np.concatenate(parts)
