"""What a report on an online experiment costs: 10^7 records of ten hosts, against DuckDB's own count over the files.

The floor is ``COUNT(*) GROUP BY`` over the same files, by the same DuckDB with as much memory. Journals are as
processes write them: an exposure of each unit, ``error`` and ``duration`` of its calls, and a purchase of every third.

    python benchmarks/online_report.py [RECORDS]
"""

import importlib
import random
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from spearmint import online_report

RECORDS = 10_000_000
HOSTS = 10
LIMIT = 3.0
ROUNDS = 3
START = 1_700_000_000_000_000_000
PER_UNIT = 10 / 3  # records
ARMS = ("control", "discount")


def write_journals(folder: Path, records: int) -> int:
    """Write the journals; return how many records they hold."""
    units, written, rng = int(records / PER_UNIT), 0, random.Random(1)  # noqa: S311 - a benchmark keeps no secrets
    for host in range(HOSTS):
        with (folder / f"host{host}-1-a{host}.0000.jsonl").open("w", encoding="utf-8") as file:
            for unit in range(host, units, HOSTS):
                draw = rng.random()
                arm = ARMS[draw < 0.5]
                time_ns = START + unit * 1000
                about = f'"feature_flag.key":"shop.rank:score","feature_flag.result.variant":"{arm}"'
                about += ',"feature_flag.version":"0123456789abcdef"'
                whose = f'"feature_flag.context.id":"user-{unit}"'
                rest = '"feature_flag.result.reason":"split","spearmint.main":"control","spearmint.propensity":0.5'
                lines = [f'{{"type":"exposure","time":{time_ns},{about},{whose},{rest}}}\n']
                for name, value in (("error", 0.0), ("duration", draw)):
                    told = f'"name":"{name}","value":{value},"count":1'
                    lines.append(f'{{"type":"outcome","time":{time_ns + 500},{told},{whose},{about}}}\n')
                if unit % 3 == 0:
                    lines.append(
                        f'{{"type":"outcome","time":{time_ns + 800},"name":"purchase","value":{draw * 50},{whose}}}\n'
                    )
                written += len(lines)
                file.writelines(lines)
    return written


def count_by_duckdb(folder: Path) -> float:
    """Return the seconds that DuckDB takes to count the records by type and arm."""
    duckdb: Any = importlib.import_module("duckdb")
    with duckdb.connect(config={"memory_limit": "1GB", "preserve_insertion_order": "false"}) as connection:
        began = time.perf_counter()
        connection.execute(
            """
            SELECT type, "feature_flag.result.variant", count(*)
            FROM read_json(?, format = 'newline_delimited') GROUP BY ALL
            """,
            [str(folder / "*.jsonl")],
        ).fetchall()
        return time.perf_counter() - began


def main(records: int) -> bool:
    """Compare; tell whether the limit holds."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        written = write_journals(folder, records)
        size = sum(path.stat().st_size for path in folder.iterdir())
        floors, reports = [], []
        for _ in range(ROUNDS):  # In turn, of which the best count: the others were disturbed.
            floors.append(count_by_duckdb(folder))
            began = time.perf_counter()
            report = online_report(folder)
            reports.append(time.perf_counter() - began)
    floor, ours = min(floors), min(reports)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(
        f"{written:,} records, {size / 1e9:.2f} GB, {sum(report.facts.units.counts):,} units; peak memory {peak:.2f} GB"
    )
    print(f"COUNT(*) GROUP BY {floor:.1f} to {max(floors):.1f} s; report {ours:.1f} to {max(reports):.1f} s")
    held = ours <= LIMIT * floor
    print(f"{'ok  ' if held else 'FAIL'} report is {ours / floor:.2f} x the count, at most {LIMIT:g}")
    return held


if __name__ == "__main__":
    sys.exit(0 if main(int(sys.argv[1]) if len(sys.argv) > 1 else RECORDS) else 1)
