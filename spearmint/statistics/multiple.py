"""Several comparisons at once: p-values adjusted so that any false alarm stays as rare as for one comparison."""

import math
from collections.abc import Sequence


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values by Holm's step-down method.

    From S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6,
    1979, https://www.jstor.org/stable/4615733. It bounds the family-wise error rate under any dependence.

    Args:
        p_values: One per comparison; NaN where there was none to make.

    Returns:
        The adjusted ones, in the same order.

    >>> holm([0.25, 0.01, 0.03])
    [0.25, 0.03, 0.06]
    """
    made = sorted((p, position) for position, p in enumerate(p_values) if not math.isnan(p))
    adjusted = [math.nan] * len(p_values)
    highest = 0.0
    for rank, (p_value, position) in enumerate(made):
        highest = max(highest, min(1.0, (len(made) - rank) * p_value))
        adjusted[position] = highest
    return adjusted


def adjusted_levels(p_values: Sequence[float], adjusted: Sequence[float], level: float) -> list[float]:
    """Return the level at which each comparison alone is decided as its adjusted p-value decides it.

    An interval that inverts the test at ``level * p / p_adjusted`` excludes 0 exactly where ``p_adjusted <= level``.

    Args:
        p_values: One per comparison; NaN where there was none to make.
        adjusted: The same, adjusted by `holm`.
        level: The family-wise error rate.

    Returns:
        One level per comparison, at most ``level``; ``level`` itself where there was no comparison.
    """
    pairs = zip(p_values, adjusted, strict=True)
    # A p-value that underflows to 0 is adjusted to 0: only the number of comparisons bounds its factor.
    return [level * p / q if q > 0 else level / len(p_values) if q == 0 else level for p, q in pairs]
