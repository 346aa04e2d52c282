"""Stores that fail while traces are written, and a prefork server: each trace is written or counted."""

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import urllib.error
import urllib.request
from pathlib import Path
from time import monotonic, sleep

import pytest

pytest.importorskip("mlflow")

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent.parent
DEADLINE_SECONDS = 60

COMMON = """
import json, os, socket, threading
import spearmint
from spearmint import Config, Spearmint
from spearmint.strategies import ShadowStrategy

mint = Spearmint(configs=[{"n": 1}, {"n": 2}], tracing=True)

@mint.experiment(strategy=ShadowStrategy)
def times(x, config: Config):
    return x * config["n"]

def counts(stats, first):
    found = {name: getattr(stats, name) for name in stats.__slots__}
    assert 2 * found[first] == sum(found.values()), found
    return {name: count for name, count in found.items() if count}

def tell():
    return json.dumps([
        os.getpid(),
        counts(spearmint.background_stats(), "submitted"),
        counts(spearmint.tracing_stats(), "recorded"),
    ])
"""


def environment(**extra: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    return {**inherited, "PYTHONPATH": str(ROOT), "MLFLOW_DISABLE_TELEMETRY": "true", **extra}


def run(folder: Path, source: str) -> str:
    path = folder / "program.py"
    path.write_text(COMMON + textwrap.dedent(source), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(path)],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_server_that_dies_while_answering_costs_traces_only(tmp_path) -> None:
    told = run(
        tmp_path,
        """
        listener = socket.create_server(("127.0.0.1", 0))
        accepted = threading.Event()

        def die():
            connection, _ = listener.accept()
            accepted.set()
            connection.recv(1)
            listener.close()  # From here on it refuses.
            connection.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 1000\\r\\n\\r\\n{")
            connection.close()

        threading.Thread(target=die, daemon=True).start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        spearmint.configure(tracing={"tracking_uri": url, "timeout": 0.5})
        assert [times(x) for x in range(10)] == list(range(10))
        assert spearmint.flush(50)
        assert accepted.is_set()
        print(tell())
        """,
    )
    _, background, traces = json.loads(told)
    assert background == {"submitted": 10, "finished": 10}
    assert traces == {"recorded": 20, "failed": 20}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_preloaded_gunicorn_workers_count_their_own_traces(tmp_path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (tmp_path / "service.py").write_text(
        COMMON
        + textwrap.dedent("""
        assert times(1) == 1  # The master has used it before it forks.
        assert spearmint.flush(50)

        def app(environ, start_response):
            assert times(3) == 3
            assert spearmint.flush(30)
            start_response("200 OK", [("Content-Type", "application/json"), ("Connection", "close")])
            return [tell().encode()]
        """),
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "gunicorn", "--preload", "--workers", "2", "--bind", f"127.0.0.1:{port}"]
    log = tmp_path / "log"
    with log.open("wb") as out:
        server = subprocess.Popen(
            [*command, "service:app"],
            cwd=tmp_path,
            env=environment(MLFLOW_TRACKING_URI=f"sqlite:///{tmp_path}/traces.db"),
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        seen: dict[int, int] = {}
        deadline = monotonic() + DEADLINE_SECONDS
        while len(seen) < 2 and server.poll() is None and monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=35) as answer:
                    pid, background, traces = json.load(answer)
            except urllib.error.HTTPError:
                raise
            except OSError:
                sleep(0.1)  # A server says in no other way that it is up.
                continue
            calls = seen[pid] = seen.get(pid, 0) + 1
            assert background == {"submitted": calls, "finished": calls}
            assert traces == {"recorded": 2 * calls, "written": 2 * calls}
        assert len(seen) == 2, log.read_text("utf-8")
        assert server.pid not in seen
        server.send_signal(signal.SIGTERM)
        assert server.wait(30) == 0, log.read_text("utf-8")
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()
