import math

import numpy as np
import pytest

from spearmint.statistics.winner import winner


def passes(rng, rows, shares):
    level = rng.choice([-0.1, 0.1], size=(rows, 1))  # Rows are hard or easy for all configs.
    return (rng.random((rows, len(shares))) < shares + level).astype(float)


def normal(rng, rows, means):
    return rng.normal(0, 0.3, (rows, 1)) + rng.normal(means, 0.4, (rows, len(means)))


@pytest.mark.slow
@pytest.mark.parametrize("draw", [passes, normal])
@pytest.mark.parametrize("spread", [0.0, 0.03])
def test_winners_score_is_covered_and_not_flattered(draw, spread):
    rng = np.random.default_rng(0)
    truth = np.clip(rng.normal(0.6, spread, 24), 0, 1)
    worlds, covered, corrected, raw = 80, 0, [], []
    for _ in range(worlds):
        scores = draw(rng, 100, truth)
        best = int(scores.mean(axis=0).argmax())
        found = winner(scores)
        covered += found.low <= truth[best] <= found.high
        corrected.append(found.value - truth[best])
        raw.append(scores.mean(axis=0)[best] - truth[best])
    assert covered / worlds >= 0.95 - 3 * math.sqrt(0.05 * 0.95 / worlds)
    assert np.mean(np.array(corrected) > 0) == pytest.approx(0.5, abs=3 * math.sqrt(0.25 / worlds))
    assert np.mean(np.array(raw) > 0) > 0.9


def test_one_config_has_the_usual_interval():
    scores = np.random.default_rng(1).normal(0.5, 0.2, (400, 1))
    found, error = winner(scores), scores.std(ddof=1) / 20
    assert found.value == pytest.approx(scores.mean(), abs=1e-6)
    # Of the error of 5 %, a tenth is spent on the bound for all configs.
    assert (found.low, found.high) == pytest.approx(
        (scores.mean() - 2 * error, scores.mean() + 2 * error), abs=error / 5
    )


def test_a_winner_far_ahead_is_hardly_corrected():
    rng = np.random.default_rng(2)
    scores = normal(rng, 200, np.array([0.2, 0.2, 0.9]))
    assert winner(scores).value == pytest.approx(scores.mean(axis=0)[2], abs=1e-3)


def test_the_same_scores_give_the_same_interval():
    scores = passes(np.random.default_rng(3), 50, np.full(6, 0.5))
    assert winner(scores) == winner(scores)


def test_either_of_two_equal_winners_can_be_asked_of():
    scores = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1.0, 1.0, 0.0]] * 5)
    one, other = winner(scores, 0), winner(scores, 1)
    assert one.value == pytest.approx(other.value, abs=0.05)


def test_a_score_that_never_varies_is_known():
    found = winner(np.array([[1.0, 0.0]] * 5))
    assert (found.value, found.low, found.high) == (1.0, 1.0, 1.0)


def test_one_row_has_no_interval():
    found = winner(np.array([[1.0, 0.0]]))
    assert found.value == 1.0
    assert math.isnan(found.low)


def test_a_config_that_is_not_the_best_is_refused():
    with pytest.raises(ValueError, match="config 1 for the winner"):
        winner(np.array([[1.0, 0.0]] * 5), 1)


@pytest.mark.parametrize("scores", [np.ones((0, 2)), np.ones((3, 0)), np.array([[np.nan]])])
def test_scores_without_a_winner_are_refused(scores):
    with pytest.raises(ValueError, match="Cannot tell the winner"):
        winner(scores)
