"""Which cases a search tries next."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spearmint.evaluation.search.space import Coordinates, Space
from spearmint.evaluation.search.studies import Told
from spearmint.statistics.surrogate import Surrogate

_CANDIDATES = 256  # drawn by chance, of which the most promising are tried
_NEAR = 4  # of the best cases, whose neighbours are candidates too
_LEARNT_FROM = 400  # cases at most: what is learnt takes time with the cube of them
_MOST_DRAWS = 20  # for each candidate


class Proposer:
    """Proposes cases to try: the first ones by chance, then by what those before have scored.

    Each proposal is the best of many candidates in one draw of the scores that all may have (Thompson sampling), so
    that a batch holds different ones. With several metrics each proposal weighs them anew, by the worst of the weighted
    metrics: from J. Knowles, "ParEGO", IEEE Transactions on Evolutionary Computation 10, 2006.

    Args:
        space: What is searched.
        signs: For each metric 1 where higher is better, -1 where lower is.
        seed: Of all that is chosen by chance.
    """

    def __init__(self, space: Space, signs: Sequence[int], seed: int) -> None:
        self._space = space
        self._signs = np.array(signs)
        self._seed = seed

    def propose(self, told: Sequence[Told], count: int) -> list[Coordinates]:
        """Return up to so many choices that are not among those told; fewer where there are no more."""
        rng = np.random.default_rng([self._seed, len(told)])
        taken = {one.choice for one in told}
        known = [one for one in told if one.has_scores]
        if len(known) < 2 * len(self._space.axes) + 2:
            return self._drawn(rng, taken, count)
        chosen: list[Coordinates] = []
        learnt, best = self._learn(known, rng)
        while len(chosen) < count:
            if chosen and len(self._signs) > 1:
                learnt, best = self._learn(known, rng)
            candidates = [one for one in self._candidates(best, rng) if one not in taken]
            if not candidates:
                return chosen
            drawn = learnt.draw(self._space.points(candidates), rng)
            chosen.append(candidates[int(drawn.argmax())])
            taken.add(chosen[-1])
        return chosen

    def estimates(self, told: Sequence[Told]) -> NDArray[np.float64]:
        """Return by trial and metric the mean drawn towards those of cases that are alike; NaN for one without."""
        found = np.full((len(told), len(self._signs)), math.nan)
        known = [number for number, one in enumerate(told) if one.has_scores]
        if not known:
            return found
        points = self._space.points([told[number].choice for number in known])
        for metric in range(len(self._signs)):
            scores = np.array([told[number].scores[metric] for number in known])
            noise = np.array([told[number].noise[metric] for number in known])
            most = np.argsort(noise, kind="stable")[:_LEARNT_FROM]
            found[known, metric] = self._surrogate(points[most], scores[most], noise[most]).expected(points)
        return found

    def _learn(self, known: Sequence[Told], rng: np.random.Generator) -> tuple[Surrogate, list[Coordinates]]:
        """Return what is learnt from the latest and the best trials, and the choices of the best."""
        scores = np.array([one.scores for one in known]) * self._signs
        noise = np.array([one.noise for one in known])
        spread = np.ptp(scores, axis=0)
        weights = rng.dirichlet(np.ones(len(self._signs))) / np.where(spread > 0, spread, 1.0)
        if len(self._signs) == 1:
            weights = np.ones(1)
        weighted = (scores - scores.max(axis=0)) * weights
        joined = weighted.min(axis=1) + 0.05 * weighted.sum(axis=1)
        variance = (noise * weights**2).sum(axis=1)
        best = np.argsort(-joined, kind="stable")
        kept = np.unique([*best[: _LEARNT_FROM // 2], *range(max(0, len(known) - _LEARNT_FROM // 2), len(known))])
        points = self._space.points([known[number].choice for number in kept])
        learnt = self._surrogate(points, joined[kept], variance[kept])
        order = kept[np.argsort(-learnt.expected(points), kind="stable")[:_NEAR]]
        return learnt, [known[number].choice for number in order]

    def _surrogate(
        self, points: NDArray[np.float64], scores: NDArray[np.float64], noise: NDArray[np.float64]
    ) -> Surrogate:
        return Surrogate(points, scores, noise, [axis.is_ordered for axis in self._space.axes])

    def _candidates(self, best: Sequence[Coordinates], rng: np.random.Generator) -> list[Coordinates]:
        near = [one for choice in best for one in self._space.near(choice, rng)]
        far = (
            self._space.every()
            if self._space.size <= _CANDIDATES
            else (self._space.draw(rng) for _ in range(_CANDIDATES))
        )
        return list(dict.fromkeys([*near, *far]))

    def _drawn(self, rng: np.random.Generator, taken: set[Coordinates], count: int) -> list[Coordinates]:
        """Draw choices by chance; of the last few that are left, each in its turn."""
        chosen: list[Coordinates] = []
        for _ in range(_MOST_DRAWS * count):
            choice = self._space.draw(rng)
            if choice not in taken and len(chosen) < count:
                chosen.append(choice)
                taken.add(choice)
        if len(chosen) < count and self._space.size <= _CANDIDATES:
            left = [one for one in self._space.every() if one not in taken]
            chosen += left[: count - len(chosen)]
        return chosen
