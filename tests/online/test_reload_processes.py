"""Workers that were forked or spawned follow a changed settings file by themselves."""

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
DEADLINE_SECONDS = 100

SETTINGS = (
    "reload: {{every: 0.1}}\nexperiments: [{{target: 'shop:rank', configs: [{{k: {}}}], bindings: {{boost: k}}}}]\n"
)
SHOP = """
def rank(boost=0):
    return boost


def follow(number):
    import time

    deadline = time.monotonic() + 60
    while rank() != number and time.monotonic() < deadline:
        time.sleep(0.01)
    return rank()
"""
PRELUDE = """
import asyncio, multiprocessing, os, sys, threading, time
from pathlib import Path
import spearmint

SETTINGS = {settings!r}

def write(number):
    aside = Path("new.yaml")
    aside.write_text(SETTINGS.format(number))
    aside.replace("spearmint.yaml")

if __name__ == "__main__":
    write(1)
    handle = spearmint.install("spearmint.yaml")
    import shop
    assert shop.rank() == 1
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="it is about processes of POSIX"),
]


@pytest.fixture
def run(tmp_path):
    """Run a program in a folder with a settings file, and return what it prints."""

    def run_program(source):
        (tmp_path / "shop.py").write_text(SHOP)
        path = tmp_path / "program.py"
        path.write_text(PRELUDE.format(settings=SETTINGS) + textwrap.indent(textwrap.dedent(source), "    "))
        done = subprocess.run(
            [sys.executable, "-W", "ignore::DeprecationWarning", str(path)],  # of forks beside threads
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=DEADLINE_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run_program


def test_forked_worker_follows_by_itself(run):
    printed = run(
        """
        child = os.fork()
        if child == 0:
            os._exit(shop.follow(7))
        write(7)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), shop.follow(7))
        """
    )
    assert printed.split() == ["7", "7"]


def test_worker_forked_during_reloads_follows(run):
    printed = run(
        """
        stop = threading.Event()

        def reload_all_the_time():
            while not stop.is_set():
                spearmint.reload()

        thread = threading.Thread(target=reload_all_the_time)
        thread.start()
        children = []
        for _ in range(10):
            child = os.fork()
            if child == 0:
                os._exit(shop.follow(7))
            children.append(child)
        stop.set()
        thread.join()
        write(7)
        print(*(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children))
        """
    )
    assert printed.split() == ["7"] * 10


def test_spawned_worker_follows_by_itself(run):
    printed = run(
        """
        handle.uninstall()
        text = SETTINGS.format(1) + "propagate_children: true\\n"
        Path("spearmint.yaml").write_text(text)
        spearmint.install("spearmint.yaml")
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            print(pool.apply(shop.rank))
            write(7)
            print(pool.apply(shop.follow, (7,)))
        """
    )
    assert printed.split() == ["1", "7"]


def test_subprocesses_of_a_loop_do_not_stop_the_watch(run):
    pytest.importorskip("uvloop")
    printed = run(
        """
        import uvloop

        async def start():
            process = await asyncio.create_subprocess_exec(sys.executable, "-c", "pass")
            return await process.wait()

        async def main():
            for _ in range(5):
                assert await start() == 0

        uvloop.run(main())
        write(7)
        print(shop.follow(7))
        """
    )
    assert printed.split() == ["7"]


SERVICE = """
import json, os, time
import spearmint

spearmint.install("spearmint.yaml")
import shop

assert shop.rank() == 1  # In the parent, before it forks.

def app(environ, start_response):
    time.sleep(0.2)  # So that of two requests at once each worker gets one.
    stats = spearmint.settings_stats()
    body = {"pid": os.getpid(), "value": shop.rank(), "version": stats.version, "rejected": stats.rejected}
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(body).encode()]
"""


@pytest.fixture
def preloaded(tmp_path):
    """Serve with gunicorn, which forks its workers from a process that watches; give what asks two of them at once."""
    pytest.importorskip("gunicorn")
    (tmp_path / "shop.py").write_text(SHOP)
    (tmp_path / "service.py").write_text(SERVICE)
    write(tmp_path, SETTINGS.format(1))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = ["--preload", "--workers", "2", "--bind", f"127.0.0.1:{port}", "service:app"]
    log = tmp_path / "log"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}

    def ask(_number):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=DEADLINE_SECONDS) as answer:
            return json.load(answer)

    def wait_for(is_there):
        deadline = time.monotonic() + DEADLINE_SECONDS
        while server.poll() is None and time.monotonic() < deadline:
            try:
                answers = list(callers.map(ask, range(2)))
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.1)  # A server says in no other way that it is up.
                continue
            if len({one["pid"] for one in answers}) > 1 and all(map(is_there, answers)):
                return answers
        raise AssertionError(log.read_text())

    with log.open("wb") as file, ThreadPoolExecutor(2) as callers:
        command = [sys.executable, "-m", "gunicorn", *options]
        server = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=file, stderr=file)
        try:
            yield wait_for
        finally:
            server.terminate()
            try:
                server.wait(DEADLINE_SECONDS)
            finally:
                server.kill()


def write(folder, text):
    aside = folder / "new.yaml"
    aside.write_text(text)
    aside.replace(folder / "spearmint.yaml")


def test_preloaded_workers_follow_by_themselves(preloaded, tmp_path):
    preloaded(lambda one: one["value"] == 1)
    write(tmp_path, SETTINGS.format(7))
    answers = preloaded(lambda one: one["value"] == 7)
    assert len({one["version"] for one in answers}) == 1
    write(tmp_path, "experiments: [")
    answers = preloaded(lambda one: one["rejected"])
    assert {one["value"] for one in answers} == {7}
    os.kill(answers[0]["pid"], signal.SIGKILL)  # Its successor is forked from the parent, which has followed, too.
    answers = preloaded(lambda one: one["pid"] != answers[0]["pid"])
    assert {one["value"] for one in answers} == {7}
    write(tmp_path, SETTINGS.format(9))
    preloaded(lambda one: one["value"] == 9)
