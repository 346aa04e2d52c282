"""Against a live MLflow server, which these tests start and stop."""

import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from time import monotonic, sleep

import mlflow
import pytest

import spearmint
from spearmint import Spearmint
from spearmint.tracing.exporter import exporter

pytestmark = pytest.mark.slow

START_SECONDS = 90
FLUSH_SECONDS = 60


def is_up(url):
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=1):
            return True
    except OSError:
        return False


@pytest.fixture(scope="module")
def server(prepared_database, tmp_path_factory):
    """Start a server of one worker on a free port of loopback, and end it by its process group."""
    folder = tmp_path_factory.mktemp("server")
    database = folder / "mlflow.db"
    database.write_bytes(prepared_database.read_bytes())
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{database}", "--artifacts-destination", str(folder)]
    url = f"http://127.0.0.1:{port}"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, start_new_session=True)
        try:
            deadline = monotonic() + START_SECONDS
            while not is_up(url) and process.poll() is None and monotonic() < deadline:
                sleep(0.2)  # A server says in no other way that it is up.
            assert is_up(url), (folder / "log").read_text()
            yield url
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(START_SECONDS)


@Spearmint(configs=[{"n": 3}]).experiment()
def times(x, config):
    return x * config["n"]


def test_traces_reach_a_server_with_tags_metadata_and_spans(server, traced) -> None:
    mlflow.set_tracking_uri(server)
    spearmint.configure(tracing={"experiment": "on the server: a/b"})
    for x in range(3):
        times(x)
    assert spearmint.flush(FLUSH_SECONDS)
    assert spearmint.tracing_stats().written == 3
    made = mlflow.get_experiment_by_name("on the server: a/b")
    found = mlflow.search_traces(
        locations=[made.experiment_id],
        filter_string=f"tags.`spearmint.experiment` = '{__name__}:times'",
        return_type="list",
    )
    assert sorted(trace.data.spans[0].outputs for trace in found) == [0, 3, 6]
    assert {trace.info.trace_metadata["spearmint.role"] for trace in found} == {"main"}
    assert {trace.info.response_preview for trace in found} == {"0", "3", "6"}


def test_live_spans_reach_it_too(server, traced) -> None:
    mlflow.set_tracking_uri(server)
    spearmint.configure(tracing={"mode": "live", "experiment": "live"})
    times(1)
    assert spearmint.flush(FLUSH_SECONDS)
    made = mlflow.get_experiment_by_name("live")
    (trace,) = mlflow.search_traces(locations=[made.experiment_id], return_type="list")
    assert trace.data.spans[0].outputs == 3


def test_what_a_server_refuses_is_counted(server, traced) -> None:
    spearmint.configure(tracing={"tracking_uri": f"{server}/elsewhere"})
    times(1)
    assert exporter.flush(FLUSH_SECONDS)
    assert spearmint.tracing_stats().failed == 1
