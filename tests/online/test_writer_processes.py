"""What happens to exposures as processes begin, fork and end, each in a process of its own."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from tests.online.journals import accounts_by_process, records_by_process

ROOT = Path(__file__).parent.parent.parent
DEADLINE_SECONDS = 100

PRELUDE = """
import os, signal, subprocess, sys, threading, time
import spearmint
from spearmint import RuntimeContext, experiment
from spearmint.strategies import SplitStrategy

@experiment(configs=[{"size": 1}, {"size": 2}], strategy=SplitStrategy(salt="exp"))
def page(config):
    return config["size"]

def call(users):
    for user in users:
        with RuntimeContext(attributes={"user_id": user}):
            page()

def users(count, start=0):
    return [f"user-{number}" for number in range(start, start + count)]
"""
JOURNAL = 'spearmint.configure(online={"journal": "journal"})\n'

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="it is about processes of POSIX"),
]


def environment():
    return {**os.environ, "PYTHONPATH": str(ROOT)}


@pytest.fixture
def run(tmp_path):
    """Run a program, and return how it ended and how long it took."""

    def run_program(source, *, journal=True):
        path = tmp_path / "program.py"
        path.write_text(PRELUDE + (JOURNAL if journal else "") + textwrap.dedent(source), encoding="utf-8")
        return subprocess.run(
            [sys.executable, "-W", "ignore::DeprecationWarning", str(path)],  # of forks beside threads
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=DEADLINE_SECONDS,
            check=False,
        )

    return run_program


def exposed(found):
    return sorted(record["feature_flag.context.id"] for record in found if record["type"] == "exposure")


def assert_balanced(folder):
    """Every process has a last account, which counts just the records that its files hold, and nothing pending."""
    accounts = accounts_by_process(folder)
    for process, found in records_by_process(folder).items():
        account = accounts[process]
        assert account["is_last"]
        assert (account["written"], account["pending"]) == (len(found), 0)
        parts = ("written", "repeated", "dropped", "failed", "pending")
        assert account["submitted"] == sum(account[part] for part in parts)


def test_everything_is_written_at_exit(run, tmp_path):
    done = run("call(users(300)); call(users(300))")
    assert (done.returncode, done.stderr) == (0, "")
    ((_, found),) = records_by_process(tmp_path / "journal").items()
    assert exposed(found) == sorted(f"user-{number}" for number in range(300))
    assert_balanced(tmp_path / "journal")


def test_an_exception_at_the_end_loses_nothing(run, tmp_path):
    done = run("call(users(50)); raise SystemExit(3)")
    assert done.returncode == 3
    assert_balanced(tmp_path / "journal")
    ((_, found),) = records_by_process(tmp_path / "journal").items()
    assert len(exposed(found)) == 50


def test_exit_does_not_wait_for_a_sink_that_hangs(run):
    done = run(
        """
        spearmint.configure(background={"exit_timeout": 0.5}, online={"sink": lambda records: time.sleep(1000)})
        call(users(5))
        """,
        journal=False,
    )
    assert done.returncode == 0
    assert "spearmint: 5 exposures and outcomes were not written within 0.5 s of exit" in done.stderr


def test_fork_begins_with_an_empty_account_and_a_file_of_its_own(run, tmp_path):
    done = run(
        """
        call(users(20))
        for number in range(3):
            if not os.fork():
                assert spearmint.exposure_stats() == spearmint.ExposureStats()
                call(users(20, start=20))
                assert spearmint.exposure_stats().submitted == 20
                sys.exit()
        for number in range(3):
            assert os.wait()[1] == 0
        """
    )
    assert (done.returncode, done.stderr) == (0, "")
    found = [exposed(records) for records in records_by_process(tmp_path / "journal").values()]
    parent, child = (sorted(f"user-{number}" for number in range(start, start + 20)) for start in (0, 20))
    assert sorted(found) == sorted([parent, child, child, child])
    assert_balanced(tmp_path / "journal")


def test_forks_while_records_are_written_lose_nothing(run, tmp_path):
    done = run(
        """
        def keep_calling():
            for start in range(0, 5000, 50):
                call(users(50, start))
                time.sleep(0.001)

        spearmint.configure(online={"flush_every": 0.05})
        call(["first"])  # The rooms that read code are imported with the first call of all.
        caller = threading.Thread(target=keep_calling)
        caller.start()
        for number in range(20):
            if not os.fork():
                call([f"child-{number}"])
                os._exit(0 if spearmint.flush(30) else 1)
            assert os.wait()[1] == 0
        caller.join()
        """
    )
    assert (done.returncode, done.stderr) == (0, "")
    found = [one for records in records_by_process(tmp_path / "journal").values() for one in exposed(records)]
    assert sorted(found) == sorted(
        ["first", *(f"user-{number}" for number in range(5000)), *(f"child-{number}" for number in range(20))]
    )


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_of_multiprocessing_tell_what_they_saw(run, tmp_path, method):
    done = run(
        f"""
        import multiprocessing

        def work(start):
            spearmint.configure(online={{"journal": "journal"}})
            call(users(10, start))

        if __name__ == "__main__":
            context = multiprocessing.get_context({method!r})
            call(["parent"])
            workers = [context.Process(target=work, args=(start,)) for start in (100, 200)]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
                assert worker.exitcode == 0
        """
    )
    assert (done.returncode, done.stderr) == (0, "")
    found = [one for records in records_by_process(tmp_path / "journal").values() for one in exposed(records)]
    expected = ["parent", *(f"user-{number}" for start in (100, 200) for number in range(start, start + 10))]
    assert sorted(found) == sorted(expected)
    assert_balanced(tmp_path / "journal")


def test_after_sigkill_every_complete_line_parses(tmp_path):
    path = tmp_path / "program.py"
    endless = 'start = 0\nprint("ready", flush=True)\nwhile True:\n    call(users(10, start))\n    start += 10\n'
    path.write_text(PRELUDE + JOURNAL + endless, encoding="utf-8")
    program = subprocess.Popen(
        [sys.executable, str(path)], cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, text=True
    )
    try:
        assert program.stdout.readline() == "ready\n"
        folder = tmp_path / "journal"
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not any(path.stat().st_size > 100_000 for path in folder.glob("*.jsonl")):
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        program.send_signal(signal.SIGKILL)
        program.wait(DEADLINE_SECONDS)
        program.stdout.close()
    ((_, found),) = records_by_process(folder).items()
    units = exposed(found)
    assert len(units) == len(set(units)) > 100
    assert set(units) == {f"user-{number}" for number in range(len(units))}


def test_subprocesses_do_not_stop_the_writer(run, tmp_path):
    done = run(
        """
        import asyncio
        try:
            import uvloop
            loop = uvloop.new_event_loop()
        except ImportError:
            loop = asyncio.new_event_loop()

        async def main():
            for number in range(10):
                call([f"user-{number}"])
                child = await asyncio.create_subprocess_exec(sys.executable, "-c", "")
                assert await child.wait() == 0
            before = spearmint.exposure_stats()
            assert await spearmint.aflush(30)
            assert spearmint.exposure_stats().written >= 30

        loop.run_until_complete(main())
        loop.close()
        """
    )
    assert (done.returncode, done.stderr) == (0, "")
    ((_, found),) = records_by_process(tmp_path / "journal").items()
    assert len(exposed(found)) == 10
    assert_balanced(tmp_path / "journal")


APP = (
    PRELUDE
    + JOURNAL
    + """
call(["preload"])

def app(environ, start_response):
    user = environ["PATH_INFO"].strip("/")
    call([user])
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]
"""
)


def test_preloaded_workers_lose_nothing(tmp_path):
    pytest.importorskip("gunicorn")
    (tmp_path / "service.py").write_text(APP, encoding="utf-8")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = ["--preload", "--workers", "2", "--bind", f"127.0.0.1:{port}", "service:app"]
    log = tmp_path / "log"
    with log.open("wb") as file:
        server = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", *options], cwd=tmp_path, env=environment(), stdout=file, stderr=file
        )
    try:
        wait_for(port, server, log)
        for number in range(30):
            ask(port, f"user-{number}")
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(DEADLINE_SECONDS)
    found = [one for records in records_by_process(tmp_path / "journal").values() for one in exposed(records)]
    assert set(found) == {"preload", "ready", *(f"user-{number}" for number in range(30))}, log.read_text()
    assert found.count("preload") == 1
    assert_balanced(tmp_path / "journal")


def ask(port, user):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", f"/{user}")
    answer = connection.getresponse().read()
    connection.close()
    return answer


def wait_for(port, server, log):
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        assert server.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        try:
            return ask(port, "ready")
        except OSError:
            time.sleep(0.05)
