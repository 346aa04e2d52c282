"""Rules of the kill switch in the state file: which one counts, and what is kept of them."""

import pytest

from spearmint.assignment.stages import Stage
from spearmint.online.rollout import Rollout
from spearmint.online.state_file import StateFile
from spearmint.online.switch_rules import off_rule, read_rule, with_rule


def off(rules, name):
    found = off_rule(rules, name)
    return None if found is None else found.why


def test_last_rule_that_covers_a_name_counts():
    rules = with_rule((), "shop:*", is_on=False, why="complaints")
    rules = with_rule(rules, "shop:cart", is_on=True, why="it was not that one")
    assert (off(rules, "shop:page"), off(rules, "shop:cart"), off(rules, "other:page")) == ("complaints", None, None)
    rules = with_rule(rules, "shop:cart", is_on=False, why="it was")
    assert off(rules, "shop:cart") == "it was"


def test_idle_rules_are_not_kept():
    rules = with_rule((), "shop:page", is_on=False, why="x")
    rules = with_rule(rules, "shop:*", is_on=False, why="y")
    assert [rule.target for rule in rules] == ["shop:*"]
    assert with_rule(rules, "*", is_on=True, why="z") == ()
    assert with_rule((), "shop:page", is_on=True, why="never off") == ()


@pytest.mark.parametrize("given", [3, {}, {"target": "a", "is_on": "no", "time": 1}, {"target": "a", "is_on": True}])
def test_what_is_no_rule_is_refused(given):
    with pytest.raises(ValueError, match=r"mapping|no switch"):
        read_rule(given)


def test_switches_and_rollouts_leave_each_other_alone(tmp_path):
    file = StateFile(tmp_path)
    file.switch("shop:page", is_on=False, why="complaints")
    begun = Rollout(name="shop:cart", version="v", arms=("a",), stages=(Stage(1.0),), number=1, keeper="me")
    file.change(lambda before: {**before, ("shop:cart", "v"): begun})
    assert off(file.read_state().switches, "shop:page") == "complaints"
    file.switch("shop:page", is_on=True, why="mended")
    assert file.read_state().switches == ()
    assert file.read() == {("shop:cart", "v"): begun}


def test_time_that_a_stage_was_off_does_not_count(tmp_path):
    file = StateFile(tmp_path)
    begun = Rollout(name="shop:cart", version="v", arms=("a",), stages=(Stage(1.0),), number=1, keeper="me", counted=1)
    file.change(lambda _: {("shop:cart", "v"): begun})
    file.switch("shop:cart", is_on=False, why="complaints")
    file.switch("shop:cart", is_on=True, why="mended")
    (rollout,) = file.read().values()
    assert rollout.clocked("me", 3600.0).elapsed < 60
