import numpy as np
import pytest
from scipy.stats import binom, binomtest

from spearmint.statistics.sign_test import is_won_or_lost, sign_test


@pytest.mark.parametrize(("won", "lost", "ties"), [(12, 3, 5), (0, 6, 0), (7, 7, 40), (0, 0, 9), (31, 12, 1)])
def test_sign_test_is_the_binomial_test_of_untied_pairs(won, lost, ties):
    n = won + lost + ties
    got = sign_test(won, lost, n)
    assert got.value == pytest.approx((won + ties / 2) / n - 0.5)
    assert got.p_value == pytest.approx(binomtest(won, won + lost, 0.5).pvalue if won + lost else 1.0)


def test_sign_test_keeps_its_error_by_enumeration():
    for differing in range(1, 40):
        p_values = np.array([sign_test(won, differing - won, 40).p_value for won in range(differing + 1)])
        chances = binom.pmf(range(differing + 1), differing, 0.5)
        assert chances[p_values <= 0.05].sum() <= 0.05


@pytest.mark.parametrize("level", [0.05, 0.01])
def test_sign_test_and_its_interval_reject_the_same(level):
    for won in range(31):
        got = sign_test(won, 30 - won, 50)
        low, high = got.interval(level)
        assert (low > 0 or high < 0) == (got.p_value <= level)
        assert -0.5 <= low <= got.value <= high <= 0.5


def test_sign_test_interval_covers_the_win_rate():
    rng = np.random.default_rng(16)
    draws = rng.multinomial(60, [0.45, 0.25, 0.3], size=400)
    bounds = np.array([sign_test(won, lost, 60).interval(0.05) for won, lost, _ in draws.tolist()])
    covered = ((bounds[:, 0] <= 0.1) & (bounds[:, 1] >= 0.1)).mean()
    assert 0.93 <= covered <= 0.99


def test_wins_ties_and_losses_are_told_from_other_scores():
    half = np.full(3, 0.5)
    assert is_won_or_lost(np.array([1, 0.5, 0]), half)
    assert not is_won_or_lost(np.array([1, 0.25, 0]), half)
    assert not is_won_or_lost(np.array([1, 0.5, 0]), np.array([0.5, 0.5, 0]))
