"""Stages, guardrails and bandits in a running process: what each look at the journal makes of them."""

import logging
import warnings

import numpy as np
import pytest

import spearmint
from spearmint import RuntimeContext, experiment
from spearmint.errors import SpearmintError, SpearmintWarning
from spearmint.online import stages
from spearmint.online.bandit_weights import bandit_weights
from spearmint.online.state_file import StateFile
from spearmint.online.unit_table import UnitTable
from spearmint.online.writer import records
from spearmint.proxy.proxy import experiment_of
from spearmint.strategies import BanditStrategy, SplitStrategy
from spearmint.warn import said
from tests.online.test_unit_table import calls, exposure, outcome

CONFIGS = [{"__config_id__": "a", "size": 1}, {"__config_id__": "b", "size": 2}]
FLUSH_SECONDS = 20


@pytest.fixture
def keeper(journal, monkeypatch):
    """A keeper whose looks are the test's, so that no thread comes between."""
    made = stages.StageKeeper(records)
    monkeypatch.setattr(stages, "keeper", made)
    monkeypatch.setattr(made, "_use", lambda split: split.disabled if split.off else None)
    yield made
    made._reset()
    records.on_reset.remove(made._reset)
    records.on_change.remove(made._change)


@pytest.fixture
def state(tmp_path):
    return StateFile(tmp_path / "journal")


def page_of(strategy, fails=lambda size: False):
    @experiment(configs=CONFIGS, strategy=strategy)
    def page(config):
        if fails(config["size"]):
            raise ValueError("it fails")
        return config["size"]

    return page


def split_of(page):
    return experiment_of(page)[0].split


def call(page, count, start=0):
    """Call for so many users; give what each got, 0 for an error."""
    got = []
    for number in range(start, start + count):
        with RuntimeContext(attributes={"user_id": f"user-{number}"}):
            try:
                got.append(page())
            except ValueError:
                got.append(0)
    assert spearmint.flush(FLUSH_SECONDS)
    return got


def only(state):
    (rollout,) = state.read().values()
    return rollout


def test_declaring_begins_nothing_and_a_look_does(keeper, state):
    page = page_of(SplitStrategy(salt="exp", stages=[{"traffic": 0.5}]))
    assert split_of(page).live.traffic == 0.5
    assert state.read() == {}
    keeper.tick()
    rollout = only(state)
    assert (rollout.name, rollout.arms, rollout.stage) == (split_of(page).name, ("a", "b"), 0)


def test_units_and_approval_lead_to_the_next_stages(keeper, state):
    several = [{"shadow": 1.0, "approve": True}, {"traffic": 0.2, "units": 30}, {"traffic": 1.0}]
    page = page_of(SplitStrategy(salt="exp", stages=several))
    keeper.tick()
    assert set(call(page, 100)) == {1}
    keeper.tick()
    assert only(state).waits_for == "approval"
    state.change(lambda before: {key: one.approved() for key, one in before.items()})
    keeper.tick()
    assert only(state).stage == 1
    first = call(page, 100)
    assert 2 in first
    keeper.tick()
    assert only(state).waits_for.endswith(" more units")
    call(page, 200, start=100)
    keeper.tick()
    assert only(state).stage == 2
    assert split_of(page).live.traffic == 1.0
    second = call(page, 100)
    assert all(after == 2 for before, after in zip(first, second, strict=True) if before == 2)
    assert second.count(2) > first.count(2)


def test_time_ends_a_stage_although_the_clock_is_set_back(keeper, state, monkeypatch):
    page = page_of(SplitStrategy(salt="exp", stages=[{"shadow": 1.0, "for": "1h"}, {"traffic": 1.0}]))
    keeper.tick()
    clock = {"wall": 10**18, "monotonic": 0.0}
    monkeypatch.setattr("spearmint.online.rollout.time_ns", lambda: clock["wall"])
    monkeypatch.setattr("spearmint.online.decider.monotonic", lambda: clock["monotonic"])
    keeper._decider._written = 0.0
    for _ in range(30):
        clock["wall"] -= 7_200 * 10**9
        clock["monotonic"] += 100.0
        keeper.tick()
    assert only(state).stage == 0
    assert only(state).elapsed == pytest.approx(3000, abs=200)
    for _ in range(8):
        clock["monotonic"] += 100.0
        keeper.tick()
    assert only(state).stage == 1
    assert split_of(page).live.traffic == 1.0


