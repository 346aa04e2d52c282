import math

import numpy as np
import pytest
from statsmodels.stats.power import NormalIndPower, TTestPower

from spearmint.statistics.power import units_to_see, units_to_see_anytime, visible_difference
from spearmint.statistics.sequential import half_width, mixture_precision


@pytest.mark.parametrize(("n", "power"), [(10, 0.8), (200, 0.8), (200, 0.95)])
def test_visible_difference_is_that_of_statsmodels(n, power):
    effect = TTestPower().solve_power(nobs=n, alpha=0.05, power=power)
    assert visible_difference(0.4, n, power=power) == pytest.approx(0.4 * effect, rel=1e-4)


@pytest.mark.parametrize("share", [0.5, 0.1])
def test_units_to_see_are_those_of_statsmodels(share):
    ratio = (1 - share) / share
    first = NormalIndPower().solve_power(effect_size=0.1 / 0.5, alpha=0.05, power=0.9, ratio=ratio)
    assert units_to_see(0.1, 0.5, share=share, power=0.9) == pytest.approx(first * (1 + ratio), rel=1e-3)


def test_units_to_see_anytime_are_found_in_as_many_worlds():
    n = units_to_see_anytime(0.1, 0.5, horizon=2000, power=0.8)
    rng = np.random.default_rng(0)
    error = 0.5 * 2 / math.sqrt(n)
    estimates = rng.normal(0.1, error, 20_000)
    found = np.mean(estimates - half_width(error, n, mixture_precision(2000)) > 0)
    assert found == pytest.approx(0.8, abs=0.01)


def test_looking_at_any_time_takes_more_units():
    assert 1 < units_to_see_anytime(0.1, 0.5, horizon=2000) / units_to_see(0.1, 0.5) < 3


def test_units_are_fewest_without_deviation_infinite_without_gap():
    assert units_to_see_anytime(0.1, 0.0, horizon=100) == 2
    assert units_to_see(1e-9, 1.0) == units_to_see_anytime(1e-9, 1.0, horizon=100) == math.inf


def test_one_row_shows_no_difference():
    assert visible_difference(1.0, 1) == math.inf


@pytest.mark.parametrize(
    "options", [{"lift": 0}, {"deviation": -1}, {"share": 1}, {"alpha": 0}, {"power": 1}, {"alpha": 0.9}]
)
def test_arguments_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match="Cannot plan"):
        units_to_see(**{"lift": 0.1, "deviation": 1.0, **options})
