"""Experiments under gevent, uvloop, anyio and trio, which run code in ways of their own."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent.parent
SECONDS = 60

GREENLETS = """
PATCHED = {patched!r}
if PATCHED == "before the import":
    from gevent import monkey
    monkey.patch_all()
import time
import spearmint
from spearmint import Config, Spearmint
from spearmint.strategies import MultiBranchStrategy, ShadowStrategy

CONFIGS = [{{"n": 0}}, {{"n": 1}}]

@Spearmint(configs=CONFIGS, strategy=ShadowStrategy).experiment
def shadowed(config: Config):
    return config["n"]

@Spearmint(configs=CONFIGS, strategy=MultiBranchStrategy, variant_timeout=20).experiment
def every(config: Config):
    time.sleep(0.01)
    return config["n"]

@Spearmint(configs=CONFIGS, strategy=ShadowStrategy).experiment
async def coroutine(config: Config):
    return config["n"]

if PATCHED == "after a call":
    shadowed()
    assert spearmint.flush(10)
if PATCHED != "before the import":
    from gevent import monkey
    monkey.patch_all()
import gevent

def greenlet():
    assert shadowed() == 0
    return [one.result for one in every()]

greenlets = [gevent.spawn(greenlet) for _ in range(5)]
gevent.joinall(greenlets, timeout=20)
print([one.value for one in greenlets])
print([one.result for one in Spearmint.run(coroutine, await_variants=True)()])
print(spearmint.flush(10))
stats = spearmint.background_stats()
print(stats.submitted - stats.finished)
"""


@pytest.mark.parametrize("patched", ["before the import", "after the import", "after a call"])
def test_greenlets_run_experiments_wherever_gevent_patches(program, patched) -> None:
    pytest.importorskip("gevent")
    source = GREENLETS.format(patched=patched)
    # gevent itself warns under the strict flags, of what it does to modules that are imported.
    done = program(source, "-W", "ignore", "-X", "dev=0", prelude="")
    assert done.stdout.splitlines() == [str([[0, 1]] * 5), "[0, 1]", "True", "0"], done.stderr


SERVICE = """
import json, os
import spearmint
from spearmint import Config, Spearmint
from spearmint.strategies import MultiBranchStrategy, ShadowStrategy

CONFIGS = [{"n": n} for n in range(3)]

@Spearmint(configs=CONFIGS, strategy=ShadowStrategy).experiment
def shadowed(config: Config):
    return config["n"]

@Spearmint(configs=CONFIGS, strategy=MultiBranchStrategy).experiment
def every(config: Config):
    return config["n"]

shadowed()  # in the master, before it forks and the workers are patched

def app(environ, start_response):
    shadowed()
    values = [one.result for one in every()]
    spearmint.flush(10)
    stats = spearmint.background_stats()
    body = json.dumps({"pid": os.getpid(), "values": values, "pending": stats.pending, "finished": stats.finished})
    start_response("200 OK", [("Content-Type", "application/json")])
    return [body.encode()]
"""


def test_preloaded_gunicorn_with_gevent_answers_requests(tmp_path) -> None:
    pytest.importorskip("gevent")
    pytest.importorskip("gunicorn")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    (tmp_path / "service.py").write_text(SERVICE, encoding="utf-8")
    log = tmp_path / "log.txt"
    command = [sys.executable, "-m", "gunicorn", "--preload", "-k", "gevent", "--workers", "2"]
    with log.open("w") as file:
        server = subprocess.Popen(
            [*command, "--bind", f"127.0.0.1:{port}", "service:app"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=file,
            stderr=file,
        )
        try:
            answers = [ask(port) for _ in range(8)]
            server.send_signal(signal.SIGTERM)
            assert server.wait(SECONDS) == 0, log.read_text()
        finally:
            server.kill()
            server.wait()
    assert [one["values"] for one in answers] == [[0, 1, 2]] * 8, log.read_text()
    assert {one["pending"] for one in answers} == {0}
    assert server.pid not in {one["pid"] for one in answers}


def ask(port):
    """Ask until the server listens."""
    end = time.monotonic() + SECONDS
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=20) as answer:
                return json.load(answer)
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


TASKS = """
@shadow.experiment
async def shadowed(config: Config):
    await asyncio.sleep(0)
    return config["n"]

@Spearmint(configs=CONFIGS, strategy=MultiBranchStrategy).experiment
async def every(config: Config):
    await asyncio.sleep(0)
    return config["n"]

async def main():
    print(await shadowed(), [one.result for one in await every()])
    print(await spearmint.aflush(10), counts())
"""


def test_variants_are_tasks_of_uvloop(program) -> None:
    pytest.importorskip("uvloop")
    run = "with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:\n    runner.run(main())"
    done = program(f"{TASKS}\nimport uvloop\n{run}\n")
    assert done.stdout == "0 [0, 1]\nTrue {'submitted': 2, 'finished': 2}\n", done.stderr


def test_variants_are_tasks_of_anyio(program) -> None:
    pytest.importorskip("anyio")
    done = program(f"{TASKS}\nimport anyio\nanyio.run(main)\n")
    assert done.stdout == "0 [0, 1]\nTrue {'submitted': 2, 'finished': 2}\n", done.stderr


def test_trio_gets_mains_value_and_one_message(program) -> None:
    pytest.importorskip("trio")
    done = program(
        """
        import trio

        @shadow.experiment
        async def shadowed(config: Config):
            await trio.sleep(0)
            return config["n"]

        async def main():
            print(await shadowed(), await shadowed())

        trio.run(main)
        print(counts())
        """,
    )
    assert done.stdout == "0 0\n{'submitted': 2, 'cancelled': 2}\n"
    assert done.stderr.count("trio runs the call, and variants are tasks of asyncio") == 1


@pytest.mark.parametrize("call", ["every()", "run()", "run_function()"])
def test_trio_is_named_where_variants_are_awaited(program, call) -> None:
    pytest.importorskip("trio")
    done = program(
        f"""
        import trio

        @Spearmint(configs=CONFIGS, strategy=MultiBranchStrategy).experiment
        async def every(config: Config):
            return config["n"]

        @shadow.experiment
        def function(config: Config):
            return config["n"]

        async def run():
            async with Spearmint.arun(every, await_variants=True) as runner:
                await runner()

        async def run_function():
            async with Spearmint.arun(function, await_variants=True) as runner:
                await runner()

        async def main():
            try:
                await {call}
            except spearmint.errors.SpearmintError as error:
                print(error)

        import spearmint.errors
        trio.run(main)
        """,
    )
    assert "under trio: its variants are awaited by asyncio" in done.stdout, done.stderr
