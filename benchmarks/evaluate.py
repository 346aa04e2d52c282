"""What an evaluation costs beside the work: per cell on threads, and how CPU-bound work gains from two processes.

The floor of the first row is a plain loop over the same cells that calls the function and the scorer and keeps the
scores in a list; a second line has the same with a store. The second compares a pool of one process with a pool of two,
both warm. The third evaluates a million cells and prints how much memory that took beyond what the rows take.
"""

import resource
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Annotated, Any

from spearmint import Bind, Spearmint

CELLS = 30_000
ROUNDS = 5
OVERHEAD_LIMIT = 50.0  # µs per cell
STORE_LIMIT = 100.0  # µs per cell with a store
SCALING_LIMIT = 0.65
HEAVY_CELLS = 240
MILLION = 1_000_000
BYTES_PER_CELL_LIMIT = 200

mint = Spearmint(configs=[{"factor": 1}, {"factor": 2}, {"factor": 3}])


@mint.experiment
def light(x: int, factor: Annotated[int, Bind("factor")]) -> int:
    """Do next to nothing."""
    return x * factor


@mint.experiment
def heavy(x: int, factor: Annotated[int, Bind("factor")]) -> int:
    """Compute for some ten milliseconds."""
    return sum(number * factor for number in range(200_000 + x))


def exact(outputs: int, expectations: dict[str, int]) -> bool:
    """Score an output."""
    return outputs == expectations["expected"]


def timed(work: Callable[[], Any]) -> float:
    """Return the seconds that a call takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def overhead() -> bool:
    """Print what a cell costs beyond a plain loop; return whether the limit holds."""
    rows = [{"x": x, "expected": 2 * x} for x in range(CELLS // 3)]
    plain = light.__wrapped__  # type: ignore[attr-defined]

    def loop() -> list[bool]:
        return [exact(plain(row["x"], factor=factor), row) for row in rows for factor in (1, 2, 3)]

    def ours() -> None:
        mint.evaluate(light, rows, scorers=[exact], progress=False)

    def stored() -> None:
        with TemporaryDirectory() as folder:
            mint.evaluate(light, rows, scorers=[exact], progress=False, store=Path(folder, "runs.db"))

    ours()
    times = [(timed(loop), timed(ours), timed(stored)) for _ in range(ROUNDS)]
    cost = median((above - below) / CELLS for below, above, _ in times) * 1e6
    kept = median((above - below) / CELLS for below, _, above in times) * 1e6
    print(f"overhead per cell on threads: {cost:.1f} µs (limit {OVERHEAD_LIMIT:g} µs)")
    print(f"with a store: {kept:.1f} µs (limit {STORE_LIMIT:g} µs)")
    return cost <= OVERHEAD_LIMIT and kept <= STORE_LIMIT


def scaling() -> bool:
    """Print how much of the time of one process two take; return whether the limit holds."""
    rows = [{"x": x} for x in range(HEAVY_CELLS // 3)]
    times: dict[int, list[float]] = {1: [], 2: []}
    pools = {workers: ProcessPoolExecutor(workers, mp_context=get_context("spawn")) for workers in times}

    def run(workers: int) -> None:
        scorers = {"one": lambda outputs: outputs > 0}
        mint.evaluate(heavy, rows, scorers=scorers, executor=pools[workers], progress=False)

    for workers in times:
        run(workers)
    for _ in range(ROUNDS):
        for workers, taken in times.items():
            taken.append(timed(lambda workers=workers: run(workers)))  # type: ignore[misc]
    for pool in pools.values():
        pool.shutdown()
    ratio = median(two / one for one, two in zip(times[1], times[2], strict=True))
    print(f"two processes take {ratio:.2f} of the time of one (limit {SCALING_LIMIT})")
    return ratio <= SCALING_LIMIT


def memory() -> bool:
    """Print what a million cells take; return whether the limit holds."""
    configs = [{"factor": factor} for factor in range(100)]
    rows = [{"x": x, "expected": 2 * x} for x in range(MILLION // len(configs))]
    before = peak()
    seconds = timed(lambda: mint.evaluate(light, rows, scorers=[exact], configs=configs, progress=False))
    grown = (peak() - before) / MILLION
    print(f"a million cells: {seconds:.0f} s, {grown:.0f} bytes each (limit {BYTES_PER_CELL_LIMIT})")
    return grown <= BYTES_PER_CELL_LIMIT


def peak() -> float:
    """Return the most bytes of memory that the process has had."""
    unit = 1 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def main() -> int:
    """Print the table; return 1 when a limit is missed."""
    results = [overhead(), scaling(), memory()]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
