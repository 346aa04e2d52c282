import functools
import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import optimize, stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.weightstats import DescrStatsW

from spearmint.statistics.intervals import LARGE
from spearmint.statistics.paired import (
    FEWEST_ROWS,
    Difference,
    difference,
    differences,
    exact_mcnemar,
    mean_test,
    tango,
)

SIMULATIONS = 1000
BOOTSTRAPS = 400
CRITICAL = st.sampled_from([1.96, 2.6, 3.4, 4.5])


def brute_force_tango(gained, lost, n, z):
    """Invert the score test with the likelihood maximised numerically instead of by formula."""

    def score(delta):
        def loss(share):
            up, down = share + delta, share
            return -(gained * np.log(up) + lost * np.log(down) + (n - gained - lost) * np.log(1 - up - down))

        bounds = (max(0, -delta) + 1e-12, (1 - delta) / 2 - 1e-12)
        share = optimize.minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-12}).x
        return (gained - lost - n * delta) / math.sqrt(n * (2 * share + delta * (1 - delta)))

    middle = (gained - lost) / n
    low = optimize.brentq(lambda delta: score(delta) - z, -0.99, middle)
    return low, optimize.brentq(lambda delta: score(delta) + z, middle, 0.99)


# Shares


@pytest.mark.parametrize("critical", [1.96, 3.3])
@pytest.mark.parametrize(("gained", "lost", "n"), [(5, 2, 40), (1, 9, 30), (12, 12, 60), (3, 1, 200)])
def test_tango_inverts_the_score_test(gained, lost, n, critical):
    expected = brute_force_tango(gained, lost, n, critical)
    assert tango(gained, lost, n, critical) == pytest.approx(expected, abs=1e-5)


def test_tango_of_equal_rows_shrinks_with_their_number():
    z = stats.norm.ppf(0.975)
    assert tango(0, 0, 100) == pytest.approx((-(z**2) / (100 + z**2), z**2 / (100 + z**2)))


def test_tango_of_rows_that_all_gain_reaches_one():
    low, high = tango(20, 0, 20)
    assert high == 1.0
    assert 0.5 < low < 1


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 60), CRITICAL)
def test_tango_holds_the_difference_and_mirrors(gained, lost, same, critical):
    n = gained + lost + same
    assume(n > 0)
    low, high = tango(gained, lost, n, critical)
    assert -1 <= low <= (gained - lost) / n + 1e-9
    assert (gained - lost) / n - 1e-9 <= high <= 1
    assert tango(lost, gained, n, critical) == pytest.approx((-high, -low), abs=1e-7)


@pytest.mark.parametrize(("up", "down"), [(0.1, 0.1), (0.25, 0.1), (0.05, 0.3)])
def test_tango_covers_the_difference_95_times_in_100(up, down):
    draws = np.random.default_rng(8).multinomial(80, [up, down, 1 - up - down], size=SIMULATIONS)
    intervals = [tango(int(gained), int(lost), 80) for gained, lost, _ in draws]
    assert 0.93 <= sum(low <= up - down <= high for low, high in intervals) / SIMULATIONS <= 0.97


@pytest.mark.parametrize(("gained", "lost"), [(12, 3), (3, 12), (1, 0), (40, 55)])
def test_exact_mcnemar_equals_statsmodels(gained, lost):
    expected = mcnemar([[27, gained], [lost, 18]], exact=True)
    got = exact_mcnemar(gained, lost, 45 + gained + lost)
    assert got.p_value == pytest.approx(expected.pvalue)
    assert got.value == pytest.approx((gained - lost) / got.n)


@pytest.mark.parametrize("differing", [0.02, 0.25, 1.0])
@pytest.mark.parametrize("n", [20, 50])
def test_exact_mcnemar_keeps_its_error(n, differing):
    """The exact chance of a false alarm, over all ways in which rows may differ."""
    rejected = 0.0
    for count in range(n + 1):
        gained = np.arange(count + 1)
        p_values = np.array([mcnemar_p_value(int(k), int(count - k)) for k in gained])
        false_alarm = stats.binom.pmf(gained, count, 0.5)[p_values <= 0.05].sum()
        rejected += stats.binom.pmf(count, n, differing) * false_alarm
    assert rejected <= 0.05


