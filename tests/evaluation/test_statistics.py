import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from spearmint.statistics.intervals import (
    FEWEST_ROWS,
    LARGE,
    Difference,
    difference,
    estimate,
    holm,
    is_pass_or_fail,
    tango,
    wilson,
)

SIMULATIONS = 1000
Z = stats.norm.ppf(0.975)


# Shares


@pytest.mark.parametrize(("successes", "n"), [(0, 1), (0, 20), (3, 10), (20, 20), (137, 1000)])
def test_wilson_is_the_interval_that_statsmodels_computes(successes, n):
    got = wilson(successes, n)
    assert (got.low, got.high) == pytest.approx(proportion_confint(successes, n, method="wilson"), abs=1e-12)
    assert (got.n, got.value) == (n, successes / n)


def test_wilson_of_no_trials_knows_nothing():
    got = wilson(0, 0)
    assert got.n == 0
    assert all(map(math.isnan, (got.value, got.low, got.high)))


def test_more_successes_than_trials_are_refused():
    with pytest.raises(ValueError, match="Cannot tell the share of 3 successes in 2 trials"):
        wilson(3, 2)


@pytest.mark.parametrize("share", [0.1, 0.35, 0.8])
def test_the_interval_of_a_share_covers_it_about_95_times_in_100(share):
    n = 80
    chances = stats.binom.pmf(range(n + 1), n, share)
    covered = [got.low <= share <= got.high for got in (wilson(k, n) for k in range(n + 1))]
    assert 0.93 <= sum(chances[covered]) <= 0.97


# Means


def test_numbers_that_only_pass_or_fail_get_the_interval_of_a_share():
    assert estimate([1, 0, 1, 1]) == wilson(3, 4)
    assert estimate([True, True]) == wilson(2, 2)


def test_the_interval_of_a_mean_is_scipys_bca_within_the_noise_of_resampling():
    values = np.random.default_rng(1).exponential(size=200)
    got = estimate(values)
    slow = stats.bootstrap((values,), np.mean, n_resamples=40_000, method="BCa", rng=np.random.default_rng(7))
    assert got.value == pytest.approx(values.mean())
    width = slow.confidence_interval.high - slow.confidence_interval.low
    assert got.low == pytest.approx(slow.confidence_interval.low, abs=0.04 * width)
    assert got.high == pytest.approx(slow.confidence_interval.high, abs=0.04 * width)


def test_the_interval_of_a_mean_is_the_one_computed_by_the_textbooks_formula():
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


@pytest.mark.parametrize("draw", ["normal", "uniform", "gamma"])
def test_the_interval_of_a_mean_covers_it_about_95_times_in_100(draw):
    rng = np.random.default_rng(4)
    n = 100
    samples, mean = {
        "normal": (rng.normal(0.3, 1, (SIMULATIONS, n)), 0.3),
        "uniform": (rng.uniform(size=(SIMULATIONS, n)), 0.5),
        "gamma": (rng.gamma(4.0, size=(SIMULATIONS, n)), 4.0),
    }[draw]
    covered = sum(got.low <= mean <= got.high for got in map(estimate, samples))
    assert 0.93 <= covered / SIMULATIONS <= 0.97


def test_the_same_values_always_give_the_same_interval():
    values = np.random.default_rng(5).normal(size=50)
    assert estimate(values) == estimate(list(values))


def test_one_value_has_a_mean_and_no_interval():
    got = estimate([0.5])
    assert (got.n, got.value) == (1, 0.5)
    assert math.isnan(got.low)
    assert math.isnan(got.high)


def test_no_values_have_no_mean():
    assert math.isnan(estimate([]).value)


def test_values_that_do_not_vary_have_an_interval_of_that_value():
    got = estimate([2.5] * 30)
    assert (got.low, got.value, got.high) == (2.5, 2.5, 2.5)


def test_the_interval_changes_little_where_resampling_gives_way_to_the_t_distribution():
    values = np.random.default_rng(6).exponential(size=LARGE + 1)
    many, few = estimate(values), estimate(values[:LARGE])
    width = many.high - many.low
    assert many.low == pytest.approx(few.low, abs=0.1 * width)
    assert many.high == pytest.approx(few.high, abs=0.1 * width)


# Differences of shares


def brute_force_tango(gained, lost, n):
    """Invert the score test with the likelihood maximised numerically instead of by formula."""

    def score(delta):
        def loss(share):
            up, down = share + delta, share
            rest = 1 - up - down
            return -(gained * np.log(up) + lost * np.log(down) + (n - gained - lost) * np.log(rest))

        bounds = (max(0, -delta) + 1e-12, (1 - delta) / 2 - 1e-12)
        share = optimize.minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-12}).x
        return (gained - lost - n * delta) / math.sqrt(n * (2 * share + delta * (1 - delta)))

    middle = (gained - lost) / n
    low = optimize.brentq(lambda delta: score(delta) - Z, -0.99, middle)
    return low, optimize.brentq(lambda delta: score(delta) + Z, middle, 0.99)


@pytest.mark.parametrize(("gained", "lost", "n"), [(5, 2, 40), (1, 9, 30), (12, 12, 60), (3, 1, 200)])
def test_the_interval_of_paired_shares_is_that_of_the_score_test(gained, lost, n):
    assert tango(gained, lost, n) == pytest.approx(brute_force_tango(gained, lost, n), abs=1e-5)


def test_rows_that_never_differ_bound_the_difference_by_their_number():
    low, high = tango(0, 0, 100)
    bound = Z**2 / (100 + Z**2)
    assert (low, high) == pytest.approx((-bound, bound))


