"""``spearmint ui``: it serves on loopback, prints its address, and ends with Ctrl-C."""

import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from spearmint.cli.ui import reached
from tests.evaluation.online.journal_files import exposure, outcome, write

DEADLINE_SECONDS = 60


@pytest.mark.slow
def test_printed_address_is_served_until_interrupted(folder):
    pytest.importorskip("duckdb")
    pytest.importorskip("uvicorn")
    write(folder / "j", [exposure("ann", "control", 1), outcome("ann", "purchase", 1, 2)])
    command = [sys.executable, "-m", "spearmint", "ui", "j", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1) as process:
        try:
            address = process.stdout.readline().strip()
            assert address.startswith("http://127.0.0.1:")
            opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
            text = opener.open(address, timeout=DEADLINE_SECONDS).read().decode()
            assert "shop.rank:score" in text
            with pytest.raises(urllib.error.HTTPError, match="403"):
                urllib.request.urlopen(address.partition("?")[0], timeout=DEADLINE_SECONDS)
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=DEADLINE_SECONDS)
        finally:
            process.kill()
    assert "Traceback" not in errors


def test_a_port_that_is_taken_is_refused(invoke):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = invoke("ui", "--port", str(taken.getsockname()[1]))
    assert result.exit_code == 1
    assert "Give another one, or --port 0" in result.stderr


def test_an_address_of_mlflow_that_is_none_is_refused(invoke):
    assert invoke("ui", "--mlflow", "javascript:alert(1)").exit_code == 2


def test_settings_without_reach_are_refused(invoke):
    assert "give --reach too" in invoke("ui", "--config", "spearmint.yaml").stderr


def test_what_an_experiment_reaches_is_its_graph(folder, monkeypatch):
    pytest.importorskip("uvicorn")
    (folder / "shop_reach.py").write_text("""
from spearmint import experiment

@experiment(configs=[{"k": 1}, {"k": 2}])
def rank(config):
    return config.k

@experiment(configs=[{"k": 1}])
def answer(config):
    return rank()
""")
    monkeypatch.syspath_prepend(str(folder))
    shown = reached("shop_reach:answer")
    assert shown.startswith("shop_reach:answer  [experiment, 1 config, ")
    assert "shop_reach:rank  [experiment, 2 configs, " in shown
    missing = reached("shop_missing:f")
    assert missing.startswith("Cannot tell what 'shop_missing:f' reaches: ImportError: No module named 'shop_missing'")
