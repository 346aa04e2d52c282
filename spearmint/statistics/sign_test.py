"""The exact sign test of wins, losses and ties."""

import numpy as np

from spearmint.statistics.intervals import Values
from spearmint.statistics.paired import Bounds, PairedTest, exact_mcnemar

TIE = 0.5
"""What a tie scores: half a win."""


def is_won_or_lost(ours: Values, main: Values) -> bool:
    """Tell whether values are wins, ties and losses, scored 1, 0.5 and 0, against 0.5 throughout."""
    return bool((main == TIE).all() and np.isin(ours, (0, TIE, 1)).all())


def sign_test(won: int, lost: int, n: int) -> PairedTest:
    """Test a win rate against one half, ties counted as half a win.

    From W. J. Dixon and A. M. Mood, "The statistical sign test", Journal of the American Statistical Association 41,
    1946, https://doi.org/10.1080/01621459.1946.10501898. Wins less losses are the difference of two shares measured on
    the same rows, so that the interval is half of that of McNemar's test.

    Args:
        won: Pairs won.
        lost: Pairs lost.
        n: All pairs, ties included, at least one.
    """
    doubled = exact_mcnemar(won, lost, n)

    def interval(level: float) -> Bounds:
        low, high = doubled.interval(level)
        return low / 2, high / 2

    return PairedTest(n, doubled.value / 2, doubled.p_value, "exact sign test", interval)
