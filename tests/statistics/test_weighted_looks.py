"""Units weighed by 1 / propensity at many looks: against sums of all units, and in worlds that a bandit steers."""

import math

import numpy as np
import pytest
from scipy import stats

from spearmint.statistics.inverse_propensity import weighted_sums
from spearmint.statistics.looks import GapSeries, MomentSeries, as_ratios, cumulated, mean_gaps, running_bounds
from spearmint.statistics.sample_ratio import UNHEALTHY, moving_p_values, pearson
from spearmint.statistics.sequential import mixture_precision
from spearmint.statistics.weighted_looks import WeightSums, cumulated_by_weight, with_common_spread

LOOK = 100
FLOOR = 0.05


def sums_of(values, other, weights, look_of, looks):
    parts = (np.ones(len(values)), values, other, values**2, other**2, values * other)
    return WeightSums(*(np.bincount(look_of, weights * part, looks) for part in parts))


def series_of(values, propensities, look_of, looks, *, other=None, centre=(0.0, 0.0)):
    """Sum up units, of which each belongs to a look."""
    weights = 1 / propensities
    values = values - centre[0]
    other = np.zeros(len(values)) if other is None else other - centre[1]
    n = np.bincount(look_of, minlength=looks).astype(float)
    powers = (sums_of(values, other, weights**power, look_of, looks) for power in (1, 2))
    return cumulated_by_weight(n, *powers, centre)


@pytest.fixture
def units():
    rng = np.random.default_rng(11)
    return rng.gamma(2.0, 3.0, 500) + 1e6, rng.uniform(0.05, 0.9, 500), np.sort(rng.integers(0, 7, 500))


def test_each_look_is_that_of_all_units_so_far(units):
    values, propensities, look_of = units
    series = series_of(values, propensities, look_of, 7, centre=(1e6, 0.0))
    for look in range(7):
        so_far = look_of <= look
        sums = weighted_sums(values[so_far] - 1e6, propensities[so_far])
        error = math.sqrt(series.sampling.variance[look] / series.sampling.n[look])
        assert series.sampling.mean[look] - 1e6 == pytest.approx(sums.mean, rel=1e-9)
        assert error == pytest.approx(sums.error, rel=1e-9)
        assert series.effective[look] == pytest.approx(sums.weights**2 / sums.squares)


def test_equal_propensities_give_what_unweighted_units_give(units):
    values, _, look_of = units
    other = np.random.default_rng(12).poisson(4.0, 500).astype(float)
    weighted = series_of(values, np.full(500, 0.2), look_of, 7, other=other)
    groups = [(values[look_of == look], other[look_of == look]) for look in range(7)]
    tables = np.array([np.cov(*pair, bias=True) for pair in groups])
    plain = cumulated(
        np.bincount(look_of).astype(float),
        np.array([[y.mean(), x.mean()] for y, x in groups]).T,
        np.stack([tables[:, 0, 0], tables[:, 1, 1], tables[:, 0, 1]]),
    )
    for found in (weighted.sampling, weighted.spread):
        for name in MomentSeries.__slots__:
            assert getattr(found, name) == pytest.approx(getattr(plain, name), rel=1e-3 if "vari" in name else 1e-9)
    assert as_ratios(weighted.sampling).mean == pytest.approx(as_ratios(plain).mean)
    assert weighted.effective == pytest.approx(plain.n)


def test_no_units_have_no_error():
    nothing = WeightSums(*(np.zeros(3),) * 6)
    series = cumulated_by_weight(np.zeros(3), nothing, nothing)
    assert not series.effective.any()
    assert np.isnan(series.sampling.variance).all()
    (shown,) = with_common_spread([series])
    assert np.isnan(mean_gaps(shown, shown).error).all()


def test_an_arm_has_as_much_spread_as_the_widest():
    rng = np.random.default_rng(13)
    look_of = np.zeros(200, dtype=int)
    wide = series_of(rng.normal(0, 5, 200), np.full(200, 0.5), look_of, 1)
    narrow = series_of(rng.normal(0, 1, 200), np.full(200, 0.5), look_of, 1)
    for one in with_common_spread([wide, narrow]):
        assert one.variance == pytest.approx(wide.spread.variance)


