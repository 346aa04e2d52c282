import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from spearmint.statistics.unpaired import mean_gap, moments, ratio_gap

values = st.lists(st.floats(-100, 100), min_size=2, max_size=30).filter(lambda them: np.ptp(them) > 1e-3)


@given(values, values)
def test_gap_of_means_is_welchs_test(ours, main):
    gap = mean_gap(moments(np.array(ours)), moments(np.array(main)))
    oracle = stats.ttest_ind(ours, main, equal_var=False)
    assert gap.p_value == pytest.approx(oracle.pvalue, rel=1e-6, abs=1e-12)
    bounds = oracle.confidence_interval(0.95)
    assert gap.interval(0.05) == pytest.approx((bounds.low, bounds.high), rel=1e-6, abs=1e-9)


def test_moments_are_those_of_numpy():
    rng = np.random.default_rng(0)
    y, x = rng.random(50), rng.random(50)
    found = moments(y, x)
    table = np.cov(y, x)
    assert (found.n, found.mean, found.other_mean) == pytest.approx((50, y.mean(), x.mean()))
    assert (found.variance, found.other_variance, found.covariance) == pytest.approx((*np.diag(table), table[0, 1]))


def test_gap_of_ratios_has_the_error_that_simulation_has():
    rng = np.random.default_rng(1)

    def arm(rate):
        views = rng.poisson(5, 400) + 1.0
        return moments(rng.binomial(views.astype(int), rate).astype(float), views)

    gaps = [ratio_gap(arm(0.35), arm(0.3)) for _ in range(600)]
    assert np.mean([gap.value for gap in gaps]) == pytest.approx(0.05, abs=0.002)
    assert np.mean([gap.error for gap in gaps]) == pytest.approx(np.std([gap.value for gap in gaps]), rel=0.1)
    covered = np.mean([gap.interval(0.05)[0] <= 0.05 <= gap.interval(0.05)[1] for gap in gaps])
    assert covered == pytest.approx(0.95, abs=3 * math.sqrt(0.05 * 0.95 / 600))


def test_gap_of_ratios_of_equal_denominators_is_that_of_means():
    rng = np.random.default_rng(2)
    ours, main, ones = rng.random(40), rng.random(40), np.full(40, 2.0)
    ratio, mean = ratio_gap(moments(ours, ones), moments(main, ones)), mean_gap(moments(ours), moments(main))
    assert (ratio.value, ratio.error) == pytest.approx((mean.value / 2, mean.error / 2))


@pytest.mark.parametrize("n", [0, 1])
def test_gap_of_an_arm_of_too_few_units_has_no_error(n):
    gap = mean_gap(moments(np.ones(n)), moments(np.arange(5.0)))
    assert math.isnan(gap.error)
    assert math.isnan(gap.p_value)
    assert all(math.isnan(bound) for bound in gap.interval(0.05))


def test_ratio_over_nothing_is_not_a_number():
    nothing = moments(np.zeros(5), np.zeros(5))
    assert math.isnan(ratio_gap(nothing, nothing).value)


def test_moments_of_unequal_lengths_are_refused():
    with pytest.raises(ValueError, match="3 values with 2 other numbers"):
        moments(np.ones(3), np.ones(2))
