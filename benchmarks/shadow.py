"""What handing over shadow variants costs main, as a ratio to handing one pair per variant to a bounded queue.

The floor is a `functools.wraps` closure that sets and resets one context variable around main, then puts one
(context, job) pair per variant into a `queue.Queue` of 1,000, served by as many daemon threads as Spearmint has. Main
does nothing, so that the hand-over is all there is to see. Calls are paced, at a rate that the threads can serve: in a
tight loop both sides would mostly drop, and dropping is not the question. What is dropped all the same is counted.

Bursts are another question: a queue takes what a busy service hands over while all threads are at work, and none is
woken. Their floor puts the pairs into a `queue.SimpleQueue` that nobody reads meanwhile.

Afterwards 10,000 calls in a tight loop, most of whose variants are dropped, show that threads and memory stay flat
and that every variant is accounted for.
"""

import functools
import queue
import resource
import sys
import threading
import time
from collections.abc import Callable
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Annotated, Any

from floor import report, summary, without_gc

import spearmint
from spearmint import Bind, Spearmint
from spearmint.execution.pool import variant_pool
from spearmint.strategies import ShadowStrategy

CASE: ContextVar[object] = ContextVar("case", default=None)
LIMIT = 2
BURST_LIMITS = {1: 5, 4: 4}
BURST = 200  # calls of each side in a round
BURST_ROUNDS = 31
ROUNDS = 9
CALLS = 40  # of each side in a round; their median counts
SHORTEST_PAUSE = 0.002
LOAD = 0.6  # share of the time that the threads are busy
FLUSH_SECONDS = 60
MANY_CALLS = 10_000
WARM_CALLS = 2_000
MEGABYTES = 5


def sleep_1_ms() -> None:
    """Wait, as for a fast service."""
    time.sleep(0.001)


def sleep_20_ms() -> None:
    """Wait, as for a slow one."""
    time.sleep(0.02)


def nothing() -> None:
    """Do nothing."""


def burn_100_us() -> None:
    """Compute, with the lock of the interpreter held."""
    end = time.perf_counter() + 0.0001
    while time.perf_counter() < end:
        pass


class Pool:
    """A bounded queue of (context, job) pairs, served by daemon threads."""

    def __init__(self, workers: int, size: int) -> None:
        self.dropped = 0
        self._queue: queue.Queue[tuple[Context, Callable[[], object]]] = queue.Queue(size)
        for _ in range(workers):
            threading.Thread(target=self._work, daemon=True).start()

    def hand_over(self, job: Callable[[], object]) -> None:
        """Put one pair."""
        try:
            self._queue.put_nowait((copy_context(), job))
        except queue.Full:
            self.dropped += 1

    def flush(self) -> None:
        """Wait for all of them."""
        self._queue.join()

    def _work(self) -> None:
        while True:
            context, job = self._queue.get()
            context.run(job)
            self._queue.task_done()


class Burst:
    """A queue of (context, job) pairs that nobody reads meanwhile."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[tuple[Context, Callable[[], object]]] = queue.SimpleQueue()

    def hand_over(self, job: Callable[[], object]) -> None:
        """Put one pair."""
        self._queue.put((copy_context(), job))

    def clear(self) -> None:
        """Forget all pairs."""
        self._queue = queue.SimpleQueue()


def floor(function: Callable[[int], object], variants: int, pool: Pool | Burst) -> Callable[[], object]:
    """Return the plainest wrapper that hands over variants."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> object:
        kwargs["variant"] = 0
        token = CASE.set(0)
        try:
            return function(*args, **kwargs)
        finally:
            CASE.reset(token)
            for variant in range(1, variants + 1):
                pool.hand_over(functools.partial(function, variant=variant))

    return call


def ours(function: Callable[[int], object], variants: int) -> Callable[[], object]:
    """Return the same as an experiment."""
    configs = [{"variant": variant} for variant in range(variants + 1)]
    declared: Any = Spearmint(configs=configs, strategy=ShadowStrategy).experiment(function)
    return declared  # type: ignore[no-any-return]


def doing(job: Callable[[], None]) -> Callable[[int], object]:
    """Return a function whose main does nothing and whose variants do the job."""

    def function(variant: Annotated[int, Bind("variant")]) -> None:
        if variant:
            job()

    return function


@dataclass(frozen=True, slots=True)
class Question:
    """One line of the table."""

    name: str
    floor: Callable[[], object]
    ours: Callable[[], object]
    pause: float


