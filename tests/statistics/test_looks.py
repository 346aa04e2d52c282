"""Many looks at once: each is what the functions for one look say, and they hold together."""

import math

import numpy as np
import pytest

from spearmint.statistics.looks import (
    MomentSeries,
    adjusted_gaps,
    cumulated,
    mean_gaps,
    ratio_gaps,
    running_bounds,
)
from spearmint.statistics.power import units_to_see_anytime
from spearmint.statistics.regression_adjustment import adjusted_gap
from spearmint.statistics.sequential import ConfidenceSequence, mixture_precision
from spearmint.statistics.unpaired import mean_gap, moments, ratio_gap

SEED = 20_261_130
UNITS, EVERY, HORIZON = 20_000, 100, 5000
PER_LOOK = EVERY // 2
WORLDS = 400


def series_of(values, other, every):
    """Cut one arm's units into looks and put them together again."""
    looks = range(0, len(values), every)
    n = np.array([len(values[at : at + every]) for at in looks], dtype=float)
    parts = [(values[at : at + every], other[at : at + every]) for at in looks]
    means = np.array([[y.mean(), x.mean()] for y, x in parts]).T
    tables = [np.cov(y, x, ddof=0) for y, x in parts]
    return cumulated(n, means, np.array([[table[0, 0], table[1, 1], table[0, 1]] for table in tables]).T)


@pytest.fixture
def arms():
    rng = np.random.default_rng(SEED)
    other = rng.poisson(4.0, (2, 700)) + 1.0
    # A mean far above its spread: sums of squares would lose all digits of the variance.
    return other + rng.normal(1e8, 1.0, (2, 700)), other


def test_moments_at_each_look_are_those_of_all_units_so_far(arms):
    values, other = arms
    series = series_of(values[0], other[0], 100)
    for look in range(7):
        until = 100 * (look + 1)
        expected = moments(values[0][:until], other[0][:until])
        assert series.n[look] == expected.n
        assert series.mean[look] == pytest.approx(expected.mean, rel=1e-15)
        assert series.variance[look] == pytest.approx(expected.variance, rel=1e-8)
        assert series.covariance[look] == pytest.approx(expected.covariance, rel=1e-7)
    assert series.last().n == 700


@pytest.mark.parametrize(
    ("many", "one"), [(mean_gaps, mean_gap), (ratio_gaps, ratio_gap), (adjusted_gaps, adjusted_gap)]
)
def test_gaps_at_each_look_are_those_of_one_look(many, one):
    rng = np.random.default_rng(SEED)
    other = rng.poisson(4.0, (2, 500)) + 1.0
    values = other * 0.5 + rng.normal(0, 1, (2, 500))
    found = many(series_of(values[1], other[1], 50), series_of(values[0], other[0], 50))
    for look in range(10):
        until = 50 * (look + 1)
        expected = one(*(moments(values[arm][:until], other[arm][:until]) for arm in (1, 0)))
        assert found.n[look] == expected.n
        assert found.value[look] == pytest.approx(expected.value, rel=1e-12, abs=1e-12)
        assert found.error[look] == pytest.approx(expected.error, rel=1e-12)


def test_bounds_are_those_of_a_confidence_sequence():
    rng = np.random.default_rng(SEED)
    values = rng.normal([[0.0], [0.1]], 1, (2, 1000))
    found = mean_gaps(*(series_of(values[arm], values[arm], PER_LOOK) for arm in (1, 0)))
    found.error[3] = math.nan
    bounds = running_bounds(found, mixture_precision(HORIZON), 0.05)
    sequence = ConfidenceSequence(horizon=HORIZON)
    for look, (n, value, error) in enumerate(zip(found.n, found.value, found.error, strict=True)):
        expected = sequence.add(int(n), estimate=float(value), error=float(error))
        assert bounds.low[look] == pytest.approx(expected.low, rel=1e-12)
        assert bounds.high[look] == pytest.approx(expected.high, rel=1e-12)
        assert bounds.p_value[look] == pytest.approx(expected.p_value, rel=1e-12)


def test_arms_without_units_have_gaps_that_cannot_be_told():
    nothing = np.zeros(3)
    empty = cumulated(nothing, np.zeros((2, 3)), np.zeros((3, 3)))
    some = series_of(np.arange(30.0), np.ones(30), 10)
    assert np.isnan(mean_gaps(empty, some).error).all()
    assert empty.last().n == 0
    assert MomentSeries(*(np.zeros(0),) * 6).last().n == 0


def worlds(rng, kind):
    """Give for each of many worlds the values and second numbers of two arms that are alike."""
    for _ in range(WORLDS):
        shape = (2, UNITS // 2)
        if kind == "rate":
            yield (rng.random(shape) < 0.05).astype(float), np.zeros(shape)
        elif kind == "heavy":
            yield np.exp(rng.normal(0, 1, shape)), np.zeros(shape)
        elif kind == "ratio":
            views = rng.poisson(3.0, shape) + 1.0
            yield rng.binomial(views.astype(int), 0.2).astype(float), views
        else:
            before = rng.normal(0, 1, shape)
            yield before + rng.normal(0, 1, shape), before


def blocks(values, other):
    """Give the moments of one arm at each look, its units cut into looks of equal size."""
    y, x = values.reshape(-1, PER_LOOK), other.reshape(-1, PER_LOOK)
    means = np.stack([y.mean(axis=1), x.mean(axis=1)])
    common = (y * x).mean(axis=1) - means[0] * means[1]
    return cumulated(np.full(len(y), float(PER_LOOK)), means, np.stack([y.var(axis=1), x.var(axis=1), common]))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "gaps"), [("rate", mean_gaps), ("heavy", mean_gaps), ("ratio", ratio_gaps), ("before", adjusted_gaps)]
)
def test_looking_200_times_at_equal_arms_rarely_alarms(kind, gaps):
    rho2, alarms = mixture_precision(HORIZON), 0
    for values, other in worlds(np.random.default_rng(SEED), kind):
        found = gaps(blocks(values[1], other[1]), blocks(values[0], other[0]))
        alarms += running_bounds(found, rho2, 0.05).p_value[-1] <= 0.05
    assert alarms / WORLDS <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / WORLDS)
    assert alarms > 0  # else it would be of little use


@pytest.mark.slow
def test_looking_200_times_with_a_fixed_test_alarms_often():
    alarms = 0
    for values, other in worlds(np.random.default_rng(SEED), "rate"):
        found = mean_gaps(blocks(values[1], other[1]), blocks(values[0], other[0]))
        alarms += np.any(np.abs(found.value) > 1.96 * found.error)
    assert alarms / WORLDS > 0.3


@pytest.mark.slow
def test_a_planted_effect_is_found_by_the_predicted_units():
    rng, lift = np.random.default_rng(SEED), 0.1
    predicted = units_to_see_anytime(lift, 1.0, horizon=HORIZON)
    assert 3000 < predicted < UNITS
    rho2, found_by = mixture_precision(HORIZON), 0
    for _ in range(WORLDS):
        values = rng.normal([[0.0], [lift]], 1, (2, UNITS // 2))
        gaps = mean_gaps(*(blocks(values[arm], np.zeros(UNITS // 2)) for arm in (1, 0)))
        p_values = running_bounds(gaps, rho2, 0.05).p_value
        found_by += p_values[int(predicted) // EVERY] <= 0.05
    # One look at that number of units finds it in 80 of 100 worlds; looks before it find some more.
    assert 0.8 - 3 * math.sqrt(0.16 / WORLDS) <= found_by / WORLDS <= 0.95
