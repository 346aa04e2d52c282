import math

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import trapezoid

from spearmint.statistics.thompson import share_of_first_places, with_floor
from spearmint.statistics.unpaired import Moments


def test_shares_of_two_normals_are_those_of_their_difference():
    arms = [Moments(200, 1.0, 4.0), Moments(300, 1.1, 9.0)]
    error = math.sqrt(4.0 / 200 + 9.0 / 300)
    expected = stats.norm.cdf(0.1 / error)
    shares = share_of_first_places(arms, np.random.default_rng(1))
    assert shares == pytest.approx([1 - expected, expected], abs=0.015)
    lower = share_of_first_places(arms, np.random.default_rng(1), lower=True)
    assert lower == pytest.approx([expected, 1 - expected], abs=0.015)


def test_shares_of_rates_are_those_of_their_posteriors():
    won, lost = (12, 20), (88, 80)
    arms = [Moments(100, w / 100, w / 100 * (1 - w / 100) * 100 / 99) for w in won]
    grid = np.linspace(0, 1, 20_001)
    first, second = (stats.beta(1 + w, 1 + f) for w, f in zip(won, lost, strict=True))
    expected = trapezoid(first.pdf(grid) * second.cdf(grid), grid)
    shares = share_of_first_places(arms, np.random.default_rng(2), are_shares=True)
    assert shares == pytest.approx([expected, 1 - expected], abs=0.015)


@pytest.mark.parametrize(
    ("shares", "floor", "expected"),
    [
        ([1.0, 0.0], 0.05, [0.95, 0.05]),
        ([0.5, 0.3, 0.2], 0.1, [0.45, 0.31, 0.24]),
        ([1.0, 0.0], 0.5, [0.5, 0.5]),
        ([1.0, 0.0, 0.0], 0.4, [1 / 3, 1 / 3, 1 / 3]),
    ],
)
def test_floor_is_added_to_every_arm(shares, floor, expected):
    weights = with_floor(np.array(shares), floor)
    assert weights == pytest.approx(expected)
    assert weights.sum() == pytest.approx(1)


@pytest.mark.slow
def test_bandit_regrets_less_than_equal_shares_in_most_worlds():
    """Three arms, of which one is better; weights are made anew after every 1,000 units, 10,000 in all."""
    worlds, rates, batch, batches = 100, np.array([0.10, 0.10, 0.14]), 1000, 10
    losses = rates.max() - rates
    wins = 0
    for world in range(worlds):
        rng = np.random.default_rng(world)
        counts, won, regret = np.zeros(3), np.zeros(3), 0.0
        weights = np.full(3, 1 / 3)
        for _ in range(batches):
            units = rng.multinomial(batch, weights)
            counts += units
            won += rng.binomial(units, rates)
            regret += float(units @ losses)
            if counts.min() >= 100:
                means = won / counts
                arms = [Moments(int(n), m, m * (1 - m)) for n, m in zip(counts, means, strict=True)]
                weights = with_floor(share_of_first_places(arms, rng, are_shares=True), 0.05)
        equal = float(rng.multinomial(batch * batches, np.full(3, 1 / 3)) @ losses)
        wins += regret < equal
    assert wins >= 95
