"""A batch of traces is inserted by one statement for each table, and reads as if MLflow had written each alone."""

import json
import shutil
import sqlite3
from contextlib import contextmanager, suppress

import mlflow
import pytest
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from sqlalchemy import event

import spearmint
from spearmint import Config, RuntimeContext, Spearmint
from spearmint.strategies import ShadowStrategy
from spearmint.tracing.exporter import exporter
from spearmint.tracing.mlflow import batch_insert, trace_rows
from spearmint.tracing.mlflow.batch_insert import Transaction
from spearmint.tracing.mlflow.trace_rows import WRITTEN
from spearmint.tracing.mlflow.writer import MlflowWriter

OTHERS = ("assessments", "trace_metrics", "span_metrics")
mint = Spearmint(configs=[{"n": 1}, {"n": 2}], strategy=ShadowStrategy, tracing=True)
KNOWS_SUCH_ROWS = hasattr(trace_rows._INFO.c, "trace_name")  # mlflow 3.12.0 has columns of other names


@mint.experiment(configs=[{"k": 1}])
def inner(x, config: Config):
    return x // config.k


@mint.experiment()
def outer(x, config: Config):
    return inner(x) + config.n


@Spearmint(configs=[{"n": 1}], tracing=True).experiment()
def give(value, config: Config, model="small"):
    if isinstance(value, Exception):
        raise value
    return value


@Spearmint(configs=[{"n": 1}], tracing=True).experiment()
def items(count, config: Config):
    yield from range(count)


VALUES = [
    *[None, "", "text", "zażółć 東京", 1, 2.5, float("nan"), [], {}, {"a": {"b": [1]}}, b"\x00\xff"],
    *['{"a": 1}', ' {"model": "m"}', "[1]", '"quoted"', "1", '"', "{", "\\", '"\\u0041"', "\t[1]"],
    *[{"model": "gpt"}, {"model": ""}, {"model": 3}, {"model": {"name": "m"}}, {"x": {"model": "m"}}, ["model"]],
    *[{"model": "m" * 600}, {"messages": [{"role": "user", "content": "hi"}]}, {"usage": {"input_tokens": 3}}],
    *["x" * 5000, ValueError("wrong"), KeyError("mödel"), {"gen_ai.request.model": "m", "llm.model_name": "m"}],
]


@pytest.fixture
def kept(traced, monkeypatch):
    """Record calls, and write none."""
    found = []
    monkeypatch.setattr(exporter, "put", found.append)
    return found


@pytest.fixture
def recorded(kept):
    """Record calls with a variant each, the last of which fails."""
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
        tables = {name for (name,) in database.execute("select name from sqlite_master where type = 'table'")}
        return {
            table: sorted(map(repr, database.execute(f"select * from {table}").fetchall()))
            for table in (*WRITTEN, *OTHERS)
            if table in tables
        }


def write(traces, uri, writer=None):
    """Write a batch, and return the writer."""
    spearmint.configure(tracing={"tracking_uri": uri})
    writer = writer or MlflowWriter()
    assert writer.write(traces, exporter.options) == [None] * len(traces)
    return writer


def write_alone(traces, uri):
    """Write each trace by MLflow's own code, in transactions of its own."""
    writer = MlflowWriter()
    for trace in traces:
        spearmint.configure(tracing={"tracking_uri": uri})
        writer.open([trace], exporter.options)
        (store,) = writer._stores.values()
        store._transaction = None
        write([trace], uri, writer)


def transaction_of(writer):
    (store,) = writer._stores.values()
    return store._transaction


@contextmanager
def statements_on(uri):
    """Collect the statements that reach a database, without parameters."""
    found = []
    engine = SqlAlchemyStore._engine_map[uri]

    def note(_connection, _cursor, statement, *_):
        found.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(engine, "before_cursor_execute", note)


@pytest.fixture
def two(prepared_database, tmp_path):
    """Give two databases: for what MLflow writes one by one, and for what is written together."""
    paths = tmp_path / "alone.db", tmp_path / "together.db"
    for path in paths:
        shutil.copy(prepared_database, path)
    return [f"sqlite:///{path}" for path in paths]


def path_of(uri):
    return uri.removeprefix("sqlite:///")


@pytest.mark.slow
def test_batch_reads_as_if_each_trace_were_written_alone(recorded, two) -> None:
    alone, together = two
    write_alone(recorded, alone)
    writer = write(recorded[:1], together)
    assert transaction_of(writer).is_direct is KNOWS_SUCH_ROWS
    with statements_on(together) as statements:
        write(recorded[1:], together, writer)
    if KNOWS_SUCH_ROWS:
        assert not [one for one in statements if one.startswith("UPDATE")]
    found = rows(path_of(together))
    assert (len(found["trace_info"]), len(found["spans"])) == (6, 12)
    assert found == rows(path_of(alone))


