"""What shadow variants cost main, against the cheapest way to hand over the same work.

The floor is the plainest wrapper of `call_overhead.py`, which after main puts one (context, job) pair for each variant
into a bounded queue, served by as many daemon threads as Spearmint has. It finds no config, keeps no account, catches
nothing. Calls are paced so that the variants keep up, as in a service. Main does nothing; its p50 is what counts.

At the end, 10,000 calls in a tight loop show that threads and memory stay flat and that every variant is accounted for.
"""

import functools
import queue
import sys
import threading
import time
from collections.abc import Callable
from contextvars import copy_context
from pathlib import Path
from statistics import median
from typing import Any

from call_overhead import CASE
from floor import report, summary

import spearmint
from spearmint import Config, Spearmint
from spearmint.execution.limits import Limits
from spearmint.strategies import ShadowStrategy

ROUNDS = 9
LIMIT = 3.0
CALLS = 10_000
PAGE = 4096


def sleep_1_ms() -> None:
    """Wait for a quick service."""
    time.sleep(0.001)


def sleep_20_ms() -> None:
    """Wait for a slow service."""
    time.sleep(0.02)


def spin_100_us() -> None:
    """Compute."""
    end = time.perf_counter() + 0.0001
    while time.perf_counter() < end:
        pass


def floor(work: Callable[[], None], variants: int) -> Callable[[], Any]:
    """Return main with the plainest hand-over behind it."""
    jobs: queue.Queue[Any] = queue.Queue(Limits().queue_size)

    def serve() -> None:
        while True:
            context, job = jobs.get()
            context.run(job)

    for _ in range(Limits().max_workers):
        threading.Thread(target=serve, daemon=True).start()

    def main(config: object) -> None:
        if config:
            work()

    @functools.wraps(main)
    def call(**kwargs: Any) -> None:
        kwargs["config"] = 0
        token = CASE.set(0)
        try:
            return main(**kwargs)
        finally:
            CASE.reset(token)
            for config in range(1, variants + 1):
                jobs.put_nowait((copy_context(), functools.partial(main, config)))

    return call


def shadowed(work: Callable[[], None], variants: int) -> Callable[[], Any]:
    """Return main as an experiment with as many variants."""
    mint = Spearmint(strategy=ShadowStrategy, configs=[{"variant": number} for number in range(variants + 1)])

    @mint.experiment()
    def main(config: Config) -> None:
        if config["variant"]:
            work()

    return main


def p50(call: Callable[[], Any], calls: int, pause: float) -> float:
    """Return the median seconds of calls with a pause after each."""
    times = []
    for _ in range(calls):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
        time.sleep(pause)
    return median(times)


def measure(work: Callable[[], None], seconds: float, variants: int) -> Any:
    """Compare one kind of variant."""
    sides = floor(work, variants), shadowed(work, variants)
    pause = 0.001 + 1.5 * seconds * variants / (1 if work is spin_100_us else Limits().max_workers)
    calls = max(20, min(200, int(0.4 / pause)))
    for side in sides:
        p50(side, 20, pause)
    samples = [(p50(sides[0], calls, pause), p50(sides[1], calls, pause)) for _ in range(ROUNDS)]
    spearmint.flush(10)
    return summary(f"{variants} x {work.__name__}", samples, LIMIT)


def resident() -> int:
    """Return the resident memory of the process in bytes, 0 where the system does not tell."""
    statm = Path("/proc/self/statm")
    return int(statm.read_text(encoding="ascii").split()[1]) * PAGE if statm.exists() else 0


def account() -> bool:
    """Run many calls as fast as they go; tell whether threads stay bounded and no variant is missing."""
    call = shadowed(sleep_1_ms, 4)
    for _ in range(CALLS // 10):
        call()
    memory, before = resident(), spearmint.background_stats()
    for _ in range(CALLS):
        call()
    threads = sum(thread.name.startswith("spearmint-worker") for thread in threading.enumerate())
    spearmint.flush(30)
    after = spearmint.background_stats()
    submitted = after.submitted - before.submitted
    ended = after.finished + after.failed + after.cancelled + after.timed_out + after.dropped + after.abandoned
    dropped = after.dropped - before.dropped
    print(f"\n{CALLS:,} calls, 4 variants each: {submitted:,} handed over, {dropped:,} dropped and counted,")
    print(f"{threads} worker threads, memory {(resident() - memory) / 2**20:+.1f} MiB")
    return submitted == 4 * CALLS and after.submitted == ended and threads <= Limits().max_workers


def main() -> int:
    """Print the ratios and the account; return 1 when a limit is missed."""
    kinds = ((sleep_1_ms, 0.001), (sleep_20_ms, 0.02), (spin_100_us, 0.0001))
    holds = report([measure(work, seconds, variants) for work, seconds in kinds for variants in (1, 4)])
    return 0 if account() and holds else 1


if __name__ == "__main__":
    sys.exit(main())