def questions(pool: Pool, workers: int) -> list[Question]:
    """Return the lines: three jobs, with one and with four variants."""
    jobs = (
        ("1 ms", sleep_1_ms, 0.001, workers),
        ("20 ms", sleep_20_ms, 0.02, workers),
        ("100 µs of CPU", burn_100_us, 0.0001, 1),
    )
    found = []
    for label, job, seconds, at_once in jobs:
        for variants in (1, 4):
            function = doing(job)
            name = f"{variants} variant{'s' * (variants > 1)} of {label}"
            pause = max(SHORTEST_PAUSE, variants * seconds / at_once / LOAD)
            found.append(Question(name, floor(function, variants, pool), ours(function, variants), pause))
    return found


def paced(call: Callable[[], object], pause: float) -> float:
    """Return the median time of calls that come one after another, with a pause after each."""
    times = []
    for _ in range(CALLS):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
        time.sleep(pause)
    return median(times)


def compare(pool: Pool, workers: int) -> bool:
    """Measure in turn, round by round, print the table, and return whether all limits hold."""
    lines = questions(pool, workers)
    samples: list[list[tuple[float, float]]] = [[] for _ in lines]
    with without_gc():
        for _ in range(ROUNDS):
            for line, measured in zip(lines, samples, strict=True):
                below = paced(line.floor, line.pause)
                pool.flush()
                above = paced(line.ours, line.pause)
                spearmint.flush(FLUSH_SECONDS)
                measured.append((below, above))
    passed = report([summary(line.name, measured, LIMIT) for line, measured in zip(lines, samples, strict=True)])
    print(f"dropped: floor {pool.dropped}, ours {spearmint.background_stats().dropped}")
    return passed


def compare_bursts(workers: int) -> bool:
    """Measure bursts while every worker is held, print the table, and return whether all limits hold."""
    size = variant_pool.limits.queue_size
    spearmint.configure(background={"queue_size": sum(BURST_LIMITS) * BURST * (BURST_ROUNDS + 1)})
    gate, begun = threading.Event(), threading.Semaphore(0)

    def hold() -> None:
        begun.release()
        gate.wait()

    holder = ours(doing(hold), 1)
    for _ in range(workers):
        holder()
        begun.acquire()
    rows, tails = [], []
    with without_gc():
        for variants, limit in BURST_LIMITS.items():
            pairs = Burst()
            function = doing(nothing)
            sides = floor(function, variants, pairs), ours(function, variants)
            rounds = []
            for _ in range(BURST_ROUNDS):
                rounds.append([burst(call) for call in sides])
                pairs.clear()
            name = f"burst, {variants} variant{'s' * (variants > 1)}"
            rows.append(summary(name, [(median(below), median(above)) for below, above in rounds[1:]], limit))
            p99 = [quantiles([time for one in side for time in one], n=100)[98] for side in zip(*rounds, strict=True)]
            tails.append(f"{name}: p99 of the floor {p99[0] * 1e6:.1f} µs, ours {p99[1] * 1e6:.1f} µs")
    gate.set()
    spearmint.flush(FLUSH_SECONDS)
    spearmint.configure(background={"queue_size": size})
    passed = report(rows)
    print(*tails, sep="\n")
    return passed


def burst(call: Callable[[], object]) -> list[float]:
    """Return the times of calls that come one after another."""
    times = []
    for _ in range(BURST):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return times


def stays_flat(workers: int) -> bool:
    """Call in a tight loop; print, and return, whether threads and memory stay flat and no variant is lost."""
    call = ours(doing(sleep_1_ms), 4)
    before = spearmint.background_stats()
    others = threading.active_count() - workers
    most = 0
    warm = 0.0
    for number in range(MANY_CALLS):
        if number == WARM_CALLS:
            warm = peak_megabytes()
        call()
        most = max(most, threading.active_count() - others)
    grown = peak_megabytes() - warm
    is_whole = spearmint.flush(FLUSH_SECONDS)
    after = spearmint.background_stats()
    handed, ended, dropped = (
        getattr(after, name) - getattr(before, name) for name in ("submitted", "finished", "dropped")
    )
    print(f"{MANY_CALLS} calls: {most} threads (limit {workers}), {grown:.1f} MB more (limit {MEGABYTES})")
    print(f"{handed} variants: {ended} finished, {dropped} dropped, {handed - ended - dropped} unaccounted for")
    is_accounted = is_whole and handed == 4 * MANY_CALLS == ended + dropped
    return is_accounted and most <= workers and grown <= MEGABYTES


def peak_megabytes() -> float:
    """Return the most memory that the process has had."""
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def main() -> int:
    """Print the table; return 1 when a limit is missed."""
    workers = variant_pool.limits.max_workers
    pool = Pool(workers, variant_pool.limits.queue_size)
    print(f"main's p50, paced calls, {workers} threads on either side")
    results = [compare_bursts(workers), compare(pool, workers), stays_flat(workers)]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
