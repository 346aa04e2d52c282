"""Weights of arms as half-open intervals between 0 and 1, and the one that holds a unit's bucket."""

import math
from bisect import bisect_right
from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate
from typing import Any

from spearmint.errors import ConfigError

_ADDS_FLOATS = frozenset({"growthbook", "growthbook1", "launchdarkly"})


def check_weights(weights: Sequence[Any]) -> None:
    """Refuse what cannot be the weights of arms.

    Raises:
        ConfigError: If one is negative or no finite number, or all are 0.
    """
    for weight in weights:
        if not isinstance(weight, int | float) or isinstance(weight, bool) or not 0 <= weight < math.inf:
            message = f"Cannot weigh an arm with {weight!r}: it is no share. Give numbers from 0, such as 90 and 10."
            raise ConfigError(message)
    if not any(weights):
        raise ConfigError(f"Cannot weigh arms with {list(weights)}: their sum is 0. Give one of them more than 0.")


def upper_ends(weights: Sequence[float], algorithm: str) -> tuple[float, ...]:
    """Return where the interval of each arm ends; it begins where the one before it ends, the first at 0.

    Args:
        weights: One for each arm, in any unit, not all 0.
        algorithm: Whose units these are. Those whose SDKs add shares as floats have the boundaries of their SDKs, which
            matters where a bucket is a round number; for all others a boundary is the float nearest to the true one.
    """
    if algorithm in _ADDS_FLOATS:
        total = sum(weights)
        return tuple(accumulate(weight / total for weight in weights))
    exact = [Fraction(str(weight)) for weight in weights]  # as it was written: 0.1 is a tenth
    whole = sum(exact)
    return tuple(float(end / whole) for end in accumulate(exact))


def arm_of(number: float, ends: Sequence[float]) -> int:
    """Return the position of the arm whose interval holds a bucket; beyond the last one it is the last with a share."""
    position = bisect_right(ends, number)
    if position < len(ends):
        return position
    return next(one for one in range(len(ends)) if ends[one] == ends[-1])
