import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("duckdb")

SECONDS = 400  # a minute on an idle machine
pytestmark = [pytest.mark.slow, pytest.mark.timeout(SECONDS + 20)]

EXAMPLE = Path(__file__).parents[2] / "examples" / "rag_service"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("rag_service")


@pytest.fixture(scope="module")
def printed(folder):
    done = subprocess.run(
        [sys.executable, str(EXAMPLE / "main.py"), "--folder", str(folder)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


@pytest.fixture(scope="module")
def decided(printed):
    lines = printed.partition("\nDecided\n")[2].partition("\n\n")[0].splitlines()
    return {name: text for name, _, text in (line.split(maxsplit=2) for line in lines)}


def test_a_better_prompt_wins(decided):
    assert decided["service:PROMPT"].startswith("wins, ship it: +0.")


def test_a_harmful_model_is_rolled_back_for_what_users_say(decided, folder):
    assert decided["service:answer"].startswith("rolled back")
    state = json.loads((folder / "journal" / "state.json").read_text(encoding="utf-8"))
    reasons = {one["name"]: one["reason"] for one in state["rollouts"]}
    assert reasons["service:answer"].startswith("helpful of 'chatty' is worse by 0.")
    assert reasons["service:retrieve"] == reasons["service:PROMPT"] == ""


def test_an_a_a_test_stays_open(decided):
    assert decided["service:retrieve"].startswith("open, no clear difference: ")


def test_offline_the_harmful_model_looks_better(printed):
    assert printed.startswith("Offline: 64 combinations on ")
    effects = dict(re.findall(r"^  (.+?) +[+-]\d\.\d\d  (.+)$", printed.partition("\n\n")[0], re.MULTILINE))
    assert effects["answer: model: chatty"] == "higher"
    assert effects["PROMPT: text: Quote the passage that ans"] == "higher"
    assert len(effects) == 8


def test_a_week_leaves_a_journal_and_an_evaluation(printed, folder):
    assert re.findall(r"^(\w+day)$", printed, re.MULTILINE)[:2] == ["Monday", "Tuesday"]
    assert list((folder / "journal").glob("*.jsonl"))
    assert {path.name for path in (folder / "reports").iterdir()} == {"offline.html", "offline.json"}