def test_guardrail_rolls_back_and_says_why(keeper, state, caplog):
    strategy = SplitStrategy(salt="exp", stages=[{"traffic": 1.0}], guardrails=[{"metric": "error", "worse_by": 0.01}])
    page = page_of(strategy, fails=lambda size: size == 2)
    keeper.tick()
    assert 0 in call(page, 300)
    with caplog.at_level(logging.WARNING, logger="spearmint"):
        keeper.tick()
    rollout = only(state)
    assert rollout.status == "rolled_back"
    assert rollout.reason.startswith("error of 'b' is worse by ")
    assert rollout.reason.endswith(", where 0.01 is allowed (300 units among exposed units)")
    assert any(f"is rolled back: {rollout.reason}" in record.message for record in caplog.records)
    assert set(call(page, 300)) == {1}


def test_guardrail_leaves_an_equal_arm_alone(keeper, state):
    strategy = SplitStrategy(salt="exp", guardrails=[{"metric": "error"}, {"metric": "duration", "worse_by": 0.5}])
    page = page_of(strategy)
    keeper.tick()
    call(page, 400)
    keeper.tick()
    assert only(state).status == "running"
    assert only(state).label == ""


def test_guardrail_of_an_outcome_sees_less_of_it(keeper, state):
    page = page_of(SplitStrategy(salt="exp", guardrails=[{"metric": "purchase"}]))
    keeper.tick()
    got = call(page, 400)
    for number, size in enumerate(got):
        if size == 1:
            spearmint.track("purchase", 1.0 + number % 3, unit=f"user-{number}")
    assert spearmint.flush(FLUSH_SECONDS)
    keeper.tick()
    assert only(state).reason.startswith("purchase of 'b' is worse by ")


def test_shadow_keeps_a_worse_arm_from_users(keeper, state):
    several = [{"shadow": 1.0, "units": 1}, {"traffic": 1.0}]
    strategy = SplitStrategy(salt="exp", stages=several, guardrails=[{"metric": "error", "worse_by": 0.01}])
    page = page_of(strategy, fails=lambda size: size == 2)
    keeper.tick()
    assert set(call(page, 100)) == {1}
    keeper.tick()
    assert only(state).status == "rolled_back"
    assert "units in the shadow, on the same calls)" in only(state).reason


def test_users_wait_until_the_shadow_has_measured_enough(keeper, state):
    several = [{"shadow": 1.0, "for": 0.001}, {"traffic": 1.0}]
    page = page_of(SplitStrategy(salt="exp", stages=several, guardrails=[{"metric": "error"}]))
    keeper.tick()
    call(page, 20)
    keeper.tick()
    assert only(state).waits_for.startswith("the shadow, which has measured 'b' on ")
    call(page, 40, start=20)
    keeper.tick()
    assert only(state).stage == 1


def test_shadow_measures_each_unit_by_its_differences(keeper, journal):
    page = page_of(SplitStrategy(salt="exp", traffic=0.0, shadow=1.0), fails=lambda size: size == 2)
    call(page, 3)
    call(page, 2)
    found = journal("shadow")
    assert sorted((one["feature_flag.context.id"], one["count"], one["error"]) for one in found) == [
        ("user-0", 1, 1.0),
        ("user-0", 1, 1.0),
        ("user-1", 1, 1.0),
        ("user-1", 1, 1.0),
        ("user-2", 1, 1.0),
    ]
    assert {(one["feature_flag.result.variant"], one["spearmint.main"]) for one in found} == {("b", "a")}


