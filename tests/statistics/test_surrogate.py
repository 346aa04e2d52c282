import numpy as np
import pytest

from spearmint.statistics.surrogate import Surrogate


def seen(points, scores, noise=1e-4, is_ordered=(True,)):
    return Surrogate(np.array(points, float), np.array(scores, float), np.full(len(scores), noise), list(is_ordered))


def test_surrogate_learns_a_smooth_curve():
    places = np.linspace(0, 1, 12)[:, None]
    found = seen(places, np.sin(3 * places[:, 0]))
    between = np.linspace(0.05, 0.95, 9)[:, None]
    assert np.abs(found.expected(between) - np.sin(3 * between[:, 0])).max() < 0.03


def test_surrogate_agrees_with_scikit_learn():
    pytest.importorskip("sklearn")
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel

    rng = np.random.default_rng(0)
    points, new = rng.random((15, 2)), rng.random((5, 2))
    scores = points[:, 0] - points[:, 1] ** 2 + rng.normal(0, 0.1, 15)
    found = seen(points, scores, 0.01, (True, True))
    kernel = ConstantKernel(found._variance, "fixed") * RBF(np.sqrt(0.5 / found._weights), "fixed")
    spread = scores.std()
    theirs = GaussianProcessRegressor(kernel, alpha=0.01 / spread**2 + 1e-6, optimizer=None)
    theirs.fit(points, (scores - scores.mean()) / spread)
    mean, covariance = theirs.predict(new, return_cov=True)
    ours, our_covariance = found.predict(new)
    assert np.allclose(ours, scores.mean() + spread * mean)
    assert np.allclose(our_covariance, spread**2 * covariance)


def test_loss_has_the_gradient_that_it_tells():
    rng = np.random.default_rng(1)
    points = np.column_stack([rng.random(10), rng.integers(0, 3, 10)])
    found = seen(points, rng.random(10), 0.02, (True, False))
    logs = np.array([0.3, -0.2, 0.1])
    _, gradient = found._loss(logs)
    steps = 1e-6 * np.eye(3)
    numeric = [(found._loss(logs + step)[0] - found._loss(logs - step)[0]) / 2e-6 for step in steps]
    assert np.allclose(gradient, numeric, atol=1e-5)


def test_lucky_scores_are_drawn_towards_those_of_the_like():
    points = [[0, 0], [0, 0], [0, 0], [1, 0], [1, 0], [1, 0]]
    scores = [0.5, 0.5, 0.9, 0.6, 0.6, 0.6]
    found = seen(points, scores, 0.05, (False, False)).expected(np.array(points, float))
    assert found[2] < 0.7


def test_draws_vary_most_where_least_is_known():
    found = seen([[0.0], [0.1], [0.2]], [0.1, 0.2, 0.3], 1e-4)
    rng = np.random.default_rng(0)
    drawn = np.array([found.draw(np.array([[0.1], [1.0]]), rng) for _ in range(200)])
    assert drawn[:, 1].std() > 3 * drawn[:, 0].std()


def test_equal_scores_are_no_reason_to_fail():
    assert seen([[0.0], [1.0]], [0.5, 0.5], 0.0).expected(np.array([[0.5]])) == pytest.approx([0.5])


def test_no_scores_are_refused():
    with pytest.raises(ValueError, match="Cannot learn from no scores"):
        Surrogate(np.zeros((0, 1)), np.zeros(0), np.zeros(0), [True])