@functools.cache
def mcnemar_p_value(gained, lost):
    return exact_mcnemar(gained, lost, max(1, gained + lost)).p_value


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 60), st.floats(1e-9, 0.5))
def test_exact_mcnemar_and_its_interval_reject_the_same(gained, lost, same, level):
    assume(gained + lost + same > 0)
    got = exact_mcnemar(gained, lost, gained + lost + same)
    assume(not math.isclose(got.p_value, level, rel_tol=1e-9))
    low, high = got.interval(level)
    assert (low > 0 or high < 0) == (got.p_value <= level)
    assert low <= got.value + 1e-9
    assert high >= got.value - 1e-9


def test_exact_mcnemar_interval_is_tangos_where_both_agree():
    got = exact_mcnemar(12, 3, 60)
    assert got.interval(0.05) == pytest.approx(tango(12, 3, 60))


# Means


def test_mean_test_of_many_rows_is_the_paired_t_test():
    rng = np.random.default_rng(11)
    main = rng.normal(size=LARGE + 5)
    ours = main + rng.normal(0.02, 0.5, size=LARGE + 5)
    got = difference(ours, main)
    expected = stats.ttest_rel(ours, main)
    assert got.test == "paired t"
    assert got.p_value == pytest.approx(expected.pvalue)
    assert (got.low, got.high) == pytest.approx(DescrStatsW(ours - main).tconfint_mean())


def test_mean_test_of_few_rows_is_near_the_paired_t_test():
    rng = np.random.default_rng(10)
    main = rng.normal(size=200)
    ours = main + rng.normal(0.08, 0.5, size=200)
    got = difference(ours, main)
    expected = stats.ttest_rel(ours, main)
    interval = expected.confidence_interval(0.95)
    assert got.test == "paired bootstrap t"
    assert got.p_value == pytest.approx(expected.pvalue, abs=0.02)
    assert (got.low, got.high) == pytest.approx((interval.low, interval.high), abs=0.02)


def test_mean_test_where_few_rows_differ_is_the_t_test():
    deltas = np.array([0.3, 0.2, 0.4] + [0.0] * 57)
    got = mean_test(deltas)
    expected = stats.ttest_1samp(deltas, 0)
    assert got.name == "paired t"
    assert got.p_value == pytest.approx(expected.pvalue)
    assert got.interval(0.01) == pytest.approx(tuple(expected.confidence_interval(0.99)))


