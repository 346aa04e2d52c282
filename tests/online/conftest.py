"""A recorder with an empty account, and a journal of the test's own."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

import spearmint
from spearmint.online.options import OnlineOptions
from spearmint.online.writer import records

FLUSH_SECONDS = 20


def read_journal(folder: Path) -> list[dict[str, Any]]:
    """Every complete line of a journal, parsed, file by file."""
    found = []
    for path in sorted(folder.glob("*.jsonl")):
        *lines, _ = path.read_text(encoding="utf-8").split("\n")
        found += map(json.loads, lines)
    return found


@pytest.fixture
def online() -> Iterator[None]:
    """Begin with nothing recorded and nowhere to write; check at the end that the account adds up."""
    records.reset()
    records.options = OnlineOptions()
    yield
    assert spearmint.flush(FLUSH_SECONDS)
    stats = asdict(spearmint.exposure_stats())
    missing = stats.pop("missing_unit")
    assert 2 * stats["submitted"] == sum(stats.values())
    assert missing >= 0
    assert stats["pending"] == 0
    records.options = OnlineOptions()
    records.reset()


@pytest.fixture
def journal(online: None, tmp_path: Path) -> Callable[..., list[dict[str, Any]]]:
    """Write a journal; give what reads it, flushed, all records or those of one type."""
    folder = tmp_path / "journal"
    spearmint.configure(online={"journal": folder})

    def read(kind: str | None = None) -> list[dict[str, Any]]:
        assert spearmint.flush(FLUSH_SECONDS)
        return [record for record in read_journal(folder) if kind in (None, record["type"])]

    return read