def test_nested_experiment_is_measured_in_the_shadow_too(keeper, journal):
    inner = page_of(SplitStrategy(salt="exp", traffic=0.0, shadow=1.0), fails=lambda size: size == 2)

    @experiment
    def outer():
        return inner()

    call(outer, 2)
    assert [(one["error"], one["feature_flag.result.variant"]) for one in journal("shadow")] == [(1.0, "b")] * 2


def test_rolled_back_begins_anew_with_new_records(keeper, state):
    broken = {"is": True}
    page = page_of(
        SplitStrategy(salt="exp", stages=[{"traffic": 1.0}], guardrails=[{"metric": "error"}]),
        fails=lambda size: size == 2 and broken["is"],
    )
    keeper.tick()
    call(page, 300)
    keeper.tick()
    key = (split_of(page).name, split_of(page).version)
    assert state.read()[key].status == "rolled_back"
    broken["is"] = False
    state.change(lambda before: {**before, key: before[key].restarted()})
    keeper.tick()
    call(page, 300)
    keeper.tick()
    assert state.read()[key].status == "running"
    assert keeper._decider._tables[key].exposed == 300


def test_without_a_journal_stages_give_the_first_config(online):
    page = page_of(SplitStrategy(salt="exp", stages=[{"traffic": 1.0}]))
    said.clear()
    with pytest.warns(SpearmintWarning, match="there is no journal to keep their state"):
        assert set(call(page, 20)) == {1}