def test_mean_test_tail_goes_on_where_resampling_ends():
    deltas = np.random.default_rng(14).normal(1.0, 1.0, size=60)
    got = mean_test(deltas)
    assert 0 < got.p_value < 1e-6
    assert got.p_value == pytest.approx(stats.ttest_1samp(deltas, 0).pvalue, rel=10)
    halves = [got.interval(level)[1] - got.value for level in (0.05, 0.0042, 0.004, 0.0039, 1e-4, 1e-6)]
    assert halves == sorted(halves)
    assert halves[3] == pytest.approx(halves[2], rel=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("draw", ["normal", "gamma"])
def test_mean_test_false_alarms_are_one_in_20(draw):
    rng = np.random.default_rng(12)
    noise = rng.normal(size=(BOOTSTRAPS, 40)) if draw == "normal" else rng.gamma(2.0, size=(BOOTSTRAPS, 40)) - 2.0
    alarms = sum(mean_test(row).p_value <= 0.05 for row in noise)
    assert 0.03 <= alarms / BOOTSTRAPS <= 0.07


@pytest.mark.slow
def test_mean_test_interval_covers_95_times_in_100():
    rng = np.random.default_rng(13)
    main = rng.normal(size=(BOOTSTRAPS, 60))
    ours = main + rng.normal(0.2, 1, size=(BOOTSTRAPS, 60))
    covered = sum(got.low <= 0.2 <= got.high for got in map(difference, ours, main))
    assert 0.93 <= covered / BOOTSTRAPS <= 0.97


def test_mean_test_of_equal_differences_counts_signs():
    got = mean_test(np.full(8, 0.5))
    assert (got.value, got.p_value, got.name) == (0.5, 2**-7, "sign flip")
    assert got.interval(0.05) == (0.5, 0.5)
    assert all(map(math.isnan, got.interval(0.001)))


def test_difference_of_equal_configs_has_a_p_value_of_one():
    got = difference([1, 0] * 20, [1, 0] * 20)
    assert (got.value, got.p_value, got.verdict) == (0, 1, "no clear difference")
    scores = np.random.default_rng(9).normal(size=40)
    got = difference(scores, scores)
    assert (got.value, got.low, got.high, got.p_value) == (0, 0, 0, 1)


def test_difference_takes_only_rows_with_both_numbers():
    got = difference([1.0, math.nan, 3.0, 0.5], [0.5, 2.0, math.nan, 0.25])
    assert (got.n, got.value) == (2, 0.375)
    assert difference([math.nan], [1.0]).n == 0
    assert math.isnan(difference([math.nan], [1.0]).adjusted)


# Interval and verdict


def agrees(one):
    """The interval excludes 0 where the verdict is that there is a difference."""
    excludes = one.low > 0 or one.high < 0
    return excludes == (one.adjusted <= 0.05) or math.isclose(one.adjusted, 0.05, rel_tol=1e-9)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=1, max_size=8))
def test_differences_of_shares_never_contradict_their_intervals(counts):
    main = [1.0] * 40 + [0.0] * 40
    others = [[0.0] * lost + [1.0] * (40 - lost) + [1.0] * gained + [0.0] * (40 - gained) for gained, lost in counts]
    assert all(map(agrees, differences(others, main)))


@pytest.mark.parametrize("kind", ["normal", "sparse", "skewed", "constant"])
def test_differences_of_means_never_contradict_their_intervals(kind):
    rng = np.random.default_rng(15)
    others = {
        "normal": rng.normal(rng.uniform(0, 1, (63, 1)), 1, (63, 40)),
        "sparse": (rng.random((63, 40)) < 0.1) * rng.normal(0.4, 0.2, (63, 40)),
        "skewed": rng.gamma(0.3, size=(63, 40)) - rng.uniform(0, 0.6, (63, 1)),
        "constant": np.full((63, 12), 0.25),
    }[kind]
    found = differences(others, np.zeros(others.shape[1]))
    assert all(map(agrees, found))
    assert len({one.adjusted <= 0.05 for one in found}) == (1 if kind in ("constant", "sparse") else 2)


@pytest.mark.slow
def test_differences_keep_the_family_wise_error():
    rng = np.random.default_rng(16)
    families = 300
    alarms = contradictions = 0
    for _ in range(families):
        main = (rng.random(60) < 0.5).astype(float)
        others = (rng.random((12, 60)) < 0.5).astype(float)
        found = differences(others, main)
        alarms += any(one.verdict in ("higher", "lower") for one in found)
        contradictions += not all(map(agrees, found))
    assert contradictions == 0
    assert alarms / families <= 0.08  # 0.05, and 2.4 standard errors of a simulation of this size


def test_differences_tell_the_level_of_their_intervals():
    rng = np.random.default_rng(17)
    found = differences(rng.normal([[1.0], [0.0], [0.0], [0.0]], 1, (4, 50)), np.zeros(50))
    assert found[0].confidence == pytest.approx(1 - 0.05 / 4)
    assert difference([1.0, 0.5] * 20, [0.5, 0.25] * 20).confidence == pytest.approx(0.95)


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
def test_verdict_needs_enough_rows_and_a_small_p_value(n, value, adjusted, verdict):
    assert Difference(n, value, 0, 0, adjusted, adjusted, "").verdict == verdict
