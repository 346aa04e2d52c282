import math

import numpy as np
import pytest
import statsmodels.api as sm

from spearmint.statistics.regression_adjustment import adjusted_gap, slope
from spearmint.statistics.unpaired import mean_gap, moments


def arms(rng, n=300, lift=0.2, relation=0.8):
    before = [rng.normal(0, 1, n), rng.normal(0, 1, n + 50)]
    values = [relation * x + rng.normal(0, 0.6, len(x)) + lift * (1 - i) for i, x in enumerate(before)]
    return [moments(y, x) for y, x in zip(values, before, strict=True)], values, before


def test_slope_and_gap_are_those_of_a_regression():
    both, values, before = arms(np.random.default_rng(0))
    x = np.concatenate(before)
    design = np.column_stack([np.ones(len(x)), np.repeat([1.0, 0.0], [300, 350]), x])
    fitted = sm.OLS(np.concatenate(values), design).fit()
    assert slope(*both) == pytest.approx(fitted.params[2], rel=1e-9)
    assert adjusted_gap(*both).value == pytest.approx(fitted.params[1], rel=1e-9)
    assert adjusted_gap(*both).error == pytest.approx(fitted.HC3_se[1], rel=0.02)


def test_variance_falls_by_the_square_of_the_correlation():
    both, values, before = arms(np.random.default_rng(1), n=20_000)
    r = np.corrcoef(np.concatenate([y - y.mean() for y in values]), np.concatenate([x - x.mean() for x in before]))[
        0, 1
    ]
    assert (adjusted_gap(*both).error / mean_gap(*both).error) ** 2 == pytest.approx(1 - r**2, rel=0.01)


def test_a_covariate_that_does_not_vary_adjusts_nothing():
    y = np.random.default_rng(2).random(30)
    both = moments(y[:15], np.ones(15)), moments(y[15:], np.ones(15))
    assert slope(*both) == 0.0
    assert adjusted_gap(*both) == mean_gap(*both)


def test_adjusted_intervals_cover_in_95_of_100_worlds():
    rng = np.random.default_rng(3)
    worlds, covered = 600, 0
    for _ in range(worlds):
        low, high = adjusted_gap(*arms(rng, n=100)[0]).interval(0.05)
        covered += low <= 0.2 <= high
    assert covered / worlds == pytest.approx(0.95, abs=3 * math.sqrt(0.05 * 0.95 / worlds))
