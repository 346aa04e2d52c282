import json
import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from spearmint.statistics.sample_ratio import SampleRatio, log_bayes_factor, pearson, running_p_values

VECTOR = json.loads((Path(__file__).parent / "savvi_srm.json").read_text())


def test_pearson_of_600_against_400():
    assert pearson([600, 400], [0.5, 0.5]) == pytest.approx(2.54e-10, rel=0.01)


def test_pearson_is_the_sum_of_squares_over_expectations():
    counts, shares = [120, 310, 570], [1, 3, 6]
    statistic = sum((c - 1000 * s / 10) ** 2 / (1000 * s / 10) for c, s in zip(counts, shares, strict=True))
    assert pearson(counts, shares) == pytest.approx(stats.chi2.sf(statistic, 2), rel=1e-9)


def test_an_arm_of_share_0_is_no_cell():
    assert pearson([600, 400, 7], [1, 1, 0]) == pearson([600, 400], [1, 1])
    assert log_bayes_factor([600, 400, 7], [1, 1, 0]) == log_bayes_factor([600, 400], [1, 1])


@pytest.mark.parametrize(("counts", "shares"), [([5], [1]), ([0, 0], [1, 1]), ([5, 3], [1, 0])])
def test_pearson_cannot_tell_of_one_arm_or_no_units(counts, shares):
    assert math.isnan(pearson(counts, shares))


def test_first_rejection_is_that_of_the_reference():
    draws = np.random.RandomState(1).multinomial(1, [0.1, 0.3, 0.6], size=1000)  # As the reference drew them.
    ratio, first = SampleRatio(VECTOR["theta_0"]), None
    for n, counts in enumerate(np.cumsum(draws, axis=0), start=1):
        if ratio.look(counts) <= VECTOR["alpha"]:
            first = n
            break
    assert first == VECTOR["first_n_with_p_le_alpha"]
    assert ratio.p_value == pytest.approx(VECTOR["p_value"], rel=1e-9)


def test_bayes_factor_is_the_mixtures_likelihood_ratio():
    counts, shares = [3, 9], [0.5, 0.5]
    mixture = stats.betabinom(12, 50, 50).pmf(3)
    assert log_bayes_factor(counts, shares) == pytest.approx(math.log(mixture / stats.binom(12, 0.5).pmf(3)))


@pytest.mark.slow
def test_p_value_over_time_rarely_falls_to_alpha():
    rng = np.random.default_rng(0)
    worlds, alarms = 500, 0
    for _ in range(worlds):
        ratio = SampleRatio([2, 1])
        counts = np.zeros(2, dtype=int)
        for _look in range(60):
            counts += rng.multinomial(25, [2 / 3, 1 / 3])
            ratio.look(counts)
        alarms += ratio.p_value <= 0.05
    assert alarms <= 0.05 * worlds + 3 * math.sqrt(0.05 * 0.95 * worlds)


@pytest.mark.parametrize(
    ("counts", "shares", "part"),
    [([1, 2], [1], "2 counts with 1 shares"), ([1, -2], [1, 1], "counts"), ([1, 2], [1, math.nan], "shares")],
)
def test_counts_and_shares_that_do_not_fit_are_refused(counts, shares, part):
    with pytest.raises(ValueError, match=part):
        pearson(counts, shares)


def test_many_looks_at_once_are_those_one_by_one():
    rng = np.random.default_rng(5)
    counts = np.cumsum(rng.multinomial(100, [0.5, 0.3, 0.2], size=40), axis=0).T
    watched = SampleRatio([5, 3, 2])
    expected = [watched.look([int(count) for count in look]) for look in counts.T]
    assert running_p_values(counts, [5, 3, 2]) == pytest.approx(expected, rel=1e-9)
