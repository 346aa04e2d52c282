import math

import numpy as np
import pytest

from spearmint.statistics.inverse_propensity import moments_by_weight, weighted_gap, weighted_sums
from spearmint.statistics.unpaired import mean_gap, moments


def test_equal_propensities_give_plain_means_and_errors():
    rng = np.random.default_rng(3)
    values = rng.lognormal(0, 1, 500)
    sums = weighted_sums(values, np.full(500, 0.3))
    assert sums.mean == pytest.approx(values.mean(), rel=1e-12)
    assert sums.error == pytest.approx(values.std(ddof=1) / math.sqrt(500), rel=1e-12)
    other = rng.normal(0, 1, 300)
    gap = weighted_gap(sums, weighted_sums(other, np.full(300, 0.7)))
    plain = mean_gap(moments(values), moments(other))
    assert (gap.n, gap.value, gap.error) == (800, pytest.approx(plain.value), pytest.approx(plain.error))


def test_error_is_that_of_the_linearized_mean():
    rng = np.random.default_rng(4)
    values, propensities = rng.normal(5, 2, 400), rng.uniform(0.05, 0.9, 400)
    sums = weighted_sums(values, propensities)
    weights = 1 / propensities
    mean = np.average(values, weights=weights)
    spread = np.sum((weights * (values - mean)) ** 2) * 400 / 399
    assert sums.mean == pytest.approx(mean, rel=1e-12)
    assert sums.error == pytest.approx(math.sqrt(spread) / weights.sum(), rel=1e-9)


def test_drift_that_misleads_plain_means_is_taken_out():
    """Two equal arms; values rise over time while the second arm's share does: 1,000 worlds of 2,000 units."""
    rng = np.random.default_rng(5)
    n = 2000
    share = np.where(np.arange(n) < n // 2, 0.2, 0.8)
    level = np.where(np.arange(n) < n // 2, 0.0, 1.0)
    plain, weighted, covered = [], [], 0
    for _ in range(1000):
        is_second = rng.random(n) < share
        values = level + rng.normal(0, 1, n)
        arms = [values[is_second], values[~is_second]]
        plain.append(mean_gap(*map(moments, arms)).value)
        gap = weighted_gap(weighted_sums(arms[0], share[is_second]), weighted_sums(arms[1], (1 - share)[~is_second]))
        weighted.append(gap.value)
        covered += abs(gap.value) <= 1.96 * gap.error
    assert np.mean(plain) == pytest.approx(0.6, abs=0.02)
    assert np.mean(weighted) == pytest.approx(0.0, abs=0.01)
    assert covered >= 930


@pytest.mark.parametrize("propensity", [0.0, -0.1, 1.5, math.nan])
def test_propensities_that_are_none_are_refused(propensity):
    with pytest.raises(ValueError, match="Cannot weigh values by these propensities"):
        weighted_sums(np.ones(2), np.array([0.5, propensity]))
    with pytest.raises(ValueError, match="Cannot weigh 2 values by 1 propensities"):
        weighted_sums(np.ones(2), np.array([0.5]))


def test_no_units_and_one_unit_have_no_error():
    assert math.isnan(weighted_sums(np.array([]), np.array([])).mean)
    one = weighted_sums(np.array([3.0]), np.array([0.5]))
    assert one.mean == 3.0
    assert math.isnan(one.error)


def test_moments_where_nothing_moved_are_plain():
    values = np.random.default_rng(6).normal(0, 1, 50)
    empty = (np.array([]), np.array([]))
    plain, none = moments_by_weight([(values, np.full(50, 0.3)), empty])
    assert plain == moments(values)
    assert none.n == 0


def test_moments_by_weight_have_the_widest_spread():
    """Few units of a large weight that all failed say nothing of how the arm varies; those of the other arm do."""
    propensities = np.repeat([0.5, 0.05], [100, 25])
    failed, main = np.zeros(125), (np.arange(125) % 10 == 0).astype(float)
    ours, other = moments_by_weight([(failed, propensities), (main, 1 - propensities)])
    sums = weighted_sums(main, 1 - propensities)
    effective = sums.weights**2 / sums.squares
    spread = np.cov(main, aweights=1 / (1 - propensities), ddof=0) * effective / (effective - 1)
    ours_effective = (1 / propensities).sum() ** 2 / (1 / propensities**2).sum()
    assert ours.variance == pytest.approx(125 * spread / ours_effective, rel=1e-9)
    assert other.variance == pytest.approx(125 * max(sums.error**2, spread / effective), rel=1e-9)
    assert math.isnan(moments_by_weight([(np.ones(1), np.full(1, 0.5)), (main, propensities)])[0].variance)
