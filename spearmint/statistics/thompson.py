"""Thompson sampling: how often each arm is the best one, as far as its units tell.

From W. R. Thompson, "On the likelihood that one unknown probability exceeds another in view of the evidence of two
samples", Biometrika 25, 1933, https://doi.org/10.1093/biomet/25.3-4.285; with an additive floor, so that every arm goes
on being measured and no propensity is near 0.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spearmint.statistics.unpaired import Moments

DRAWS = 10_000


def share_of_first_places(
    arms: Sequence[Moments], rng: np.random.Generator, *, lower: bool = False, are_shares: bool = False
) -> NDArray[np.float64]:
    """Return how likely each arm is the best one.

    Args:
        arms: Moments of the units of each arm, two at least.
        rng: What is drawn with.
        lower: Whether less is better.
        are_shares: Whether the values are 0 or 1, so that an arm's mean is drawn from ``Beta(1 + s, 1 + f)``; else it
            is drawn from ``N(mean, variance / n)``.

    Returns:
        One share for each arm; they add up to 1.
    """
    counts = np.array([arm.n for arm in arms], dtype=np.float64)
    means = np.array([arm.mean for arm in arms])
    if are_shares:
        won = means * counts
        draws = rng.beta(1 + won, 1 + counts - won, size=(DRAWS, len(arms)))
    else:
        errors = np.sqrt(np.array([arm.variance for arm in arms]) / counts)
        draws = rng.normal(means, errors, size=(DRAWS, len(arms)))
    best = np.argmin(draws, axis=1) if lower else np.argmax(draws, axis=1)
    return np.bincount(best, minlength=len(arms)) / DRAWS


def with_floor(shares: NDArray[np.float64], floor: float) -> NDArray[np.float64]:
    """Return weights of which none is below a floor: ``floor + (1 - n floor) share``; all equal where ``n floor >= 1``.

    Args:
        shares: One for each arm; they add up to 1.
        floor: What each arm keeps.

    >>> [round(float(weight), 2) for weight in with_floor(np.array([1.0, 0.0]), 0.05)]
    [0.95, 0.05]
    """
    n = len(shares)
    if n * floor >= 1:
        return np.full(n, 1 / n)
    return floor + (1 - n * floor) * shares
