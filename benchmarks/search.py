"""How close a search comes to the best of 4,096 configs with 5 % of the cells, in worlds made by chance.

Six parameters of four values each, whose effects add up and work in pairs; each of 300 rows passes or fails, some rows
being harder than others. A search tries 200 configs on the 210 rows that are not held out, and confirms the best:
42,180 of 1,228,800 cells. Run: ``python benchmarks/search.py [seeds]``.
"""

import sys
import time

import numpy as np

from spearmint import Config, DynamicValue, experiment
from spearmint.evaluation.search.proposals import Proposer
from spearmint.evaluation.search.space import Space
from spearmint.evaluation.search.studies import Told
from spearmint.planning.select import full_plan
from spearmint.proxy.proxy import experiment_of

SIZES = [4] * 6
ROWS, SEARCHED, TRIALS, BATCH = 300, 210, 200, 8


@experiment(configs={name: DynamicValue(list("wxyz")) for name in "abcdef"})
def answer(config: Config) -> Config:
    """Stand for the function that is searched."""
    return config


def world(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return for each config the share of rows that it passes in the long run, and by row whether it passes."""
    rng = np.random.default_rng(seed)
    grid = np.indices(SIZES).reshape(len(SIZES), -1)
    scores = sum(rng.normal(0, 0.5, size)[grid[number]] for number, size in enumerate(SIZES))
    for one in range(len(SIZES)):
        for other in range(one):
            scores = scores + rng.normal(0, 0.15, (4, 4))[grid[one], grid[other]]
    hard = rng.normal(0, 1, ROWS)
    shares = 1 / (1 + np.exp(-(scores - scores.mean() + 0.3)[:, None] - hard))
    return shares.mean(axis=1), rng.random(shares.shape) < shares


def regret(seed: int) -> tuple[float, float]:
    """Return how far the config that a search finds is from the best, and how far that of the highest mean is."""
    true, passes = world(seed)
    means = passes[:, :SEARCHED].mean(axis=1)
    proposer = Proposer(Space(full_plan(experiment_of(answer)[0])), [1], seed)
    told: list[Told] = []
    while len(told) < TRIALS:
        for choice in proposer.propose(told, BATCH):
            at = int(np.ravel_multi_index(tuple(map(int, choice)), SIZES))
            noise = max(means[at] * (1 - means[at]), 0.01) / SEARCHED
            told.append(Told(len(told), choice, str(at), [means[at]], [noise], SEARCHED, is_dropped=False))
    found = int(told[int(proposer.estimates(told)[:, 0].argmax())].case_id)
    luckiest = int(max(told, key=lambda one: one.scores[0]).case_id)
    return float(true.max() - true[found]), float(true.max() - true[luckiest])


def main() -> None:
    """Search in all worlds."""
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    started = time.perf_counter()
    regrets = np.array([regret(seed) for seed in range(seeds)])
    cells = (TRIALS * SEARCHED + 2 * (ROWS - SEARCHED)) / (np.prod(SIZES) * ROWS)
    print(f"{cells:.1%} of the cells, {seeds} seeds, {time.perf_counter() - started:.0f} s")
    for name, own in zip(("best()", "highest mean"), regrets.T, strict=True):
        print(
            f"{name}: within a point in {(own <= 0.01).mean():.0%}, mean regret {own.mean():.4f}, worst {own.max():.4f}"
        )


if __name__ == "__main__":
    main()