def test_state_that_cannot_be_read_keeps_users_away(keeper, state):
    state.path.parent.mkdir(exist_ok=True)
    state.path.write_text("{", encoding="utf-8")
    said.clear()
    with pytest.warns(SpearmintWarning, match="Cannot read the state of stages"):
        page = page_of(SplitStrategy(salt="exp", stages=[{"traffic": 1.0}]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SpearmintWarning)
        assert set(call(page, 20)) == {1}


def test_other_stages_of_a_new_release_take_over(keeper, state):
    first = SplitStrategy(salt="exp", stages=[{"traffic": 0.1, "approve": True}, {"traffic": 1.0}])
    page = page_of(first)
    keeper.tick()
    split = split_of(page)
    other = SplitStrategy(salt="exp", stages=[{"traffic": 0.3, "approve": True}]).for_experiment(
        split.name, experiment_of(page)[0].configs
    )
    del page, split
    keeper._splits.clear()
    keeper.watch(other)
    keeper.tick()
    assert other.live.traffic == 0.3
    assert [stage.traffic for stage in only(state).stages] == [0.3]


# Bandits


def test_bandit_gives_the_better_arm_more_units(keeper, state):
    page = page_of(BanditStrategy(salt="exp", metric="purchase", every=0.001, floor=0.1))
    keeper.tick()
    for number, size in enumerate(call(page, 600)):
        if size == 2 or number % 4 == 0:
            spearmint.track("purchase", unit=f"user-{number}")
    assert spearmint.flush(FLUSH_SECONDS)
    keeper.tick()
    rollout = only(state)
    assert rollout.weights == pytest.approx((0.1, 0.9), abs=0.01)
    assert rollout.weights_version == 1
    assert split_of(page).live.weights == rollout.weights
    assert call(page, 400, start=600).count(2) > 300


def test_exposures_hold_the_propensity_of_their_moment(keeper, journal):
    page = page_of(BanditStrategy(salt="exp", metric="purchase"))
    keeper.tick()
    call(page, 50)
    split_of(page).set_shares(1.0, 0.0, (0.2, 0.8))
    call(page, 50, start=50)
    found = {(one["feature_flag.result.variant"], one["spearmint.propensity"]) for one in journal("exposure")}
    assert found == {("a", 0.5), ("b", 0.5), ("a", 0.2), ("b", 0.8)}


@pytest.mark.parametrize(("count", "floor"), [(99, 0.05), (200, 0.5)], ids=["few", "high floor"])
def test_bandit_stays_equal_before_its_burn_in(count, floor):
    table = UnitTable("shop:page", "v1")
    table.add([exposure(f"{arm}-{number}", arm) for arm in "ab" for number in range(count)])
    table.add([outcome(f"a-{number}", "purchase", 1.0) for number in range(50)])
    options = BanditStrategy(metric="purchase", floor=floor).bandit
    assert bandit_weights(table, ("a", "b"), options, np.random.default_rng(1)) is None


def test_bandit_of_a_cost_prefers_less(keeper):
    table = UnitTable("shop:page", "v1")
    rng = np.random.default_rng(2)
    for arm, mean in (("a", 2.0), ("b", 1.0)):
        table.add([exposure(f"{arm}-{number}", arm) for number in range(150)])
        for number in range(150):
            unit, seconds = f"{arm}-{number}", rng.normal(mean, 0.5)
            table.add([calls(unit, arm, "error", 0.0), calls(unit, arm, "duration", seconds)])
    options = BanditStrategy(metric="duration", floor=0.05).bandit
    assert bandit_weights(table, ("a", "b"), options, rng) == pytest.approx((0.05, 0.95))


# The kill switch, for experiments with and without stages


def test_switch_stops_variants_and_exposures(keeper, state, journal, caplog):
    page = page_of(SplitStrategy(salt="exp", weights=[0, 1], shadow=1.0))
    name = split_of(page).name
    assert call(page, 3) == [2, 2, 2]
    state.switch(name, is_on=False, why="complaints")
    with caplog.at_level(logging.WARNING, logger="spearmint"):
        keeper.tick()
    assert f"{name} is switched off: complaints. Every unit has the first config." in caplog.text
    before = spearmint.background_stats().submitted
    missing = spearmint.exposure_stats().missing_unit
    assert call(page, 3, start=3) == [1, 1, 1]
    assert page() == 1  # Without a unit, of which there is nothing to tell.
    assert spearmint.exposure_stats().missing_unit == missing
    assert spearmint.background_stats().submitted == before
    assert len(journal("exposure")) == 3
    assert split_of(page).explain({"user_id": "ann"})[0].text == "switched off in all processes: complaints"
    state.switch(name, is_on=True, why="mended")
    keeper.tick()
    assert call(page, 1, start=3) == [2]
    assert len(journal("exposure")) == 4


def test_switch_holds_for_what_is_declared_later(keeper, state):
    state.switch("*.page", is_on=False, why="complaints")
    page = page_of(SplitStrategy(salt="exp", weights=[0, 1]))
    assert call(page, 3) == [1, 1, 1]


def test_first_call_knows_what_is_off_by_then(journal, state):
    page = page_of(SplitStrategy(salt="exp", weights=[0, 1]))
    state.switch("*.page", is_on=False, why="complaints")
    assert call(page, 3) == [1, 1, 1]
    spearmint.configure(online={"journal": None})
    assert call(page, 3) == [2, 2, 2]  # The switch is that of the journal.


def test_what_is_off_stays_at_its_stage(keeper, state):
    several = [{"traffic": 0.2, "units": 1}, {"traffic": 1.0}]
    page = page_of(SplitStrategy(salt="exp", stages=several, weights=[0, 1]))
    keeper.tick()
    state.switch("*", is_on=False, why="complaints")
    call(page, 100)  # The thread has not looked yet: these count.
    keeper.tick()
    assert set(call(page, 100)) == {1}
    assert only(state).stage == 0
    state.switch("*", is_on=True, why="mended")
    keeper.tick()
    assert only(state).stage == 1


def test_state_file_that_is_broken_switches_nothing(keeper, state):
    page = page_of(SplitStrategy(salt="exp", weights=[0, 1]))
    state.switch("*.page", is_on=False, why="complaints")
    keeper.tick()
    state.path.write_text("{")
    with pytest.raises(SpearmintError, match="Mend it"):
        keeper.tick()
    assert call(page, 2) == [1, 1]
