"""Intervals and p-values that hold at every look, however often one looks and whenever one stops.

From I. Waudby-Smith et al., "Time-uniform central limit theory and asymptotic confidence sequences", Annals of
Statistics 52, 2024, https://arxiv.org/abs/2103.06476: Robbins' normal mixture with an estimated variance. It is
asymptotic: valid from some dozens of units per arm on.
"""

import math
from dataclasses import dataclass

from spearmint.statistics.intervals import CONFIDENCE

ALPHA = 1 - CONFIDENCE


def mixture_precision(horizon: float, alpha: float = ALPHA, *, is_one_sided: bool = False) -> float:
    """Return the ``rho**2`` with which the interval is narrowest at a number of units.

    Args:
        horizon: How many units, of all arms together, the verdict is expected at; above 0.
        alpha: How likely the interval may ever miss the truth, between 0 and 1.
        is_one_sided: Whether only one bound is asked for.

    Returns:
        The precision, per unit.

    Raises:
        ValueError: If an argument is out of range.

    >>> round(1 / mixture_precision(100), 5)
    12.60056
    """
    if not 0 < horizon < math.inf:
        raise ValueError(f"Cannot plan for a horizon of {horizon!r} units: give a number above 0.")
    log = -2 * math.log(_one_sided(alpha) if is_one_sided else _checked(alpha))
    return (log + math.log1p(log)) / horizon


def half_width(error: float, n: float, rho2: float, alpha: float = ALPHA, *, is_one_sided: bool = False) -> float:
    """Return half the width of the interval around an estimate.

    Args:
        error: Standard error of the estimate.
        n: How many units it is made of, all arms together.
        rho2: From `mixture_precision`.
        alpha: How likely the interval may ever miss the truth.
        is_one_sided: Whether only one bound is asked for.

    Returns:
        The half width, in the estimate's unit; infinite without units.
    """
    if n == 0:
        return math.inf
    k = n * rho2 + 1
    log = math.log1p(math.sqrt(k) / (2 * alpha)) if is_one_sided else math.log(math.sqrt(k) / alpha)
    return error * math.sqrt(n) * math.sqrt(2 * k * log) / (n * math.sqrt(rho2))


def p_value(z: float, n: int, rho2: float) -> float:
    """Return the p-value of no difference at one look; its minimum over all looks so far is a p-value too.

    Args:
        z: The estimate over its standard error.
        n: How many units it is made of.
        rho2: From `mixture_precision`.

    Returns:
        From 0 to 1. It is at most alpha just where the interval of that alpha excludes 0.
    """
    k = n * rho2 + 1
    return min(1.0, math.sqrt(k) * math.exp(-rho2 * n * z * z / (2 * k)))


@dataclass(frozen=True, slots=True)
class Look:
    """What is known of a difference at one look.

    Attributes:
        n: How many units, all arms together.
        estimate: The difference.
        error: Its standard error.
        low: Lower bound of the interval, intersected with those of all looks before.
        high: Upper bound.
        p_value: The smallest so far.
    """

    n: int
    estimate: float
    error: float
    low: float
    high: float
    p_value: float

    @property
    def has_drifted(self) -> bool:
        """Whether the looks contradict each other, so that there is no one difference which they estimate."""
        return self.low > self.high


class ConfidenceSequence:
    """Intervals of a difference over looks, each holding the truth together with all others.

    Args:
        horizon: How many units, of all arms together, the verdict is expected at.
        alpha: How likely any of the intervals misses the truth.

    Attributes:
        looks: The looks so far.

    >>> sequence = ConfidenceSequence(horizon=5000)
    >>> look = sequence.add(2000, estimate=0.05, error=0.01)
    >>> f"{look.low:.3f} to {look.high:.3f}, p = {look.p_value:.4f}"
    '0.019 to 0.081, p = 0.0002'
    """

    def __init__(self, *, horizon: float, alpha: float = ALPHA) -> None:
        self._alpha = alpha
        self._rho2 = mixture_precision(horizon, alpha)
        self.looks: list[Look] = []

    def add(self, n: int, *, estimate: float, error: float) -> Look:
        """Add a look.

        Args:
            n: How many units there are now; at least as many as at the look before.
            estimate: The difference as it is now.
            error: Its standard error; NaN or 0 where it cannot be told yet, which narrows nothing.

        Returns:
            The look, with bounds and p-value that hold together with all before.

        Raises:
            ValueError: If units have gone since the last look.
        """
        low, high, p = -math.inf, math.inf, 1.0
        if self.looks:
            last = self.looks[-1]
            low, high, p = last.low, last.high, last.p_value
            if n < last.n:
                raise ValueError(f"Cannot look at {n} units after {last.n}: looks add units, and take none away.")
        if error > 0 and math.isfinite(error) and math.isfinite(estimate):
            half = half_width(error, n, self._rho2, self._alpha)
            low, high = max(low, estimate - half), min(high, estimate + half)
            p = min(p, p_value(estimate / error, n, self._rho2))
        look = Look(n, estimate, error, low, high, p)
        self.looks.append(look)
        return look


def _checked(alpha: float) -> float:
    if not 0 < alpha < 1:
        raise ValueError(f"Cannot hold an error of {alpha!r}: give a number between 0 and 1, such as 0.05.")
    return alpha


def _one_sided(alpha: float) -> float:
    """Return what stands for alpha where one bound is asked for."""
    if not 0 < alpha < 0.5:  # noqa: PLR2004 - twice as much is an error too
        raise ValueError(f"Cannot hold a one-sided error of {alpha!r}: give a number between 0 and 0.5.")
    return 2 * alpha
