import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from spearmint.statistics.intervals import LARGE, estimate, is_pass_or_fail, wilson

SIMULATIONS = 500


@pytest.mark.parametrize(("successes", "n"), [(0, 1), (0, 20), (3, 10), (20, 20), (137, 1000)])
def test_wilson_equals_statsmodels(successes, n):
    got = wilson(successes, n)
    assert (got.low, got.high) == pytest.approx(proportion_confint(successes, n, method="wilson"), abs=1e-12)
    assert (got.n, got.value) == (n, successes / n)


def test_wilson_of_no_trials_is_nan():
    got = wilson(0, 0)
    assert got.n == 0
    assert all(map(math.isnan, (got.value, got.low, got.high)))


def test_wilson_refuses_more_successes_than_trials():
    with pytest.raises(ValueError, match="Cannot tell the share of 3 successes in 2 trials"):
        wilson(3, 2)


@pytest.mark.parametrize("share", [0.1, 0.35, 0.8])
def test_wilson_covers_the_share_95_times_in_100(share):
    n = 80
    chances = stats.binom.pmf(range(n + 1), n, share)
    covered = [got.low <= share <= got.high for got in (wilson(k, n) for k in range(n + 1))]
    assert 0.93 <= sum(chances[covered]) <= 0.97


def test_estimate_of_pass_and_fail_is_wilsons():
    assert estimate([1, 0, 1, 1]) == wilson(3, 4)
    assert estimate([True, True]) == wilson(2, 2)


def test_estimate_equals_scipys_bca_within_noise():
    values = np.random.default_rng(1).exponential(size=200)
    got = estimate(values)
    slow = stats.bootstrap((values,), np.mean, n_resamples=40_000, method="BCa", rng=np.random.default_rng(7))
    assert got.value == pytest.approx(values.mean())
    width = slow.confidence_interval.high - slow.confidence_interval.low
    assert got.low == pytest.approx(slow.confidence_interval.low, abs=0.04 * width)
    assert got.high == pytest.approx(slow.confidence_interval.high, abs=0.04 * width)


def test_estimate_equals_the_textbook_bca_formula():
    values = np.random.default_rng(2).gamma(2.0, size=150)
    n, mean = len(values), values.mean()
    means = np.random.default_rng(3).choice(values, (40_000, n)).mean(axis=1)
    bias = stats.norm.ppf((means < mean).mean())
    deviations = mean - np.delete(np.tile(values, (n, 1)), np.arange(n) * (n + 1)).reshape(n, n - 1).mean(axis=1)
    acceleration = (deviations**3).sum() / (6 * (deviations**2).sum() ** 1.5)
    shares = [
        stats.norm.cdf(bias + (bias + z) / (1 - acceleration * (bias + z))) for z in stats.norm.ppf([0.025, 0.975])
    ]
    low, high = np.quantile(means, shares)
    got = estimate(values)
    assert (got.low, got.high) == pytest.approx((low, high), abs=0.04 * (high - low))


@pytest.mark.slow
@pytest.mark.parametrize("draw", ["normal", "uniform", "gamma"])
def test_estimate_covers_the_mean_95_times_in_100(draw):
    rng = np.random.default_rng(4)
    n = 100
    samples, mean = {
        "normal": (rng.normal(0.3, 1, (SIMULATIONS, n)), 0.3),
        "uniform": (rng.uniform(size=(SIMULATIONS, n)), 0.5),
        "gamma": (rng.gamma(4.0, size=(SIMULATIONS, n)), 4.0),
    }[draw]
    covered = sum(got.low <= mean <= got.high for got in map(estimate, samples))
    assert 0.92 <= covered / SIMULATIONS <= 0.98


def test_estimate_is_deterministic():
    values = np.random.default_rng(5).normal(size=50)
    assert estimate(values) == estimate(list(values))


def test_estimate_of_one_value_has_no_interval():
    got = estimate([0.5])
    assert (got.n, got.value) == (1, 0.5)
    assert math.isnan(got.low)
    assert math.isnan(got.high)


def test_estimate_of_no_values_is_nan():
    assert math.isnan(estimate([]).value)


def test_estimate_of_equal_values_is_that_value():
    got = estimate([2.5] * 30)
    assert (got.low, got.value, got.high) == (2.5, 2.5, 2.5)


def test_estimate_changes_little_where_t_replaces_resampling():
    values = np.random.default_rng(6).exponential(size=LARGE + 1)
    many, few = estimate(values), estimate(values[:LARGE])
    width = many.high - many.low
    assert many.low == pytest.approx(few.low, abs=0.1 * width)
    assert many.high == pytest.approx(few.high, abs=0.1 * width)


def test_numbers_pass_or_fail_when_all_are_zero_or_one():
    assert is_pass_or_fail(np.array([0.0, 1.0]))
    assert not is_pass_or_fail(np.array([0.0, 0.5]))
