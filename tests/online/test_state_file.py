import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from spearmint.assignment.stages import Stage
from spearmint.errors import SpearmintError
from spearmint.online.rollout import Rollout, read_rollout
from spearmint.online.state_file import StateFile, latest_rollout

ROOT = Path(__file__).parent.parent.parent
STAGES = (Stage(shadow=0.1, seconds=3600.0), Stage(traffic=0.05, units=500), Stage(traffic=0.5, approve=True))
FIRST = Rollout(name="shop:page", version="v1", arms=("a", "b"), stages=STAGES)


def with_one(rollout):
    return lambda before: {**before, (rollout.name, rollout.version): rollout}


# What a rollout goes through


def test_rollout_goes_through_its_stages_to_the_end():
    second = replace(FIRST, units=7, elapsed=4.0, is_approved=True).advanced("it was time")
    assert (second.stage, second.elapsed, second.units_before, second.is_approved) == (1, 0.0, 7, False)
    assert second.shares == (0.05, 0.0)
    assert second.label == "stage 2 of 3"
    last = second.advanced("x").advanced("y")
    assert (last.stage, last.status, last.shares) == (2, "completed", (0.5, 0.0))
    assert last.advanced("z") is last
    texts = [text for _, text in last.events]
    assert texts[0] == "stage 2 of 3 began, traffic 0.05 (500 units): it was time"
    assert texts[-1] == "completed: y"


def test_rolled_back_is_the_first_config_until_it_begins_anew():
    back = FIRST.advanced("x").rolled_back("errors")
    assert (back.shares, back.label) == ((0.0, 0.0), "rolled back: errors")
    assert back.rolled_back("again") is back
    assert back.advanced("x") is back
    assert back.weighed((0.2, 0.8)) is back
    anew = replace(back, units=9, weights=(0.2, 0.8), weights_version=3).restarted()
    assert (anew.stage, anew.status, anew.reason, anew.units, anew.weights) == (0, "running", "", 0, None)
    assert anew.since > 0
    assert anew.weights_version == 3
    assert [text for _, text in anew.events][-1] == "began anew"


def test_time_is_the_keepers_own_clock():
    seen = replace(FIRST, keeper="one", counted=10**30, elapsed=5.0)
    assert seen.clocked("one", 2.5).elapsed == 7.5
    assert seen.clocked("other", 2.5).elapsed == 5.0  # The wall clock has been set back since.
    after_a_pause = replace(seen, counted=FIRST.clocked("x", 0).counted - 3 * 10**9)
    assert after_a_pause.clocked("other", 99.0).elapsed == pytest.approx(8.0, abs=2.0)


def test_other_stages_keep_the_place():
    last = FIRST.advanced("x").advanced("y").advanced("z")
    assert last.with_stages(STAGES) is last
    fewer = last.with_stages(STAGES[:2])
    assert (fewer.stage, fewer.status) == (1, "completed")
    more = last.with_stages((*STAGES, Stage(traffic=1.0)))
    assert (more.stage, more.status) == (2, "running")


def test_events_are_bounded():
    rollout = FIRST
    for number in range(200):
        rollout = rollout.told(str(number))
    assert [text for _, text in rollout.events] == [str(number) for number in range(150, 200)]


# The file


def test_state_reads_back_as_it_was_written(tmp_path):
    file = StateFile(tmp_path / "journal")
    assert file.read() == {}
    full = replace(FIRST, weights=(0.25, 0.75), weights_version=2, status="rolled_back", reason="é\n").told("x")
    file.change(with_one(full))
    assert StateFile(tmp_path / "journal").read() == {("shop:page", "v1"): full}
    assert sorted(path.name for path in (tmp_path / "journal").iterdir()) == ["state.json", "state.lock"]


def test_no_change_writes_nothing(tmp_path):
    file = StateFile(tmp_path)
    file.change(with_one(FIRST))
    before = file.path.stat().st_ino, file.path.stat().st_mtime_ns
    file.change(dict)
    assert (file.path.stat().st_ino, file.path.stat().st_mtime_ns) == before


def test_old_versions_are_let_go(tmp_path):
    file = StateFile(tmp_path)
    for number in range(30):
        file.change(with_one(replace(FIRST, version=f"v{number}", number=number)))
    file.change(with_one(replace(FIRST, name="shop:other", number=99)))
    kept = file.read()
    assert {one.version for one in kept.values() if one.name == "shop:page"} == {f"v{n}" for n in range(10, 30)}
    assert latest_rollout(kept, "shop:page").version == "v29"
    assert latest_rollout(kept, "shop:nothing") is None


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        '{"format": 2, "rollouts": []}',
        '{"format": 1, "rollouts": [{}]}',
        '{"format": 1, "rollouts": [7]}',
        '{"format": 1}',
    ],
)
def test_what_is_no_state_is_refused_and_left_alone(tmp_path, content):
    file = StateFile(tmp_path)
    file.path.write_text(content, encoding="utf-8")
    with pytest.raises(SpearmintError, match=r"Cannot read the state of stages from .* Mend it, or move it away"):
        file.change(with_one(FIRST))
    assert file.path.read_text(encoding="utf-8") == content


@pytest.mark.parametrize(("name", "value"), [("stage", 3), ("stage", -1), ("status", "gone"), ("stages", [])])
def test_state_beyond_its_stages_is_refused(name, value):
    with pytest.raises(ValueError, match="it holds no rollout"):
        read_rollout({**FIRST.as_mapping(), name: value})


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may write anywhere")
def test_folder_that_cannot_be_written_is_an_error(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(SpearmintError, match="Cannot write the state of stages"):
        StateFile(tmp_path).change(with_one(FIRST))


def test_changes_of_many_threads_are_all_made(tmp_path):
    pytest.importorskip("fcntl")

    def add():
        for _ in range(20):
            StateFile(tmp_path).change(
                lambda before: with_one(replace(before.get(("shop:page", "v1"), FIRST), units=_units(before) + 1))(
                    before
                )
            )

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert _units(StateFile(tmp_path).read()) == 80


def _units(rollouts):
    return rollouts[("shop:page", "v1")].units if rollouts else 0


WRITER = """
import sys
from dataclasses import replace
from spearmint.assignment.stages import Stage
from spearmint.online.rollout import Rollout
from spearmint.online.state_file import StateFile
file = StateFile(sys.argv[1])
first = Rollout(name="shop:page", version="v1", arms=("a", "b"), stages=(Stage(traffic=1.0),))
print("ready", flush=True)
while True:
    units = 1 + sum(one.units for one in file.read().values())
    file.change(lambda before: {("shop:page", "v1"): replace(first, units=units)})
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="it is about processes of POSIX")
def test_kill_at_any_point_leaves_a_whole_state(tmp_path):
    last = 0
    for moment in range(5):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert writer.stdout.readline() == "ready\n"
        goal = last + 3 + moment
        while _units(StateFile(tmp_path).read()) < goal and writer.poll() is None:
            pass
        writer.kill()
        writer.wait()
        writer.stdout.close()
        found = _units(StateFile(tmp_path).read())
        assert found >= goal
        last = found
    json.loads((tmp_path / "state.json").read_text(encoding="utf-8"))
