"""Ratios of what is ours to a floor, measured in one process, interleaved."""

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import repeat
from statistics import median
from typing import Any

BATCH_SECONDS = 0.004
PAIRS = 5  # batches of each side in a round; the fastest of them counts, as the others were disturbed

Timer = Callable[[Callable[[], Any], int], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One question: how many times the floor may ours cost?

    Attributes:
        name: What is measured.
        floor: A function without arguments. Use a bare function or a partial: a lambda adds a call to both sides.
        ours: The same through Spearmint.
        limit: The highest ratio that passes.
        awaited: Whether the two are coroutine functions, to be awaited in one loop.
    """

    name: str
    floor: Callable[[], Any]
    ours: Callable[[], Any]
    limit: float
    awaited: bool = False


@dataclass(frozen=True, slots=True)
class Measured:
    """One line of the table: times in seconds, and the ratio that counts."""

    name: str
    floor: float
    ours: float
    ratio: float
    limit: float


def compare(rows: Sequence[Row], *, rounds: int = 9) -> bool:
    """Measure rows in turn, round by round, print the table, and return whether all limits hold."""
    samples: list[list[tuple[float, float]]] = [[] for _ in rows]
    with asyncio.Runner() as runner:

        def in_loop(function: Callable[[], Any], count: int) -> float:
            return runner.run(seconds_awaited(function, count))

        timers = [in_loop if row.awaited else seconds for row in rows]
        counts = [calibrate(timer, row) for timer, row in zip(timers, rows, strict=True)]
        with without_gc():
            for _ in range(rounds):
                for row, timer, count, measured in zip(rows, timers, counts, samples, strict=True):
                    pairs = [(timer(row.floor, count), timer(row.ours, count)) for _ in range(PAIRS)]
                    floors, ours = zip(*pairs, strict=True)
                    measured.append((min(floors) / count, min(ours) / count))
    return report([summary(row.name, measured, row.limit) for row, measured in zip(rows, samples, strict=True)])


def summary(name: str, samples: Sequence[tuple[float, float]], limit: float) -> Measured:
    """Reduce the rounds of one row, each (floor, ours) in seconds, to medians; the ratio is the median of ratios."""
    floors, ours = zip(*samples, strict=True)
    return Measured(name, median(floors), median(ours), median(b / a for a, b in samples), limit)


def report(lines: Sequence[Measured]) -> bool:
    """Print the table and return whether all limits hold."""
    width = max(len(line.name) for line in lines)
    print(f"{'':{width}}  {'floor µs':>11}  {'ours µs':>11}  {'ratio':>6}  {'limit':>6}")
    for line in lines:
        times = f"{line.floor * 1e6:11.3f}  {line.ours * 1e6:11.3f}"
        verdict = "ok" if line.ratio <= line.limit else "MISSED"
        print(f"{line.name:{width}}  {times}  {line.ratio:6.2f}  {line.limit:6.2f}  {verdict}")
    return all(line.ratio <= line.limit for line in lines)


def seconds(function: Callable[[], Any], count: int) -> float:
    """Time that many calls."""
    start = time.perf_counter()
    for _ in repeat(None, count):
        function()
    return time.perf_counter() - start


async def seconds_awaited(function: Callable[[], Awaitable[Any]], count: int) -> float:
    """Time that many calls, each awaited."""
    start = time.perf_counter()
    for _ in repeat(None, count):
        await function()
    return time.perf_counter() - start


def calibrate(timer: Timer, row: Row) -> int:
    """Find how many calls make a batch that the clock measures well; both sides are warm afterwards."""
    count = 1
    while timer(row.floor, count) < BATCH_SECONDS:
        count *= 2
    timer(row.ours, count)
    return count


@contextmanager
def without_gc() -> Iterator[None]:
    """Keep the collector out of what is timed."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
