"""A batch of traces is inserted by one statement for each table, and reads as if each were written alone."""

import shutil
import sqlite3

import pytest
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from sqlalchemy import event

import spearmint
from spearmint import Config, RuntimeContext, Spearmint
from spearmint.strategies import ShadowStrategy
from spearmint.tracing.exporter import exporter
from spearmint.tracing.mlflow.batch_insert import Transaction
from spearmint.tracing.mlflow.writer import MlflowWriter

TABLES = ("trace_info", "trace_tags", "trace_request_metadata", "spans", "assessments")
mint = Spearmint(configs=[{"n": 1}, {"n": 2}], strategy=ShadowStrategy, tracing=True)


@mint.experiment(configs=[{"k": 1}])
def inner(x, config: Config):
    return x // config.k


@mint.experiment()
def outer(x, config: Config):
    return inner(x) + config.n


@pytest.fixture
def recorded(traced, monkeypatch):
    """Record calls, one of which fails, and write none."""
    kept = []
    monkeypatch.setattr(exporter, "put", kept.append)
    for x in (1, 2, "wrong"):
        with RuntimeContext(attributes={"user_id": "ann"}), Spearmint.run(outer, await_variants=True) as runner:
            try:
                runner(x)
            except TypeError:
                assert x == "wrong"
    assert len(kept) == 6
    return kept


def rows(path):
    with sqlite3.connect(path) as database:
        found = {table: sorted(map(repr, database.execute(f"select * from {table}").fetchall())) for table in TABLES}
    database.close()
    return found


def write(traces, uri):
    spearmint.configure(tracing={"tracking_uri": uri})
    assert MlflowWriter().write(traces, exporter.options) == [None] * len(traces)


def test_batch_reads_as_if_each_trace_were_written_alone(recorded, prepared_database, tmp_path) -> None:
    alone, together = tmp_path / "alone.db", tmp_path / "together.db"
    for path in (alone, together):
        shutil.copy(prepared_database, path)
    for trace in recorded:
        write([trace], f"sqlite:///{alone}")
    write(recorded, f"sqlite:///{together}")
    found = rows(together)
    assert {table: len(held) for table, held in found.items() if table in ("trace_info", "spans")} == {
        "trace_info": 6,
        "spans": 12,
    }
    assert found == rows(alone)


def test_batch_takes_the_same_statements_for_more_traces(recorded, database) -> None:
    statements = []
    write(recorded[:2], database)
    engine = SqlAlchemyStore._engine_map[database]

    def note(_connection, _cursor, statement, *_):
        if statement.startswith(("INSERT", "SELECT")):
            statements.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    write(recorded[2:4], database)
    few = len(statements)
    statements.clear()
    for trace in recorded:
        trace.number += 1
    write(recorded[:4], database)
    event.remove(engine, "before_cursor_execute", note)
    assert len(statements) == few


def test_trace_that_is_there_already_costs_no_other(recorded, database) -> None:
    write(recorded[:1], database)
    before = len(rows(database.removeprefix("sqlite:///"))["trace_info"])
    write(recorded, database)
    assert (before, len(rows(database.removeprefix("sqlite:///"))["trace_info"])) == (1, 6)


def test_transaction_leaves_the_store_as_it_was(recorded, database) -> None:
    write(recorded[:1], database)
    store = SqlAlchemyStore(database, str(database) + "-artifacts")
    before = dict(vars(store))
    Transaction(store)
    assert vars(store) == before
