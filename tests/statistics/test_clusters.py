import math

import numpy as np
import pytest
import statsmodels.api as sm

from spearmint.statistics.clusters import cluster_error, clustered_estimate, clustered_test


def clustered(rng, clusters=30, between=1.0):
    sizes = rng.integers(1, 8, clusters)
    keys = np.repeat(np.arange(clusters), sizes)
    return rng.normal(0, between, clusters)[keys] + rng.normal(0, 1, len(keys)), keys


def test_cluster_error_is_that_of_statsmodels():
    values, keys = clustered(np.random.default_rng(0))
    fitted = sm.OLS(values, np.ones(len(values))).fit(cov_type="cluster", cov_kwds={"groups": keys})
    error, count = cluster_error(values, [f"doc {key}" for key in keys])
    assert (error, count) == (pytest.approx(float(fitted.bse[0]), rel=1e-9), 30)


def test_clusters_of_one_row_give_the_usual_error():
    values = np.random.default_rng(1).random(40)
    assert cluster_error(values, range(40))[0] == pytest.approx(values.std(ddof=1) / math.sqrt(40))


@pytest.mark.slow
def test_clustered_intervals_cover_in_95_of_100_worlds():
    rng = np.random.default_rng(2)
    worlds, covered, naive = 2000, 0, 0
    for _ in range(worlds):
        values, keys = clustered(rng)
        found, alone = clustered_estimate(values, keys), clustered_estimate(values, range(len(values)))
        covered += found.low <= 0 <= found.high
        naive += alone.low <= 0 <= alone.high
    assert 0.93 <= covered / worlds <= 0.97
    assert naive / worlds < 0.85  # What rows taken for independent would promise in vain.


def test_clustered_test_and_interval_say_the_same():
    values, keys = clustered(np.random.default_rng(3))
    for shift in (0.0, 0.3, 0.6, 1.0):
        test = clustered_test(values + shift, keys)
        low, high = test.interval(0.05)
        assert (test.p_value <= 0.05) == (not low <= 0 <= high)


def test_one_cluster_tells_nothing_of_how_clusters_vary():
    test = clustered_test(np.array([1.0, 2.0]), ["a", "a"])
    assert math.isnan(test.p_value)
    assert all(math.isnan(bound) for bound in test.interval(0.05))


def test_keys_of_another_number_than_rows_are_refused():
    with pytest.raises(ValueError, match="2 rows by 3 keys"):
        cluster_error(np.ones(2), "abc")