def test_rows_that_all_differ_the_same_way_leave_the_highest_difference_possible():
    low, high = tango(20, 0, 20)
    assert high == 1.0
    assert 0.5 < low < 1


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 60))
def test_the_interval_of_paired_shares_holds_the_difference_and_mirrors(gained, lost, same):
    n = gained + lost + same
    if n == 0:
        return
    low, high = tango(gained, lost, n)
    assert -1 <= low <= (gained - lost) / n + 1e-9
    assert (gained - lost) / n - 1e-9 <= high <= 1
    assert tango(lost, gained, n) == pytest.approx((-high, -low), abs=1e-7)


@pytest.mark.parametrize(("up", "down"), [(0.1, 0.1), (0.25, 0.1), (0.05, 0.3)])
def test_the_interval_of_paired_shares_covers_the_difference_about_95_times_in_100(up, down):
    rng = np.random.default_rng(8)
    n = 80
    draws = rng.multinomial(n, [up, down, 1 - up - down], size=SIMULATIONS)
    intervals = [tango(int(gained), int(lost), n) for gained, lost, _ in draws]
    covered = sum(low <= up - down <= high for low, high in intervals)
    assert 0.93 <= covered / SIMULATIONS <= 0.97


def test_pass_and_fail_are_compared_by_mcnemars_exact_test():
    main = [1] * 30 + [0] * 30
    ours = [1] * 27 + [0] * 3 + [1] * 12 + [0] * 18
    got = difference(ours, main)
    expected = mcnemar([[27, 12], [3, 18]], exact=True)
    assert got.p_value == pytest.approx(expected.pvalue)
    assert got.test == "exact McNemar"
    assert (got.n, got.value) == (60, pytest.approx(9 / 60))
    assert (got.low, got.high) == tango(12, 3, 60)


def test_equal_configs_have_a_p_value_of_one():
    got = difference([1, 0] * 20, [1, 0] * 20)
    assert (got.value, got.p_value, got.verdict) == (0, 1, "no clear difference")
    scores = np.random.default_rng(9).normal(size=40)
    got = difference(scores, scores)
    assert (got.value, got.low, got.high, got.p_value) == (0, 0, 0, 1)


# Differences of means


def test_a_difference_of_means_agrees_with_the_paired_t_test_where_both_apply():
    rng = np.random.default_rng(10)
    main = rng.normal(size=200)
    ours = main + rng.normal(0.08, 0.5, size=200)
    got = difference(ours, main)
    test = stats.ttest_rel(ours, main)
    interval = test.confidence_interval(0.95)
    assert got.test == "paired bootstrap"
    assert got.p_value == pytest.approx(test.pvalue, abs=0.02)
    assert (got.low, got.high) == pytest.approx((interval.low, interval.high), abs=0.02)


def test_many_rows_are_compared_by_the_paired_t_test():
    rng = np.random.default_rng(11)
    main = rng.normal(size=LARGE + 5)
    ours = main + rng.normal(0.02, 0.5, size=LARGE + 5)
    got = difference(ours, main)
    assert got.test == "paired t"
    assert got.p_value == pytest.approx(stats.ttest_rel(ours, main).pvalue)


def test_without_a_difference_one_comparison_in_20_is_a_false_alarm():
    rng = np.random.default_rng(12)
    noise = rng.gamma(2.0, size=(SIMULATIONS, 40)) - 2.0
    alarms = sum(difference(row, np.zeros(40)).p_value <= 0.05 for row in noise)
    assert 0.03 <= alarms / SIMULATIONS <= 0.07


def test_the_interval_of_a_paired_difference_covers_it_about_95_times_in_100():
    rng = np.random.default_rng(13)
    main = rng.normal(size=(SIMULATIONS, 60))
    ours = main + rng.normal(0.2, 1, size=(SIMULATIONS, 60))
    covered = sum(got.low <= 0.2 <= got.high for got in map(difference, ours, main))
    assert 0.93 <= covered / SIMULATIONS <= 0.97


def test_only_rows_with_a_number_under_both_configs_are_compared():
    got = difference([1.0, math.nan, 3.0, 0.5], [0.5, 2.0, math.nan, 0.25])
    assert (got.n, got.value) == (2, 0.375)
    assert difference([math.nan], [1.0]).n == 0
    assert math.isnan(difference([math.nan], [1.0]).adjusted)


# Verdicts


@pytest.mark.parametrize(
    ("n", "value", "adjusted", "verdict"),
    [
        (FEWEST_ROWS, 0.1, 0.04, "higher"),
        (FEWEST_ROWS, -0.1, 0.04, "lower"),
        (FEWEST_ROWS, 0.1, 0.06, "no clear difference"),
        (FEWEST_ROWS - 1, 0.1, 0.0001, "inconclusive"),
        (0, math.nan, math.nan, "inconclusive"),
    ],
)
def test_a_verdict_needs_enough_rows_and_a_small_adjusted_p_value(n, value, adjusted, verdict):
    assert Difference(n, value, 0, 0, adjusted, adjusted, "").verdict == verdict


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_is_the_adjustment_that_statsmodels_computes(p_values):
    assert holm(p_values) == pytest.approx(list(multipletests(p_values, method="holm")[1]))


def test_holm_leaves_out_comparisons_that_could_not_be_made():
    adjusted = holm([0.04, math.nan, 0.01])
    assert adjusted[0] == pytest.approx(0.04)
    assert math.isnan(adjusted[1])
    assert adjusted[2] == pytest.approx(0.02)


def test_numbers_pass_or_fail_when_all_are_zero_or_one():
    assert is_pass_or_fail(np.array([0.0, 1.0]))
    assert not is_pass_or_fail(np.array([0.0, 0.5]))
