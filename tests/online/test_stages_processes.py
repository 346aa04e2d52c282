"""Stages over several processes: they agree, one of them decides, and a kill at any point resumes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from spearmint.online.state_file import StateFile

ROOT = Path(__file__).parent.parent.parent
DEADLINE_SECONDS = 120
SLACK = 3  # times two seconds, where the machine is busy

PROGRAM = """
import json, os, sys, time
import spearmint
from spearmint import RuntimeContext, experiment
from spearmint.strategies import SplitStrategy

spearmint.configure(online={"journal": "journal", "flush_every": 0.3})
STAGES = [{"traffic": 0.5, "approve": True}, {"traffic": 1.0}]

@experiment(configs=[{"__config_id__": "a"}, {"__config_id__": "b"}], strategy=SplitStrategy(salt="exp", stages=STAGES))
def page(config):
    return config.config_id

def shares():
    got = []
    for number in range(200):
        with RuntimeContext(attributes={"user_id": f"user-{number}"}):
            got.append(page())
    return got.count("b")

def serve():
    while True:
        print(json.dumps([shares(), spearmint.exposure_stats().written]), flush=True)
        time.sleep(0.05)
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="it is about processes of POSIX"),
]


class Server:
    def __init__(self, folder, source="serve()"):
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore::DeprecationWarning", "-c", PROGRAM + source],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def until(self, holds):
        """Wait until what a line says holds, and return it."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        for line in self.process.stdout:
            if holds(found := json.loads(line)[0]):
                return found
            if time.monotonic() > deadline:
                break
        raise AssertionError("it never holds")

    def kill(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture
def serve(tmp_path):
    started = []

    def start(*args):
        started.append(Server(tmp_path, *args))
        return started[-1]

    yield start
    for server in started:
        if server.process.poll() is None:
            server.kill()


def only(tmp_path):
    (rollout,) = StateFile(tmp_path / "journal").read().values()
    return rollout


def edit(tmp_path, change):
    StateFile(tmp_path / "journal").change(lambda before: {key: change(one) for key, one in before.items()})


def wait_for(holds):
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_processes_agree_and_go_on_when_the_keeper_is_killed(serve, tmp_path):
    servers = [serve(), serve()]
    few = [server.until(lambda count: count > 0) for server in servers]
    assert few[0] == few[1]
    wait_for(lambda: StateFile(tmp_path / "journal").read())
    edit(tmp_path, lambda rollout: rollout.approved())
    many = [server.until(lambda count: count > few[0]) for server in servers]
    assert many[0] == many[1]
    assert only(tmp_path).stage == 1
    servers[0].kill()
    edit(tmp_path, lambda rollout: rollout.rolled_back("complaints"))
    servers[1].until(lambda count: count == 0)
    edit(tmp_path, lambda rollout: rollout.restarted())
    servers[1].until(lambda count: count == few[0])
    edit(tmp_path, lambda rollout: rollout.approved())  # Which a keeper sees, whoever that is now.
    servers[1].until(lambda count: count == many[0])


def test_killed_program_goes_on_at_its_stage(serve, tmp_path):
    first = serve()
    few = first.until(lambda count: count > 0)
    wait_for(lambda: StateFile(tmp_path / "journal").read())
    edit(tmp_path, lambda rollout: rollout.advanced("by hand"))
    many = first.until(lambda count: count > few)
    first.kill()
    again = serve()
    assert again.until(lambda count: True) == many
    again.kill()
    edit(tmp_path, lambda rollout: rollout.rolled_back("complaints"))
    assert serve().until(lambda count: True) == 0


def test_forked_children_follow_on_their_own(serve, tmp_path):
    server = serve("shares()\nchild = os.fork()\nif child: os.wait()\nelse: serve()")
    few = server.until(lambda count: count > 0)
    wait_for(lambda: StateFile(tmp_path / "journal").read())
    edit(tmp_path, lambda rollout: rollout.advanced("by hand"))
    server.until(lambda count: count > few)
    os.killpg


FORKING = """
from spearmint.online.file_lock import FileLock
from spearmint.online.stages import keeper

def is_free():
    try:
        FileLock(keeper._file.path.with_name("keeper.lock"), waits=False).release()
    except BlockingIOError:
        return False
    return True

shares()
while keeper._claim is None:
    time.sleep(0.01)
before = is_free()
child = os.fork()
if not child:
    os._exit(0)
os.waitpid(child, 0)
print(json.dumps([[before, is_free()]]), flush=True)
"""


def test_keeper_that_forks_stays_the_keeper(serve):
    assert serve(FORKING).until(bool) == [False, False]


PLAIN = """
strategy = SplitStrategy(salt="exp", weights=[1, 1], shadow=0.5)
page = experiment(configs=[{"__config_id__": "a"}, {"__config_id__": "b"}], strategy=strategy)(page.__wrapped__)
"""


def written(folder):
    lines = (line for file in (folder / "journal").glob("*.jsonl") for line in file.read_text("utf-8").splitlines())
    return sum(json.loads(line)["type"] == "exposure" for line in lines)


def test_switch_is_in_force_in_all_processes_in_two_seconds(serve, tmp_path):
    servers = [serve(PLAIN + "serve()") for _ in range(2)]
    servers += [serve(PLAIN + "child = os.fork()\nif child: os.wait()\nelse: serve()")]
    both = [server.until(lambda count: count > 0) for server in servers]
    assert len(set(both)) == 1
    file = StateFile(tmp_path / "journal")
    for is_on, count in ((False, 0), (True, both[0])):
        file.switch("*page", is_on=is_on, why="complaints")
        began = time.monotonic()
        for server in servers:
            server.until(lambda found, count=count: found == count)
        assert time.monotonic() - began < 2 * SLACK
    file.switch("*page", is_on=False, why="complaints")
    assert serve(PLAIN + "serve()").until(lambda count: True) == 0  # One that starts has it from its first call on.
    forked = serve(PLAIN + "shares()\nchild = os.fork()\nif child: os.wait()\nelse: serve()")
    assert forked.until(lambda count: True) == 0
    file.switch("*page", is_on=True, why="mended")
    assert forked.until(lambda count: count > 0) == both[0]  # Which no call of an arm has told that there are calls.
