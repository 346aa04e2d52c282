"""Servers that fork, databases that are locked, variants that eat memory: what a service meets."""

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import textwrap
import urllib.error
import urllib.request
from pathlib import Path
from time import monotonic, sleep

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent.parent
DEADLINE_SECONDS = 100

pytest.importorskip("mlflow")

APP = """
import json, os
import mlflow
import spearmint
from spearmint import Spearmint
from spearmint.strategies import ShadowStrategy

mint = Spearmint(configs=[{"n": 1}, {"n": 2}], strategy=ShadowStrategy, tracing=True)

@mint.experiment()
def times(x, config):
    return x * config["n"]

times(1)  # In the parent, before it forks: its variant and its traces stay there.

def app(environ, start_response):
    stats = spearmint.background_stats()
    body = json.dumps({"pid": os.getpid(), "value": times(3), "submitted": stats.submitted}).encode()
    start_response("200 OK", [("Content-Type", "application/json")])
    return [body]
"""
GUNICORN = """
preload_app = True
workers = 2

def worker_exit(server, worker):
    import spearmint

    spearmint.flush(60)
"""


def ask(port, timeout=10):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=timeout) as answer:
        return json.load(answer)


def first_answer(port, server, log):
    deadline = monotonic() + DEADLINE_SECONDS
    while server.poll() is None and monotonic() < deadline:
        try:
            return ask(port, DEADLINE_SECONDS)  # It listens already while its fork waits for MLflow to be imported.
        except (urllib.error.URLError, ConnectionError):
            sleep(0.1)  # A server says in no other way that it is up.
    raise AssertionError(log.read_text())


@pytest.fixture
def prefork(tmp_path):
    """Serve with gunicorn, and give its port, its process and its log."""
    (tmp_path / "service.py").write_text(APP, encoding="utf-8")
    (tmp_path / "gunicorn.conf.py").write_text(GUNICORN, encoding="utf-8")
    log = tmp_path / "log"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/traces.db",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    command = [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "service:app"]
    with log.open("wb") as file:
        server = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=file, stderr=file)
        try:
            yield port, server, log
        finally:
            server.kill()
            server.wait()


def test_prefork_server_loses_no_trace_in_any_worker(prefork, tmp_path) -> None:
    port, server, log = prefork
    answers = [first_answer(port, server, log)]
    with socket.create_connection(("127.0.0.1", port), timeout=10) as slow:
        # Whoever has accepted that connection waits for its request, so that the other worker answers.
        answers += [ask(port) for _ in range(10)]
        slow.sendall(b"GET / HTTP/1.0\r\n\r\n")
        with slow.makefile("rb") as answer:
            answers.append(json.loads(answer.read().partition(b"\r\n\r\n")[2]))
    other, last = answers[-2]["pid"], answers[-1]["pid"]
    assert {one["pid"] for one in answers[1:-1]} == {other} != {last}
    assert {one["value"] for one in answers} == {3}
    for pid in (other, last):  # Each worker counts from zero.
        assert next(one["submitted"] for one in answers if one["pid"] == pid) == 0

    server.send_signal(signal.SIGTERM)
    assert server.wait(DEADLINE_SECONDS) == 0, log.read_text()

    with sqlite3.connect(tmp_path / "traces.db") as database:
        told = database.execute(
            "select value, count(*) from trace_tags where key = 'spearmint.role' group by value order by value"
        ).fetchall()
    expected = len(answers) + 1
    assert told == [("main", expected), ("variant", expected)], log.read_text()


def run(source, tmp_path, **environment):
    path = tmp_path / "program.py"
    path.write_text(textwrap.dedent(source), encoding="utf-8")
    return subprocess.run(
        [sys.executable, str(path)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "MLFLOW_DISABLE_TELEMETRY": "true", **environment},
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )


def test_a_locked_database_holds_up_traces_and_nothing_else(tmp_path) -> None:
    done = run(
        """
        import sqlite3
        import spearmint
        from spearmint import Spearmint

        @Spearmint(configs=[{"n": 2}], tracing=True).experiment()
        def times(x, config):
            return x * config["n"]

        times(0)
        assert spearmint.flush(60)  # The tables are there.
        database = sqlite3.connect("traces.db", isolation_level=None)
        database.execute("begin exclusive")
        assert [times(x) for x in range(1, 31)] == [2 * x for x in range(1, 31)]
        assert not spearmint.flush(0.2)
        stats = spearmint.tracing_stats()
        assert (stats.written, stats.pending + stats.failed) == (1, 30), stats
        database.execute("rollback")
        assert spearmint.flush(60)
        times(31)
        assert spearmint.flush(60)
        stats = spearmint.tracing_stats()
        kept = database.execute("select count(*) from trace_info").fetchone()[0]
        assert stats.recorded == 32 == stats.written + stats.failed, stats
        assert kept == stats.written >= 2, (kept, stats)
        """,
        tmp_path,
        MLFLOW_TRACKING_URI=f"sqlite:///{tmp_path}/traces.db",
    )
    assert done.returncode == 0, done.stderr


def test_a_variant_that_runs_out_of_memory_fails_alone(tmp_path) -> None:
    done = run(
        """
        import resource
        import spearmint
        from spearmint import Spearmint
        from spearmint.strategies import ShadowStrategy

        resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))

        @Spearmint(configs=[{"size": 1}, {"size": 4 << 30}], strategy=ShadowStrategy).experiment()
        def fill(config):
            return len(bytearray(config["size"]))

        with Spearmint.run(fill, await_variants=True) as runner:
            results = runner()
        print(results.main_result.result, results.variant_results[0].status, spearmint.background_stats().failed)
        raise SystemExit(not isinstance(results.variant_results[0].exception, MemoryError))
        """,
        tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "1 failed 1\n"


def test_10000_traced_calls_against_full_queues_are_all_counted(tmp_path) -> None:
    done = run(
        """
        import threading
        import spearmint
        from spearmint import Spearmint
        from spearmint.strategies import ShadowStrategy

        spearmint.configure(background={"queue_size": 50}, tracing={"queue_size": 50})
        gate = threading.Event()

        @Spearmint(configs=[{"n": 1}, {"n": 2}], strategy=ShadowStrategy, tracing=True).experiment()
        def times(x, config):
            return gate.wait() and x if config["n"] == 2 else x

        assert [times(x) for x in range(10_000)] == list(range(10_000))
        gate.set()
        assert spearmint.flush(60)
        variants, traces = spearmint.background_stats(), spearmint.tracing_stats()
        assert variants.submitted == 10_000 == variants.finished + variants.dropped, variants
        assert traces.recorded == traces.written + traces.dropped + traces.failed, traces
        assert traces.recorded == 10_000 + variants.finished, (traces, variants)
        assert variants.dropped and traces.dropped and traces.written
        """,
        tmp_path,
        MLFLOW_TRACKING_URI=f"sqlite:///{tmp_path}/traces.db",
    )
    assert done.returncode == 0, done.stderr
