import math

import numpy as np
import pytest

from spearmint.statistics.harm import FEWEST_UNITS, harm_in_pairs, harm_of_arm
from spearmint.statistics.sequential import half_width, mixture_precision
from spearmint.statistics.unpaired import Moments, mean_gap, moments

ASKED = {"alpha": 0.05, "horizon": 2000.0}


def test_bound_is_the_difference_less_the_one_sided_half_width():
    rng = np.random.default_rng(1)
    ours, main = moments(rng.normal(1.2, 1, 400)), moments(rng.normal(1.0, 2, 600))
    harm = harm_of_arm(ours, main, lower=True, **ASKED)
    gap = mean_gap(ours, main)
    rho2 = mixture_precision(2000.0, 0.05, is_one_sided=True)
    assert harm.n == 1000
    assert harm.value == pytest.approx(gap.value, abs=1e-12)
    assert harm.bound == pytest.approx(
        gap.value - half_width(gap.error, 1000, rho2, 0.05, is_one_sided=True), abs=1e-12
    )
    other = harm_of_arm(ours, main, lower=False, **ASKED)
    assert other.value == -harm.value


@pytest.mark.parametrize("n", [0, 1, FEWEST_UNITS - 1])
def test_too_few_units_tell_nothing(n):
    few, many = moments(np.ones(n)), moments(np.zeros(5000))
    assert harm_of_arm(few, many, lower=True, is_share=True, **ASKED).bound == -math.inf
    assert harm_in_pairs(few, lower=True, is_share=True, **ASKED).bound == -math.inf


def test_an_arm_that_always_fails_is_told_without_variance():
    always, never = moments(np.ones(60)), moments(np.zeros(60))
    assert harm_of_arm(always, never, lower=True, is_share=True, **ASKED).bound > 0.5
    assert harm_in_pairs(always, lower=True, is_share=True, **ASKED).bound > 0.5
    assert harm_of_arm(always, never, lower=True, **ASKED).bound == -math.inf


def _moments_at(sums: np.ndarray, n: int) -> Moments:
    """Moments of 0s and 1s, of which so many are 1."""
    share = sums / n
    return Moments(n, share, share * (1 - share) * n / (n - 1))


@pytest.mark.parametrize("rate", [0.002, 0.02, 0.3])
def test_equal_failure_rates_are_seldom_told_as_harm_at_any_look(rate):
    rng = np.random.default_rng(20)
    worlds, looks, step = 400, 60, 100
    counts = rng.binomial(step, rate, size=(2, worlds, looks)).cumsum(axis=2)
    alarms = 0
    for world in range(worlds):
        for look in range(looks):
            ours, main = (_moments_at(counts[arm, world, look], (look + 1) * step) for arm in (0, 1))
            if harm_of_arm(ours, main, lower=True, is_share=True, alpha=0.05, horizon=5000.0).bound > 0:
                alarms += 1
                break
    assert alarms / worlds <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / worlds)


def test_equal_durations_with_long_tails_are_seldom_told_as_harm():
    rng = np.random.default_rng(21)
    worlds, most = 400, 4000
    looks = np.unique(np.geomspace(FEWEST_UNITS, most, 40).astype(int))
    alarms = 0
    for _ in range(worlds):
        arms = rng.lognormal(0, 1, size=(2, most))
        sums, squares = arms.cumsum(axis=1), (arms**2).cumsum(axis=1)
        for n in looks:
            both = [
                Moments(int(n), sum_ / n, (square - sum_**2 / n) / (n - 1))
                for sum_, square in zip(sums[:, n - 1], squares[:, n - 1], strict=True)
            ]
            if harm_of_arm(both[0], both[1], lower=True, alpha=0.05, horizon=5000.0).bound > 0:
                alarms += 1
                break
    assert alarms / worlds <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / worlds)
