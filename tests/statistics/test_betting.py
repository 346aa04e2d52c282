import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, special

from spearmint.statistics.betting import PairwiseEvidence, pass_or_fail_evidence

ALL = np.array([True, True])


@given(st.integers(0, 60), st.integers(0, 60))
def test_pass_or_fail_evidence_is_the_mean_over_stakes(won, lost):
    mean, _ = integrate.quad(lambda stake: (1 + stake) ** won * (1 - stake) ** lost, 0, 1, epsrel=1e-12)
    assert float(pass_or_fail_evidence(won, lost)) == pytest.approx(np.log(mean), abs=1e-8)


@pytest.mark.parametrize("rows", [1, 60, 700])
def test_evidence_at_stakes_equals_the_exact_one(rows):
    scores = np.random.default_rng(rows).integers(0, 2, (rows, 3)).astype(float)
    exact, mixed = PairwiseEvidence(3), PairwiseEvidence(3, bounds=(0.0, 1.0 + 1e-12))
    for evidence in (exact, mixed):
        evidence.update(scores, np.ones(3, dtype=bool))
    assert mixed.between() == pytest.approx(exact.between(), abs=1e-8)


def test_evidence_leaves_counts_when_a_score_lies_between():
    scores = np.random.default_rng(1).integers(0, 2, (90, 3)).astype(float)
    mixed = PairwiseEvidence(3)
    mixed.update(scores, np.ones(3, dtype=bool))
    before = mixed.between()
    mixed.update(np.full((1, 3), 0.5), np.ones(3, dtype=bool))  # Equal scores stake nothing.
    assert mixed.between() == pytest.approx(before, abs=1e-8)


def test_evidence_of_a_config_out_of_the_race_stays():
    evidence = PairwiseEvidence(3)
    evidence.update(np.array([[1.0, 0.0, 0.0]] * 10), np.ones(3, dtype=bool))
    before = evidence.between()
    evidence.update(np.array([[1.0, 0.0, np.nan]] * 10), np.array([True, True, False]))
    assert evidence.between()[0, 2] == before[0, 2]
    assert evidence.between()[0, 1] > before[0, 1]


def test_against_is_the_mean_over_all_others():
    scores = np.random.default_rng(2).random((40, 4))
    evidence = PairwiseEvidence(4)
    evidence.update(scores, np.ones(4, dtype=bool))
    for config in range(4):
        others = [evidence.between()[other, config] for other in range(4) if other != config]
        assert evidence.against()[config] == pytest.approx(special.logsumexp(others) - np.log(3))


def test_evidence_of_one_config_is_none():
    evidence = PairwiseEvidence(1)
    evidence.update(np.array([[0.4]]), np.array([True]))
    assert evidence.against().tolist() == [-np.inf]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["pass or fail", "beta", "epsilon"])
def test_evidence_against_an_equal_config_rarely_reaches_20(kind):
    rng = np.random.default_rng(3)
    worlds, rows = 200, 160
    false_alarms = 0
    for _ in range(worlds):
        scores = (
            rng.beta(0.5, 0.5, (rows, 2)) if kind != "pass or fail" else rng.integers(0, 2, (rows, 2)).astype(float)
        )
        epsilon = 0.1 if kind == "epsilon" else 0.0
        if epsilon:  # The second is better by just what does not matter: dropping it is the error.
            scores = np.clip(scores * 0.8 + np.array([0.0, 0.1]), 0, 1)
        evidence = PairwiseEvidence(2, epsilon=epsilon)
        for block in range(0, rows, 20):
            evidence.update(scores[block : block + 20], ALL)
            if evidence.against()[1] >= np.log(20):
                false_alarms += 1
                break
    assert false_alarms <= 0.05 * worlds + 3 * np.sqrt(0.05 * 0.95 * worlds)


@pytest.mark.parametrize("score", [1.5, -0.1, float("nan")])
def test_a_score_out_of_bounds_is_refused_by_value(score):
    with pytest.raises(ValueError, match=rf"score {score}.*0.0 to 1.0"):
        PairwiseEvidence(2).update(np.array([[0.5, score]]), ALL)


@pytest.mark.parametrize("options", [{"bounds": (1, 1)}, {"bounds": (0, np.inf)}, {"epsilon": -1.0}])
def test_bounds_and_epsilon_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match="Cannot race"):
        PairwiseEvidence(2, **options)