@pytest.mark.slow
def test_whatever_calls_give_reads_as_mlflow_writes_it(kept, two) -> None:
    alone, together = two
    for value in VALUES:
        with suppress(Exception):
            give(value)
        with suppress(Exception):
            give("short", model=value)
    list(items(3))
    stopped = items(3)
    next(stopped)
    stopped.close()
    for number, trace in enumerate(kept):  # MLflow rounds the beginning and the end of a trace, each by itself.
        root = trace.spans[0]
        root.started -= root.started % 1_000_000 - number * 10_000
        root.ended = root.started + 990_000
    write_alone(kept, alone)
    writer = write(kept[:1], together)
    assert transaction_of(writer).is_direct is KNOWS_SUCH_ROWS
    write(kept[1:], together, writer)
    assert len(rows(path_of(together))["trace_info"]) == 2 * len(VALUES) + 2
    assert rows(path_of(together)) == rows(path_of(alone))


@pytest.mark.slow
def test_traces_of_a_batch_are_found_and_shown_alike(recorded, two) -> None:
    alone, together = two
    write_alone(recorded, alone)
    writer = write(recorded[:1], together)
    write(recorded[1:], together, writer)
    read = []
    for uri in two:
        mlflow.set_tracking_uri(uri)
        found = mlflow.search_traces(
            locations=["0"],
            filter_string="tags.`spearmint.role` = 'variant' AND metadata.`spearmint.attribute.user_id` = 'ann'",
            return_type="list",
        )
        read.append({one.info.trace_id: one.to_dict() for one in found})
        (trace_id, *_) = sorted(read[-1])
        assert mlflow.get_trace(trace_id).to_dict() == read[-1][trace_id]
        mlflow.log_feedback(trace_id=trace_id, name="good", value=True)
        assert [one.value for one in mlflow.get_trace(trace_id).info.assessments] == [True]
    assert len(read[0]) == 3
    assert json.dumps(read[0], sort_keys=True) == json.dumps(read[1], sort_keys=True)


def test_trace_with_spans_of_others_is_written_by_mlflow(kept, two, monkeypatch) -> None:
    @Spearmint(configs=[{"n": 1}], tracing=True).experiment()
    def ask(question, config: Config):
        with mlflow.start_span("model", span_type="LLM") as span:
            span.set_attribute("mlflow.chat.tokenUsage", {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7})
        return question

    spearmint.configure(tracing={"mode": "live"})
    ask("why")
    spearmint.configure(tracing={"mode": "deferred"})
    for x in range(3):
        give(x)
    live, *plain = kept
    alone, together = two
    write_alone(kept, alone)
    writer = write(plain[:1], together)
    started = []
    start_trace = SqlAlchemyStore.start_trace
    monkeypatch.setattr(
        SqlAlchemyStore,
        "start_trace",
        lambda self, info: started.append(info.trace_id) or start_trace(self, info),
    )
    write([plain[1], live, plain[2]], together, writer)
    if KNOWS_SUCH_ROWS:
        assert started == [live.trace_id]
    assert rows(path_of(together)) == rows(path_of(alone))
    mlflow.set_tracking_uri(together)
    assert mlflow.get_trace(live.trace_id).info.token_usage["total_tokens"] == 7


def test_batch_takes_the_same_statements_for_more_traces(recorded, database) -> None:
    writer = write(recorded[:2], database)
    with statements_on(database) as few:
        write(recorded[2:4], database, writer)
    for trace in recorded:
        trace.number += 1
    with statements_on(database) as many:
        write(recorded[:4], database, writer)
    assert len(few) == len(many)


@pytest.mark.skipif(not KNOWS_SUCH_ROWS, reason="MLflow writes other rows, which are left to it")
def test_rows_that_mlflow_writes_otherwise_are_left_to_it(recorded, two, monkeypatch) -> None:
    alone, together = two
    write_alone(recorded, alone)
    made = trace_rows._info_row

    def with_other_status(trace, experiment_id):
        return {**made(trace, experiment_id), "status": "ELSE"}

    monkeypatch.setattr(trace_rows, "_info_row", with_other_status)
    writer = write(recorded[:2], together)
    assert transaction_of(writer).is_direct is False
    write(recorded[2:], together, writer)
    assert rows(path_of(together)) == rows(path_of(alone))


@pytest.mark.skipif(not KNOWS_SUCH_ROWS, reason="MLflow writes other rows, which are left to it")
def test_table_that_is_not_known_leaves_traces_to_mlflow(recorded, database, monkeypatch) -> None:
    monkeypatch.setattr(batch_insert, "WRITTEN", WRITTEN - {"spans"})
    assert transaction_of(write(recorded[:2], database)).is_direct is False


def test_trace_that_is_there_already_costs_no_other(recorded, database) -> None:
    writer = write(recorded[:1], database)
    before = len(rows(path_of(database))["trace_info"])
    write(recorded, database, writer)
    assert (before, len(rows(path_of(database))["trace_info"])) == (1, 6)


def test_transaction_leaves_the_store_as_it_was(recorded, database) -> None:
    write(recorded[:1], database)
    store = SqlAlchemyStore(database, str(database) + "-artifacts")
    before = dict(vars(store))
    Transaction(store)
    assert vars(store) == before
