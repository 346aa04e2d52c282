"""Reading makes no store, waits for none, and believes MLflow only."""

import socket
import sqlite3

import pytest
from click.testing import CliRunner

from spearmint.cli import main
from spearmint.tracing.mlflow.readable import UnreadableStoreError, require_store
from tests.tracing.mlflow.test_server_store import JSON, LOGIN, server_that_answers

MISSING = (404, JSON, b'{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no"}')
FOUND = (200, JSON, b'{"experiment": {"experiment_id": "0"}}')


def told(uri):
    with pytest.raises(UnreadableStoreError) as caught:
        require_store(uri)
    return str(caught.value)


def test_missing_database_is_named_and_not_made(tmp_path) -> None:
    (tmp_path / "traces.db").touch()
    text = told(f"sqlite:///{tmp_path}/trace.db")
    assert f"there is no file '{tmp_path}/trace.db'" in text
    assert text.endswith("Check the tracking URI. Did you mean 'traces.db'?")
    assert [one.name for one in tmp_path.iterdir()] == ["traces.db"]
    assert "there is no file" in told(f"sqlite:///{tmp_path}/nowhere/trace.db")
    assert not (tmp_path / "nowhere").exists()


def test_command_tells_a_missing_database(tmp_path) -> None:
    result = CliRunner().invoke(main, ["traces", "--tracking-uri", f"sqlite:///{tmp_path}/typo.db"])
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: Cannot read 'sqlite:///{tmp_path}/typo.db': there is no file")
    assert list(tmp_path.iterdir()) == []


def test_file_that_is_not_mlflows_stays_as_it_is(tmp_path) -> None:
    other, text = tmp_path / "other.db", tmp_path / "notes.db"
    with sqlite3.connect(other) as database:
        database.execute("create table mine (x)")
    database.close()
    text.write_text("no database, but long enough to be taken for the head of one " * 4)
    before = other.read_bytes()
    assert "it has no tables of MLflow's" in told(f"sqlite:///{other}")
    assert "SQLite cannot open" in told(f"sqlite:///{text}")
    assert other.read_bytes() == before


def test_database_of_mlflow_is_readable(database) -> None:
    require_store(database)


@pytest.mark.slow
def test_server_that_never_answers_is_told(monkeypatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    with socket.socket() as listening:  # It takes the connection, and says nothing.
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        uri = f"http://ann:pw-1234567@127.0.0.1:{listening.getsockname()[1]}"
        text = told(uri)
    assert text.startswith("Cannot read 'http://ann:**********@127.0.0.1:")
    assert "no MLflow server answers there" in text
    assert "pw-1234567" not in text


def test_server_that_refuses_is_told() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    assert "no MLflow server answers there" in told(f"http://127.0.0.1:{port}")


@pytest.mark.parametrize("answer", [LOGIN, (200, JSON, b'{"ok": true}'), (404, "text/html", b"<html>nothing")])
def test_answer_that_is_not_mlflows_is_not_believed(answer) -> None:
    with server_that_answers(answer, answer) as uri:
        text = told(uri)
        result = CliRunner().invoke(main, ["traces", "--tracking-uri", uri])
    assert "Cannot" in text
    assert (result.exit_code, result.stderr) == (1, f"Error: {text}\n")
    assert "pw-1234567" not in text


@pytest.mark.parametrize("answer", [FOUND, MISSING])
def test_answer_of_mlflow_is_believed_by_a_reader(answer) -> None:
    with server_that_answers(answer, answer) as uri:
        require_store(uri)
