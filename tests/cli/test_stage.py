"""``spearmint stage``: what a person sees of stages, and decides about them."""

import json

import pytest

from spearmint.assignment.stages import Stage
from spearmint.online.rollout import Rollout
from spearmint.online.state_file import StateFile

STAGES = (Stage(shadow=0.1, seconds=3600.0), Stage(traffic=0.5, approve=True))
FIRST = Rollout(name="shop:page", version="v1", arms=("a", "b"), stages=STAGES, waits_for="1h more", number=1)


@pytest.fixture
def state(folder):
    file = StateFile(folder / "journal")
    other = Rollout(name="shop:cart", version="v1", arms=("a", "b"), stages=STAGES[1:], weights=(0.3, 0.7), number=2)
    new = Rollout(name="shop:page", version="v2", arms=("a", "b"), stages=STAGES, waits_for="1h more", number=3)
    file.change(lambda _: {(one.name, one.version): one for one in (FIRST, other, new)})
    return file


def test_show_tells_stages_and_what_they_wait_for(state, invoke):
    result = invoke("stage", "show", "--journal", "journal")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "shop:cart (version v1): running",
        "  > 1. traffic 0.5 (approval)",
        "  weights: a 0.300, b 0.700",
        "  0 units exposed",
        "shop:page (version v2): stage 1 of 2",
        "  > 1. shadow 0.1 (for 1h)",
        "    2. traffic 0.5 (approval)",
        "  waits for 1h more",
        "  0 units exposed",
    ]


def test_show_finds_the_journal_in_the_settings(state, invoke, write):
    write(spearmint___yaml="online: {journal: journal}")
    result = invoke("stage", "show", "shop:p*", "--format", "json")
    (told,) = json.loads(result.stdout)
    assert (told["name"], told["version"], told["traffic"], told["shadow"]) == ("shop:page", "v2", 0.0, 0.1)


def test_next_approve_and_restart_are_of_the_last_version(state, invoke):
    assert invoke("stage", "next", "shop:page", "--because", "enough", "--journal", "journal").exit_code == 0
    found = state.read()
    assert found["shop:page", "v1"] == FIRST
    assert found["shop:page", "v2"].stage == 1
    assert found["shop:page", "v2"].events[-1][1].endswith(": ended by hand (enough)")
    assert invoke("stage", "approve", "shop:page", "--journal", "journal").exit_code == 0
    assert state.read()["shop:page", "v2"].is_approved
    again = invoke("stage", "approve", "shop:page", "--journal", "journal")
    assert again.exit_code == 1
    assert "Cannot do that to 'shop:page': it is at stage 2 of 2" in again.stderr
    assert invoke("stage", "restart", "shop:page", "--journal", "journal").exit_code == 0
    assert state.read()["shop:page", "v2"].stage == 0


def test_rollback_is_of_all_versions_and_takes_globs(state, invoke):
    result = invoke("stage", "rollback", "shop:*", "--because", "complaints", "--journal", "journal")
    assert result.exit_code == 0
    assert {(one.status, one.reason) for one in state.read().values()} == {("rolled_back", "complaints")}
    assert invoke("stage", "rollback", "shop:page", "--journal", "journal").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("next", "shop:pag"), 1, "there are shop:cart, shop:page. Did you mean 'shop:page'?"),
        (("next", "shop:*"), 1, "Cannot find 'shop:*' in the state of stages"),
        (("next",), 2, "Cannot next without a target"),
        (("forward", "shop:page"), 2, "'forward' is not one of"),
    ],
)
def test_what_cannot_be_done_is_told(state, invoke, arguments, status, message):
    result = invoke("stage", *arguments, "--journal", "journal")
    assert result.exit_code == status
    assert message in result.stderr


def test_missing_journal_is_told(folder, invoke, write):
    assert "there is no such folder" in invoke("stage", "show", "--journal", "nowhere").stderr
    assert "there is no settings file" in invoke("stage", "show").stderr
    write(spearmint___yaml="packages: []")
    assert "has no 'online: {journal: ...}'" in invoke("stage", "show").stderr
    write(spearmint___yaml="online: {journal: journal}")
    assert "nothing has been written to it yet" in invoke("stage", "show").stderr


def test_nothing_begun_is_said(folder, invoke):
    (folder / "journal").mkdir()
    result = invoke("stage", "show", "--journal", "journal")
    assert result.stdout == "No experiment with stages, guardrails or a bandit has begun.\n"
    missing = invoke("stage", "rollback", "shop:page", "--journal", "journal")
    assert "no process has begun such an experiment yet" in missing.stderr


def test_off_and_on_need_no_stages(invoke, folder):
    (folder / "journal").mkdir()
    result = invoke("stage", "off", "shop:*", "--because", "complaints", "--journal", "journal")
    assert result.exit_code == 0
    assert result.stdout == "shop:* is off; processes that write to this journal follow within two seconds.\n"
    shown = invoke("stage", "show", "shop:page", "--journal", "journal").stdout
    assert shown.startswith("shop:*: switched off at ")
    assert shown.endswith(" UTC: complaints\n")
    assert invoke("stage", "on", "shop:*", "--journal", "journal").exit_code == 0
    assert StateFile(folder / "journal").read_state().switches == ()
    assert invoke("stage", "off", "--journal", "journal").exit_code == 2


def test_show_tells_what_is_off(state, invoke):
    invoke("stage", "off", "shop:page", "--because", "complaints", "--journal", "journal")
    assert (
        "shop:page (version v2): stage 1 of 2, switched off" in invoke("stage", "show", "--journal", "journal").stdout
    )
    (told,) = json.loads(invoke("stage", "show", "shop:p*", "--format", "json", "--journal", "journal").stdout)
    assert told["off"] == "complaints"
    assert state.read()["shop:page", "v2"].stage == 0
