"""Journals as tests read them: by process, complete lines only."""

import json
from collections import defaultdict


def _lines(folder):
    for path in sorted(folder.glob("*.jsonl")):
        *lines, _ = path.read_text(encoding="utf-8").split("\n")
        for line in lines:
            yield path.name.rpartition(".")[0].rpartition(".")[0], json.loads(line)


def records_by_process(folder):
    """Exposures and outcomes, by the process that wrote them."""
    found = defaultdict(list)
    for process, record in _lines(folder):
        found[process] += [] if record["type"] == "account" else [record]
    return dict(found)


def accounts_by_process(folder):
    """The last account of each process."""
    return {process: record for process, record in _lines(folder) if record["type"] == "account"}


def all_records(folder):
    """Everything, file by file."""
    return [record for _, record in _lines(folder)]