def steered_worlds(kind, worlds, units, rng, *, lift=0.0, every=500, drift=0.0):
    """Let a bandit choose between two arms in many worlds: values, arms and propensities, a row for each world."""
    values, is_second, propensities = (np.empty((worlds, units)) for _ in range(3))
    share, counts, sums, squares = np.full(worlds, 0.5), *(np.zeros((2, worlds)) for _ in range(3))
    for start in range(0, units, every):
        block = slice(start, start + every)
        second = rng.random((worlds, every)) < share[:, np.newaxis]
        if kind == "rare":
            drawn = (rng.random(second.shape) < 0.02 + lift * second).astype(float)
        else:
            drawn = rng.lognormal(0, 1.5, second.shape) if kind == "heavy" else rng.normal(0, 1, second.shape)
            drawn += lift * second
        drawn += drift * start / units
        values[:, block], is_second[:, block] = drawn, second
        propensities[:, block] = np.where(second, share[:, np.newaxis], 1 - share[:, np.newaxis])
        for arm, mask in enumerate((~second, second)):
            counts[arm] += mask.sum(axis=1)
            sums[arm] += (drawn * mask).sum(axis=1)
            squares[arm] += (drawn**2 * mask).sum(axis=1)
        means = sums / counts
        errors = np.sqrt(((squares / counts - means**2) / counts).sum(axis=0) + 1e-300)
        places = stats.norm.cdf((means[1] - means[0]) / errors)
        share = FLOOR + (1 - 2 * FLOOR) * places
    return values, is_second.astype(bool), propensities


def gaps_of(values, is_second, propensities):
    look_of = np.arange(len(values)) // LOOK
    looks = look_of[-1] + 1
    arms = [series_of(values[mask], propensities[mask], look_of[mask], looks) for mask in (is_second, ~is_second)]
    found = mean_gaps(*with_common_spread(arms))
    is_few = np.minimum(arms[0].effective, arms[1].effective) < 20
    return GapSeries(found.n, found.value, np.where(is_few, np.nan, found.error))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "options"),
    [("normal", {"drift": 3.0}), ("normal", {"every": 100}), ("rare", {}), ("heavy", {"drift": 3.0})],
)
def test_worlds_of_equal_arms_rarely_differ(kind, options):
    """A look at every 100 of 20,000 units, of arms that a bandit gives what it likes."""
    worlds, precision = 300, mixture_precision(5000, 0.05)
    rng = np.random.default_rng(14)
    alarms = missed = ratio_alarms = 0
    for _ in range(worlds // 50):
        for world in zip(*steered_worlds(kind, 50, 20_000, rng, **options), strict=True):
            gaps = gaps_of(*world)
            alarms += running_bounds(gaps, precision, 0.05).p_value[-1] <= 0.05
            missed += abs(gaps.value[-1]) > 1.96 * gaps.error[-1]
            _, is_second, propensities = world
            arms = np.stack([~is_second, is_second]).reshape(2, -1, LOOK)
            weights = (1 / propensities).reshape(1, -1, LOOK)
            sums = [np.cumsum((arms * weights**power).sum(axis=2), axis=1) for power in (0, 1, 2)]
            ratio_alarms += min(moving_p_values(*sums)) < UNHEALTHY
    most = 0.05 + 3 * math.sqrt(0.05 * 0.95 / worlds)
    assert alarms / worlds <= most
    assert missed / worlds <= most
    assert ratio_alarms <= 3  # where 2 * 0.001 are expected of a world


@pytest.mark.slow
def test_planted_difference_is_found_without_bias():
    """Values rise as the better arm's share does, which misleads plain means; the interval holds the truth."""
    rng = np.random.default_rng(15)
    precision = mixture_precision(5000, 0.05)
    weighted, plain, held, found = [], [], 0, 0
    for world in zip(*steered_worlds("normal", 200, 20_000, rng, lift=0.2, drift=3.0), strict=True):
        values, is_second, _ = world
        gaps = gaps_of(*world)
        bounds = running_bounds(gaps, precision, 0.05)
        weighted.append(gaps.value[-1])
        plain.append(values[is_second].mean() - values[~is_second].mean())
        held += bounds.low[-1] <= 0.2 <= bounds.high[-1]
        found += bounds.low[-1] > 0
    assert np.mean(plain) > 0.4
    assert np.mean(weighted) == pytest.approx(0.2, abs=3 * np.std(weighted) / math.sqrt(200))
    assert held >= 184
    assert found >= 160


def test_units_that_moved_as_said_have_a_sound_ratio():
    rng = np.random.default_rng(16)
    shares = np.repeat([0.5, 0.9, 0.2], 1000)
    arms = rng.random(3000) < shares
    kept = rng.random(3000) < np.where(arms, 1.0, 0.7)  # the first arm loses three in ten
    assert min(sums_and_test(arms, shares)) > 0.01
    assert max(sums_and_test(arms[kept], shares[kept])) < UNHEALTHY


def test_shares_that_stay_give_pearsons_test():
    arms = np.arange(1000) % 10 < 4
    fixed, _ = sums_and_test(arms, np.full(1000, 0.5))
    assert fixed == pytest.approx(2 * pearson([600, 400], [1, 1]))
    few = np.arange(8) < 1
    assert sums_and_test(few, np.full(8, 0.5)) == (1.0, 1.0)


def sums_and_test(is_second, shares):
    looks = np.arange(len(is_second)) // LOOK
    masks = np.stack([~is_second, is_second])
    weights = 1 / np.where(masks[1], shares, 1 - shares)
    sums = [[np.cumsum(np.bincount(looks, mask * weights**power)) for mask in masks] for power in (0, 1, 2)]
    return moving_p_values(*map(np.array, sums))
