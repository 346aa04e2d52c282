"""What does a sweep cost beyond its configs and their ids?

The floor is `itertools.product` into dicts plus ``sha256(json.dumps(config, sort_keys=True))``. Both sides make and
keep 100,000 configs, in turns.
"""

import json
import sys
from collections.abc import Callable
from hashlib import sha256
from itertools import product
from statistics import median
from time import perf_counter
from typing import Any

from spearmint.config import DynamicValue, generate_configurations, parse_configs

ROUNDS = 7
RATIO_LIMIT = 2.0
FIRST_LIMIT = 1e-3  # seconds
GRID: dict[str, list[Any]] = {
    "model": ["tiny", "small", "base", "large", "huge"],
    "temperature": [step / 20 for step in range(20)],
    "top_k": list(range(1, 11)),
    "chunk": [128, 256, 512, 1024, 2048],
    "prompt": [f"prompts/answer_{number}.txt" for number in range(20)],
}


def floor() -> int:
    """Make the configs by hand."""
    made = []
    for values in product(*GRID.values()):
        config = dict(zip(GRID, values, strict=True))
        made.append((config, sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:16]))
    return len(made)


def ours() -> int:
    """Make the same configs from a sweep."""
    configs = parse_configs({key: DynamicValue(values) for key, values in GRID.items()})
    return len([(config, config.config_id) for config in configs])


def seconds(work: Callable[[], object]) -> float:
    """Time one run."""
    start = perf_counter()
    work()
    return perf_counter() - start


def first_of_many() -> object:
    """Make the first config of 10^9, the grid included."""
    axes = {f"axis_{number}": DynamicValue(list(range(10))) for number in range(9)}
    return next(generate_configurations(axes))


def main() -> int:
    """Print the figures; return 1 when a limit is missed."""
    count = floor()
    rounds = [(seconds(floor), seconds(ours), seconds(first_of_many)) for _ in range(ROUNDS)]
    base, own, first = (median(column) for column in zip(*rounds, strict=True))
    ratio = median(round_[1] / round_[0] for round_ in rounds)
    print(f"{count:,} configs with ids, medians of {ROUNDS} rounds")
    print(f"  floor  {base / count * 1e6:8.2f} µs per config")
    print(f"  ours   {own / count * 1e6:8.2f} µs per config")
    print(f"  ratio  {ratio:8.2f}  (limit {RATIO_LIMIT:.2f})")
    print(f"first config of 10^9: {first * 1e6:.0f} µs  (limit {FIRST_LIMIT * 1e6:.0f} µs)")
    return int(ratio > RATIO_LIMIT or first > FIRST_LIMIT)


if __name__ == "__main__":
    sys.exit(main())
