"""What an online experiment costs: a sticky call, the first exposure of a unit, and the journal; and what it counts.

The floor of a call is that of `call_overhead.py`. Every function here does nothing, so that only the wrapping is
measured. Where the SDKs of GrowthBook, OpenFeature and LaunchDarkly are installed, what evaluates a flag in them is
measured beside it.
"""

import importlib
import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from call_overhead import CONFIG, Frozen, floor, with_frozen
from floor import Row, compare, without_gc

import spearmint
from spearmint import RuntimeContext, Spearmint
from spearmint.strategies import SplitStrategy

UNITS = 50_000
PART = 500
PASSES = 5
RECORDS_PER_SECOND = 50_000
FIRST_MICROSECONDS = 3.0
SHARE_OF_PEER = 0.3
CALLS = 1_000_000
THREADS = 8
POPULATION = 10_000


def sticky_calls(call: Callable[[], Any], plain: Callable[[], Any]) -> bool:
    """Compare a call of one unit, again and again, with the floor: without a journal, and exposed before."""
    call()
    rows = [Row(name="sticky, no journal", floor=plain, ours=call, limit=5)]
    held = compare(rows)
    with tempfile.TemporaryDirectory() as folder:
        spearmint.configure(online={"journal": folder})
        call()
        held &= compare([Row(name="sticky, exposed before", floor=plain, ours=call, limit=5)])
        spearmint.flush(10)
        spearmint.configure(online={"journal": None})
    return held


def first_exposures(page: Callable[[], Any]) -> bool:
    """Measure what the first exposure of each unit costs its caller more, and how fast records are written.

    Both are times of the processor: the caller's thread alone, and the whole process without what the calls take. A
    further call is one after a flush, which has to begin the means of its unit anew, as each unit's first does; the
    call after that, which finds assignment and means at hand, is told beside it. Of each, the best of several passes
    counts, as the others were disturbed.
    """
    passes = [_first_exposures(page, number) for number in range(PASSES)]
    first, again, at_hand = (min(times) for times in zip(*(one[0] for one in passes), strict=True))
    more, beyond = first - again, first - at_hand
    rate, lost = max(one[1] for one in passes), sum(one[2] for one in passes)
    limit = f"(limit {FIRST_MICROSECONDS})"
    print(f"first exposure: {more:.2f} µs more than a further call {limit}, {beyond:.2f} than one with all at hand")
    print(f"journal: {lost} records lost, {rate:,.0f} per second of one core (limit {RECORDS_PER_SECOND:,})")
    return not lost and more <= FIRST_MICROSECONDS and rate >= RECORDS_PER_SECOND


def _first_exposures(page: Callable[[], Any], number: int) -> tuple[list[float], float, int]:
    """Return what the three calls took in one pass, in µs, the records per second, and how many were lost."""
    contexts = [RuntimeContext(attributes={"user_id": f"unit-{number}-{unit}"}) for unit in range(UNITS)]
    with tempfile.TemporaryDirectory() as folder, without_gc():
        spearmint.configure(online={"journal": folder, "queue_size": UNITS, "flush_every": 600.0, "dedupe": 2 * UNITS})
        before = spearmint.exposure_stats()
        started = time.process_time()
        parts = [contexts[start : start + PART] for start in range(0, UNITS, PART)]
        first = [seconds_of_calls(page, part) for part in parts]
        is_whole = spearmint.flush(60)
        used = time.process_time() - started - sum(first)
        again = [seconds_of_calls(page, part) for part in parts]
        after = spearmint.exposure_stats()
        at_hand = [seconds_of_calls(page, part) for part in parts]
        spearmint.flush(60)
        spearmint.configure(online={"journal": None, "flush_every": 5.0})
    written = after.written - before.written
    lost = after.dropped + after.failed - before.dropped - before.failed + (not is_whole)
    return [median(times) / PART * 1e6 for times in (first, again, at_hand)], written / used, lost


