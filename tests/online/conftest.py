"""A recorder with an empty account, and a journal of the test's own."""

from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

import spearmint
from spearmint.online.options import OnlineOptions
from spearmint.online.writer import records
from tests.online.journals import all_records

FLUSH_SECONDS = 20


@pytest.fixture
def online() -> Iterator[None]:
    """Begin with nothing recorded and nowhere to write; check at the end that the account adds up."""
    records.reset()
    records.set_options(OnlineOptions())
    yield
    assert spearmint.flush(FLUSH_SECONDS)
    stats = asdict(spearmint.exposure_stats())
    missing = stats.pop("missing_unit")
    assert 2 * stats["submitted"] == sum(stats.values())
    assert missing >= 0
    assert stats["pending"] == 0
    records.set_options(OnlineOptions())
    records.reset()


@pytest.fixture
def journal(online: None, tmp_path: Path) -> Callable[..., list[dict[str, Any]]]:
    """Write a journal; give what reads it, flushed, all records or those of one type."""
    folder = tmp_path / "journal"
    spearmint.configure(online={"journal": folder})

    def read(kind: str | None = None) -> list[dict[str, Any]]:
        assert spearmint.flush(FLUSH_SECONDS)
        return [record for record in all_records(folder) if kind in (None, record["type"])]

    return read
