"""What tracing costs the caller, beside `@mlflow.trace` on the same function, and how fast traces are written.

Deferred is the default: the call only records, and a worker of Spearmint's writes. Live is what happens where spans of
autologging or of the user have to nest. All sides write into databases of their own, of which each is the same.

Sustained: calls come at a fixed rate for some seconds, far beyond what any store takes. Memory must stay flat, every
loss must be counted, and the call must stay quick.
"""

import gc
import logging
import os
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from statistics import median, quantiles
from typing import Any

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

import mlflow
from floor import Measured, report

import spearmint
from spearmint import Spearmint

RATE = 10_000  # calls per second
SECONDS = 8.0
CALLS = 40  # of a round, which MLflow's queues hold
ROUNDS = 9
WRITTEN = 960  # which the queue holds
BATCH = 64
AT_LEAST = 1000  # traces per second of processor time, the calls included
TABLES = {
    "trace_info": "request_id",
    "trace_tags": "request_id",
    "trace_request_metadata": "request_id",
    "spans": "trace_id",
}
STATM = Path("/proc/self/statm")

mint = Spearmint(configs=[{"model": "small", "temperature": 0.5}])
PROMPT = "What is the capital of France, and since when? " * 4


def answer(prompt: str, config: dict[str, Any]) -> dict[str, Any]:
    """Stand for a quick function of an application."""
    return {"text": prompt.upper(), "model": config["model"], "scores": [0.1, 0.2, 0.3]}


plain = mint.experiment(tracing=False)(answer)
ours = mint.experiment()(answer)


@mlflow.trace
def theirs(prompt: str) -> dict[str, Any]:
    """Do the same under MLflow's own decorator."""
    return answer(prompt, {"model": "small", "temperature": 0.5})


def seconds_per_call(function: Callable[[str], Any]) -> float:
    """Time some calls with pauses between them, as requests have; the median, since the worker disturbs some."""
    samples = []
    for _ in range(CALLS):
        start = time.perf_counter()
        function(PROMPT)
        samples.append(time.perf_counter() - start)
        time.sleep(0.0005)
    return median(samples)


def settle() -> None:
    """Let nothing be written while the other side is measured."""
    spearmint.flush()
    mlflow.flush_trace_async_logging()


def compare(mode: str, limit: float) -> Measured:
    """Measure one mode against MLflow's decorator, round by round."""
    spearmint.configure(tracing={"mode": mode})
    samples = []
    for _ in range(ROUNDS):
        floor = seconds_per_call(theirs)
        settle()
        mine = seconds_per_call(ours)
        settle()
        samples.append((floor, mine))
    floors, mines = zip(*samples, strict=True)
    ratio = median(mine / floor for floor, mine in samples)
    return Measured(f"{mode}, of @mlflow.trace", median(floors), median(mines), ratio, limit)


def resident() -> int:
    """Return this process's memory, in bytes."""
    return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if STATM.exists() else 0


def sustain() -> bool:
    """Call at a fixed rate, print what came of it, and return whether the limits hold."""
    spearmint.configure(tracing={"mode": "deferred"})
    settle()
    before = spearmint.tracing_stats()
    took: list[float] = []
    memory = []
    start = time.perf_counter()
    for number in range(int(RATE * SECONDS)):
        while (began := time.perf_counter()) < start + number / RATE:
            pass
        ours(PROMPT)
        took.append(time.perf_counter() - began)
        if number % RATE == RATE - 1:
            gc.collect()
            memory.append(resident())
    elapsed = time.perf_counter() - start
    stats = spearmint.tracing_stats()
    recorded, dropped = stats.recorded - before.recorded, stats.dropped - before.dropped
    written = stats.written - before.written
    cuts = quantiles(took, n=100)
    grown = (memory[-1] - memory[1]) / memory[1] if memory[-1] else 0.0
    print(f"sustained: {len(took) / elapsed:.0f} calls/s for {elapsed:.1f} s (asked for {RATE})")
    print(f"  the call: p50 {cuts[49] * 1e6:.1f} µs, p99 {cuts[98] * 1e6:.1f} µs, of p50 {cuts[98] / cuts[49]:.1f}")
    print(f"  {recorded} recorded = {written} written + {dropped} dropped + {stats.pending} pending")
    print(f"  memory after each second, in MB: {', '.join(f'{size / 1e6:.0f}' for size in memory)}; grown {grown:+.1%}")
    settle()
    after = spearmint.tracing_stats()
    balanced = after.recorded == after.written + after.dropped + after.failed + after.pending
    return cuts[98] <= 10 * cuts[49] and abs(grown) < 0.1 and balanced and recorded == len(took)


def writing(label: str, function: Callable[[str], Any], count: int) -> float:
    """Print and return how many traces are written per second of processor time while nothing else happens."""
    spearmint.configure(tracing={"mode": "deferred"})
    settle()
    start, used = time.perf_counter(), time.process_time()
    for _ in range(count):
        function(PROMPT)
    settle()
    rate, per_processor = count / (time.perf_counter() - start), count / (time.process_time() - used)
    print(f"written by {label}: {rate:.0f} traces/s, {per_processor:.0f} per processor second")
    return per_processor


def rows_alone(database: Path, empty: Path) -> float:
    """Return how many traces per second of processor time SQLite takes whose rows are there already, one batch each."""
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(empty)) as target:
        traces = [one for (one,) in source.execute("select request_id from trace_info order by timestamp_ms desc")]
        batches = []
        for first in range(0, WRITTEN, BATCH):
            ids = traces[first : first + BATCH]
            for table, key in TABLES.items():
                names = ", ".join(column for _, column, *_ in source.execute(f"pragma table_info({table})"))
                marks = ", ".join("?" * len(ids))
                select = f"select {names} from {table} where {key} in ({marks})"  # noqa: S608 - MLflow's own names
                found = source.execute(select, ids).fetchall()
                values = ", ".join("?" * len(found[0]))
                insert = f"insert into {table} ({names}) values ({values})"  # noqa: S608 - as above
                batches.append((insert, found))
        used = time.process_time()
        for first in range(0, len(batches), len(TABLES)):
            with target:
                for statement, found in batches[first : first + len(TABLES)]:
                    target.executemany(statement, found)
        return WRITTEN / (time.process_time() - used)


def main() -> int:
    """Print the tables; return 1 when a limit is missed."""
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder:
        database, empty = Path(folder, "mlflow.db"), Path(folder, "empty.db")
        mlflow.set_tracking_uri(f"sqlite:///{database}")
        mlflow.get_experiment("0")  # With which MLflow makes its tables.
        shutil.copy(database, empty)
        for warm in (plain, theirs, ours):
            warm(PROMPT)
        settle()
        in_time = report([compare("deferred", 0.1), compare("live", 1.15)])
        theirs_rate = writing("@mlflow.trace", theirs, WRITTEN // 4)
        rate = writing("Spearmint", ours, WRITTEN)
        floor = rows_alone(database, empty)
        print(
            f"of processor time, that is {rate / theirs_rate:.1f} times as fast; the rows alone: {floor:.0f}, ", end=""
        )
        print(f"of which {rate / floor:.2f}; at least {AT_LEAST} are asked for")
        steady = sustain()
    return 0 if in_time and steady and rate >= AT_LEAST else 1


if __name__ == "__main__":
    sys.exit(main())