def exact_counts(page: Callable[[], Any]) -> bool:
    """Call for some thousands of units a million times, by several threads, and count what the journal has."""

    def call(offset: int) -> None:
        for number in range(CALLS // THREADS):
            with contexts[(number * 7 + offset) % POPULATION]:
                page()

    contexts = [RuntimeContext(attributes={"user_id": f"person-{number}"}) for number in range(POPULATION)]
    with tempfile.TemporaryDirectory() as folder:
        spearmint.configure(online={"journal": folder, "dedupe": 10 * POPULATION})
        before = spearmint.exposure_stats()
        workers = [threading.Thread(target=call, args=(13 * number,)) for number in range(THREADS)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        is_whole = spearmint.flush(60)
        after = spearmint.exposure_stats()
        spearmint.configure(online={"journal": None})
        lines = [line for file in Path(folder).glob("*.jsonl") for line in file.read_text("utf-8").splitlines()]
    records = [json.loads(line) for line in lines]
    exposures = [one["feature_flag.context.id"] for one in records if one["type"] == "exposure"]
    measured = sum(one["count"] for one in records if one.get("name") == "duration")
    repeated = after.repeated - before.repeated
    lost = after.dropped + after.failed + after.pending - before.dropped - before.failed - before.pending
    print(
        f"{CALLS:,} calls of {POPULATION:,} units by {THREADS} threads: {len(exposures):,} exposures of "
        f"{len(set(exposures)):,} units, {repeated:,} repeated, {lost} lost, {measured:,} calls measured"
    )
    is_exact = len(exposures) == len(set(exposures)) == POPULATION and repeated == CALLS - POPULATION
    return is_whole and is_exact and not lost and measured == CALLS


def seconds_of_calls(page: Callable[[], Any], contexts: list[RuntimeContext]) -> float:
    """Return what a call in each context takes of this thread's processor, together."""
    started = time.thread_time()
    for context in contexts:
        with context:
            page()
    return time.thread_time() - started


def growthbook_call() -> Callable[[], Any]:
    """Return an evaluation of a feature by GrowthBook's SDK."""
    growthbook = importlib.import_module("growthbook")
    rule = {"variations": [1, 2], "hashAttribute": "id", "weights": [0.5, 0.5]}
    client = growthbook.GrowthBook(attributes={"id": "ann"}, features={"page": {"defaultValue": 1, "rules": [rule]}})
    return lambda: client.get_feature_value("page", 1)


def openfeature_call() -> Callable[[], Any]:
    """Return an evaluation by OpenFeature's client with its own in-memory provider, which hashes nothing."""
    api = importlib.import_module("openfeature.api")
    memory = importlib.import_module("openfeature.provider.in_memory_provider")
    context = importlib.import_module("openfeature.evaluation_context").EvaluationContext("ann")
    api.set_provider(memory.InMemoryProvider({"page": memory.InMemoryFlag("one", {"one": 1, "two": 2})}))
    client = api.get_client()
    return lambda: client.get_integer_value("page", 0, context)


def launchdarkly_call() -> Callable[[], Any]:
    """Return an evaluation by LaunchDarkly's SDK, of a flag without rules, without a network."""
    ldclient = importlib.import_module("ldclient")
    data = importlib.import_module("ldclient.integrations.test_data").TestData.data_source()
    data.update(data.flag("page").variations(1, 2).fallthrough_variation(0))
    config = importlib.import_module("ldclient.config").Config(
        "sdk-key", update_processor_class=data, send_events=False
    )
    client = importlib.import_module("ldclient.client").LDClient(config)
    context = ldclient.Context.create("ann")
    return lambda: client.variation("page", context, 0)


def peers(call: Callable[[], Any]) -> bool:
    """Compare with the SDKs of the field that are installed: at most a share of the cheapest of them."""
    rows = []
    makers = {"GrowthBook": growthbook_call, "OpenFeature": openfeature_call, "LaunchDarkly": launchdarkly_call}
    for name, make in makers.items():
        try:
            theirs = make()
        except ImportError:
            print(f"{name} is not installed, and not compared with")
            continue
        rows.append(Row(name=f"against {name}", floor=theirs, ours=call, limit=SHARE_OF_PEER))
    return compare(rows) if rows else True


def main() -> int:
    """Print the tables; return 1 when a limit is missed."""
    mint = Spearmint(configs=[CONFIG, {**CONFIG, "name": "large"}], strategy=SplitStrategy(salt="online"))
    page = mint.experiment()(with_frozen)
    plain = floor(with_frozen, Frozen(**CONFIG))
    with RuntimeContext(attributes={"user_id": "ann"}):
        results = [sticky_calls(page, plain), peers(page)]
    results += [first_exposures(page), exact_counts(page)]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
