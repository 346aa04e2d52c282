"""How much data a question takes: the smallest difference that can be seen, and the units that one needs.

From J. Cohen, "Statistical power analysis for the behavioral sciences", 1988; the sequential figures invert the
interval of `spearmint.statistics.sequential` for estimates that are as high as the power allows.
"""

import math

from scipy import optimize, stats

from spearmint.statistics.sequential import ALPHA, half_width, mixture_precision

POWER = 0.8
_FEWEST = 2
_MOST = 1e12  # units beyond which a difference is called invisible


def visible_difference(deviation: float, n: int, *, alpha: float = ALPHA, power: float = POWER) -> float:
    """Return the smallest mean of paired differences that a two-sided t test finds with a probability.

    Args:
        deviation: Standard deviation of the differences between rows, in the score's unit.
        n: How many rows.
        alpha: How likely a difference may be told where there is none.
        power: How likely the difference is to be found.

    Returns:
        The difference, in the score's unit; infinite from fewer than two rows.

    Raises:
        ValueError: If ``alpha`` or ``power`` is no probability, or power is not above alpha.
    """
    _check(alpha, power)
    if n < _FEWEST:
        return math.inf
    critical = float(stats.t.isf(alpha / 2, n - 1))

    def found(shift: float) -> float:
        both = stats.nct.sf(critical, n - 1, shift), stats.nct.cdf(-critical, n - 1, shift)
        return float(both[0]) + max(0.0, float(both[1])) - power

    shift = optimize.brentq(found, 0.0, critical + 40.0)
    return float(shift) * deviation / math.sqrt(n)


def units_to_see(
    lift: float, deviation: float, *, share: float = 0.5, alpha: float = ALPHA, power: float = POWER
) -> float:
    """Return how many units two arms need together, looking once, for a difference of their means to be found.

    Args:
        lift: The difference, in the metric's unit; not 0.
        deviation: Standard deviation of the metric between units, in each arm.
        share: The share of the units that are in the one arm.
        alpha: How likely a difference may be told where there is none.
        power: How likely the difference is to be found.

    Returns:
        The number of units, not rounded; infinite beyond 10^12.

    Raises:
        ValueError: If an argument is out of range.
    """
    _check(alpha, power)
    spread = _spread(lift, deviation, share)
    reach = float(stats.norm.isf(alpha / 2) + stats.norm.isf(1 - power))
    n = (reach * spread / lift) ** 2
    return n if n <= _MOST else math.inf


def units_to_see_anytime(
    lift: float,
    deviation: float,
    *,
    horizon: float,
    share: float = 0.5,
    alpha: float = ALPHA,
    power: float = POWER,
) -> float:
    """Return how many units two arms need together for a confidence sequence to find a difference of their means.

    Args:
        lift: The difference, in the metric's unit; not 0.
        deviation: Standard deviation of the metric between units, in each arm.
        horizon: The horizon of the sequence, in units of both arms together.
        share: The share of the units that are in the one arm.
        alpha: How likely a difference may ever be told where there is none.
        power: How likely the difference is to be found by then, looking at that number of units: who looks more
            often finds it earlier.

    Returns:
        The number of units, not rounded; infinite beyond 10^12.

    Raises:
        ValueError: If an argument is out of range.
    """
    _check(alpha, power)
    spread = _spread(lift, deviation, share)
    rho2 = mixture_precision(horizon, alpha)
    quantile = float(stats.norm.isf(1 - power))

    def missing(log_n: float) -> float:
        n = math.exp(log_n)
        error = spread / math.sqrt(n)
        return half_width(error, n, rho2, alpha) + quantile * error - abs(lift)

    if missing(math.log(_MOST)) > 0:
        return math.inf
    return math.exp(optimize.brentq(missing, math.log(_FEWEST), math.log(_MOST))) if missing(math.log(2)) > 0 else 2.0


def _check(alpha: float, power: float) -> None:
    if not 0 < alpha < power < 1:
        raise ValueError(f"Cannot plan for alpha {alpha!r} and power {power!r}: give 0 < alpha < power < 1.")


def _spread(lift: float, deviation: float, share: float) -> float:
    """Return the standard error of the difference of means from one unit, times the root of the number of units."""
    if lift == 0 or not math.isfinite(lift):
        raise ValueError(f"Cannot plan to see a difference of {lift!r}: give one that is finite, and not 0.")
    if not 0 <= deviation < math.inf:
        raise ValueError(f"Cannot plan with a deviation of {deviation!r}: give one from 0.")
    if not 0 < share < 1:
        raise ValueError(f"Cannot plan for an arm's share of {share!r}: give one between 0 and 1.")
    return deviation / math.sqrt(share * (1 - share))
