import itertools

import pytest

from spearmint.config import parse_configs
from spearmint.errors import StrategyError
from spearmint.strategies import BanditStrategy, SplitStrategy
from spearmint.strategies.by_name import check_strategy

CONFIGS = parse_configs([{"__config_id__": "a", "size": 1}, {"__config_id__": "b", "size": 2}])


def test_bandit_begins_with_equal_weights():
    split = BanditStrategy(metric="purchase", every="15m").for_experiment("shop:page", CONFIGS)
    assert split.is_steered
    assert split.live.weights == (1.0, 1.0)
    bandit = split.options.bandit
    assert (bandit.metric, bandit.lower, bandit.floor, bandit.seconds, bandit.burn_in) == (
        "purchase",
        False,
        0.05,
        900.0,
        100,
    )
    assert BanditStrategy(metric="error").bandit.lower


def test_changed_weights_move_no_version_and_few_units():
    split = BanditStrategy(metric="purchase").for_experiment("shop:page", CONFIGS)
    version = split.version
    users = [{"user_id": f"user-{number}"} for number in range(1000)]
    before = [split.assign(user).config.config_id for user in users]
    split.set_shares(1.0, 0.0, (0.7, 0.3))
    made = [split.assign(user) for user in users]
    assert split.version == version
    moved = [(old, one.config.config_id) for old, one in zip(before, made, strict=True) if old != one.config.config_id]
    assert set(moved) == {("b", "a")}
    assert 150 < len(moved) < 250
    assert {(one.config.config_id, round(one.propensity, 6)) for one in made} == {("a", 0.7), ("b", 0.3)}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metric": ""}, "Cannot split by metric ''"),
        ({"metric": "m", "floor": 0}, "Cannot split by floor 0"),
        ({"metric": "m", "floor": True}, "Cannot split by floor True"),
        ({"metric": "m", "burn_in": 1}, "Cannot split by burn_in 1"),
        ({"metric": "m", "every": "often"}, "Cannot split by every 'often'"),
        ({"metric": "m", "lower": 1}, "Cannot split by lower 1"),
        ({"metric": "m", "weights": [1, 2]}, "a bandit finds its own"),
        ({"metric": "m", "traffic": 7}, "Cannot split by traffic 7"),
    ],
)
def test_options_that_are_none_are_refused(options, message):
    with pytest.raises(StrategyError, match=message):
        BanditStrategy(**options)


def test_bandit_without_a_metric_is_refused_by_name():
    with pytest.raises(ValueError, match="metric"):
        check_strategy("bandit", {})
    check_strategy("bandit", {"metric": "purchase"})


@pytest.mark.parametrize("beside", [{"traffic": 0.5}, {"shadow": 0.1}], ids=["traffic", "shadow"])
def test_shares_beside_stages_are_refused(beside):
    with pytest.raises(StrategyError, match="it in the stages, each of which has its own"):
        SplitStrategy(stages=[{"traffic": 1}], **beside)


def test_wrong_stages_are_refused_as_a_strategy():
    with pytest.raises(StrategyError, match=r"Cannot split: Cannot use stages\[0\]: Cannot use the key 'trafic'"):
        SplitStrategy(stages=[{"trafic": 1}])


def test_split_with_stages_is_closed_until_they_are_read():
    split = SplitStrategy(stages=[{"traffic": 1.0}]).for_experiment("shop:page", CONFIGS)
    assert split.is_steered
    assert split.assign({"user_id": "ann"}).reason == "default"
    assert "its stages are not read yet" in split.explain({"user_id": "ann"})[-1].text
    split.set_shares(1.0, 0.0)
    assert split.assign({"user_id": "ann"}).reason == "split"


def test_raising_traffic_moves_no_unit_between_arms():
    split = SplitStrategy(stages=[{"traffic": 0.01, "for": 1}, {"traffic": 0.5}]).for_experiment("shop:page", CONFIGS)
    users = [{"user_id": f"user-{number}"} for number in range(20_000)]
    arms = []
    for traffic in (0.01, 0.1, 0.5, 1.0):
        split.set_shares(traffic, 0.0)
        made = [split.assign(user) for user in users]
        arms.append({one.unit: one.config.config_id for one in made if one.reason == "split"})
        assert abs(len(arms[-1]) - traffic * len(users)) < 4 * (len(users) * traffic) ** 0.5 + 1
    for fewer, more in itertools.pairwise(arms):
        assert fewer.items() <= more.items()
