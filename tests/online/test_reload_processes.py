"""Workers that were forked or spawned follow a changed settings file by themselves."""

import os
import subprocess
import sys
import textwrap
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
