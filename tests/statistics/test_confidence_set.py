import numpy as np
import pytest

from spearmint.statistics.confidence_set import confidence_set


@pytest.mark.parametrize(("seed", "configs"), [(0, 4), (1, 8)])
def test_p_values_are_those_of_arch(seed, configs):
    arch = pytest.importorskip("arch.bootstrap")
    rng = np.random.default_rng(seed)
    scores = rng.normal(0, 0.5, (300, 1)) + rng.normal(np.linspace(0, 0.2, configs), 1, (300, configs))
    oracle = arch.MCS(-scores, size=0.05, reps=4000, block_size=1, method="max", seed=seed)
    oracle.compute()
    expected = oracle.pvalues.sort_index()["Pvalue"].to_numpy()
    assert confidence_set(scores).p_values == pytest.approx(expected, abs=0.05)  # Both are resampled.


@pytest.mark.slow
def test_confidence_set_holds_the_best_in_95_of_100_worlds():
    rng = np.random.default_rng(2)
    worlds, held, sizes = 100, 0, []
    for _ in range(worlds):
        members = confidence_set((rng.random((80, 6)) < [0.5, 0.6, 0.6, 0.7, 0.7, 0.72]).astype(float)).members
        held += 5 in members
        sizes.append(len(members))
    assert held / worlds >= 0.95 - 3 * np.sqrt(0.05 * 0.95 / worlds)
    assert np.mean(sizes) < 6


def test_equal_configs_are_all_in_the_set():
    scores = np.repeat(np.random.default_rng(3).random((30, 1)), 3, axis=1)
    assert confidence_set(scores).members == (0, 1, 2)


def test_a_config_worse_on_every_row_by_as_much_is_out():
    first = np.random.default_rng(4).random(30)
    assert confidence_set(np.column_stack([first, first - 0.1])).members == (0,)


def test_one_config_is_the_set():
    assert confidence_set(np.random.default_rng(5).random((10, 1))).members == (0,)


@pytest.mark.parametrize("scores", [np.ones((1, 2)), np.ones((5, 0)), np.array([[1.0, np.nan], [0.0, 1.0]])])
def test_scores_that_tell_nothing_are_refused(scores):
    with pytest.raises(ValueError, match="Cannot tell the best"):
        confidence_set(scores)


def test_an_alpha_that_is_no_probability_is_refused():
    with pytest.raises(ValueError, match="error of 1"):
        confidence_set(np.random.default_rng(6).random((10, 2)), alpha=1)
