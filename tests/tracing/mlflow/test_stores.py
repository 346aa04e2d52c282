"""A disk that is full is told as such, and what was half made does not stay in the way."""

from pathlib import Path

import pytest
from sqlalchemy import Engine, event
from sqlalchemy.exc import OperationalError

import spearmint
from spearmint import Config, Spearmint
from spearmint.tracing.mlflow.stores import open_store, sqlite_file

FLUSH_SECONDS = 30
FULL = "Cannot write traces to '{}': the disk is full. Make room, or set another tracking_uri"


@pytest.fixture
def disk_of():
    """Give databases that are opened from now on a number of pages, beyond which SQLite says that the disk is full."""
    pages = [2**30]

    def limit(connection, _record):
        connection.execute(f"PRAGMA max_page_count={pages[0]}")

    event.listen(Engine, "connect", limit)
    yield lambda count: pages.__setitem__(0, count)
    event.remove(Engine, "connect", limit)


@pytest.mark.slow
def test_full_disk_is_told_and_new_database_taken_back(tmp_path, disk_of) -> None:
    uri = f"sqlite:///{tmp_path}/new.db"
    disk_of(60)
    for _ in range(2):
        with pytest.raises(OSError, match="disk is full") as caught:
            open_store(uri, 1)
        assert FULL.format(uri) in str(caught.value)
        assert isinstance(caught.value.__cause__, OperationalError)
        assert not (tmp_path / "new.db").exists()
    disk_of(2**30)
    assert open_store(uri, 1).default_experiment_id() == "0"


def test_database_with_some_tables_is_told(tmp_path) -> None:
    import sqlite3

    file = tmp_path / "half.db"
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE logged_models (x INTEGER)")
    connection.close()
    with pytest.raises(OSError, match=r"only some of MLflow's tables, as after a full disk .* Move the file away"):
        open_store(f"sqlite:///{file}", 1)
    assert file.exists()


def test_full_disk_at_a_trace_is_counted_and_told(traced, disk_of, caplog) -> None:
    @Spearmint(configs=[{"n": 1}], tracing=True).experiment()
    def echo(text, config: Config):
        return text

    file = sqlite_file(traced)
    disk_of(1 + file.stat().st_size // 4096)
    for _ in range(5):
        echo("x" * 9000)
    assert spearmint.flush(FLUSH_SECONDS)
    stats = spearmint.tracing_stats()
    assert stats.recorded == 5
    assert stats.failed
    (record,) = [one for one in caplog.records if one.name == "spearmint"]
    assert FULL.format(traced) in record.message


@pytest.mark.parametrize(
    ("uri", "file"),
    [
        ("sqlite:///runs.db", Path("runs.db")),
        ("sqlite:////abs/runs.db", Path("/abs/runs.db")),
        ("sqlite://", None),
        ("sqlite:///:memory:", None),
        ("postgresql://host/db", None),
        ("./mlruns", None),
    ],
)
def test_sqlite_file_names_the_file_of_a_uri(uri, file) -> None:
    assert sqlite_file(uri) == file
