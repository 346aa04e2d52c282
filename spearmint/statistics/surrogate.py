"""What configs that have not run may score, from those that have: a Gaussian process over their parameters.

Configs that are alike score alike: the covariance of two is ``v exp(-sum_p w_p d_p)``, where ``d_p`` is 1 if they
differ in an unordered parameter and 0 if not, and of an ordered one, scaled to [0, 1], the square of their distance.
How much each parameter matters (``w_p``) is what makes the scores seen most likely, with a weak prior. From
C. Rasmussen and C. Williams, "Gaussian Processes for Machine Learning", 2006, chapters 2 and 5,
https://gaussianprocess.org/gpml/.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, optimize

from spearmint.statistics.intervals import Values

Points = NDArray[np.float64]

_PRIOR_WEIGHT = 0.0  # mean of the logarithm of each weight, and below its standard deviation
_PRIOR_SPREAD = 1.5
_LEAST_NOISE = 1e-6  # of the variance, which keeps the matrix invertible
_BOUND = 6.0  # of all logarithms, either way
_STEPS = 40


class Surrogate:
    """A Gaussian process that has seen the scores of some configs.

    Args:
        points: One row per config and one column per parameter: the number of the category, or, of an ordered
            parameter, its place in [0, 1].
        scores: Their scores; higher is better.
        noise: The variance of each score, since each is a mean over finitely many rows.
        is_ordered: For each parameter whether it is.

    Raises:
        ValueError: If there are no points.

    >>> points = np.array([[0.0], [1.0], [0.0]])
    >>> seen = Surrogate(points, np.array([0.2, 0.8, 0.3]), np.full(3, 0.01), [False])
    >>> mean, _ = seen.predict(points[:2])
    >>> bool(0.2 < mean[0] < 0.3 < mean[1] < 0.8)
    True
    """

    def __init__(self, points: Points, scores: Values, noise: Values, is_ordered: Sequence[bool]) -> None:
        if not len(points):
            raise ValueError("Cannot learn from no scores. Give at least one.")
        self._points = points
        self._is_ordered = np.asarray(is_ordered, dtype=bool)
        self._mean = float(np.mean(scores))
        spread = float(np.std(scores)) or 1.0
        self._scale = spread
        self._scores = (scores - self._mean) / spread
        self._noise = noise / spread**2 + _LEAST_NOISE
        self._distances = self._between(points, points)
        start = np.append(np.full(points.shape[1], _PRIOR_WEIGHT), 0.0)
        bounds = [(-_BOUND, _BOUND)] * len(start)
        found = optimize.minimize(
            self._loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": _STEPS}
        )
        self._weights, self._variance = np.exp(found.x[:-1]), float(np.exp(found.x[-1]))
        covariance = self._covariance(self._distances) + np.diag(self._noise)
        self._factor = linalg.cho_factor(covariance, lower=True)
        self._solved = linalg.cho_solve(self._factor, self._scores)

    def predict(self, points: Points) -> tuple[Values, NDArray[np.float64]]:
        """Return the expected scores of configs, and the covariance of what is not known of them."""
        across = self._covariance(self._between(points, self._points))
        mean = self._mean + self._scale * (across @ self._solved)
        explained = across @ linalg.cho_solve(self._factor, across.T)
        return mean, self._scale**2 * (self._covariance(self._between(points, points)) - explained)

    def expected(self, points: Points) -> Values:
        """Return the expected scores of configs."""
        scores: Values = self._mean + self._scale * (
            self._covariance(self._between(points, self._points)) @ self._solved
        )
        return scores

    def draw(self, points: Points, rng: np.random.Generator) -> Values:
        """Draw the scores of configs as they may be, for Thompson sampling: what is promising or little known is tried.

        From W. Thompson, "On the likelihood that one unknown probability exceeds another", Biometrika 25, 1933.
        """
        mean, covariance = self.predict(points)
        ridge = _LEAST_NOISE * self._scale**2 * max(1.0, self._variance)
        factor = np.linalg.cholesky(covariance + ridge * np.eye(len(points)))
        drawn: Values = mean + factor @ rng.standard_normal(len(points))
        return drawn

    def _between(self, some: Points, others: Points) -> NDArray[np.float64]:
        """Return by parameter, config and config how far they are apart."""
        apart = some.T[:, :, None] - others.T[:, None, :]
        return np.where(self._is_ordered[:, None, None], apart**2, apart != 0)

    def _covariance(self, distances: NDArray[np.float64]) -> NDArray[np.float64]:
        covariance: NDArray[np.float64] = self._variance * np.exp(-np.tensordot(self._weights, distances, axes=1))
        return covariance

    def _loss(self, logs: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Return how unlikely the scores are, less the prior's logarithm, and its gradient."""
        self._weights, self._variance = np.exp(logs[:-1]), float(np.exp(logs[-1]))
        covariance = self._covariance(self._distances)
        factor = linalg.cho_factor(covariance + np.diag(self._noise), lower=True)
        solved = linalg.cho_solve(factor, self._scores)
        inner = (linalg.cho_solve(factor, np.eye(len(solved))) - np.outer(solved, solved)) * covariance
        slopes = [
            -weight * float((inner * distance).sum())
            for weight, distance in zip(self._weights, self._distances, strict=True)
        ]
        standard = (logs - _PRIOR_WEIGHT) / _PRIOR_SPREAD
        loss = (
            0.5 * float(self._scores @ solved)
            + float(np.log(np.diag(factor[0])).sum())
            + 0.5 * float(standard @ standard)
        )
        gradient = 0.5 * np.array([*slopes, float(inner.sum())]) + standard / _PRIOR_SPREAD
        return loss, gradient
