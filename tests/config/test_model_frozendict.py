"""A frozendict (CPython 3.15) counts as a dict wherever it stands in a config."""

import builtins
from typing import Annotated, Any

import pytest

from spearmint import Bind, Config, DynamicValue, experiment
from spearmint.config import generate_config_id, parse_configs
from spearmint.tracing.snapshot import Snapshotter

frozendict: Any = getattr(builtins, "frozendict", None)

pytestmark = pytest.mark.skipif(frozendict is None, reason="frozendict is new in CPython 3.15")


def test_frozendict_becomes_a_config_at_any_depth():
    config = Config(frozendict(a=frozendict(b=[frozendict(c=1)]), d=(frozendict(e=2),)))
    assert config.a.b[0].c == 1
    assert config.d[0].e == 2
    assert type(config.a) is type(config.a.b[0]) is Config


def test_frozendict_has_the_id_of_the_dict():
    plain = {"a": {"b": {1, 2}}, "c": {"d": 3}}
    frozen = frozendict(a=frozendict(b={1, 2}), c=frozendict(d=3))
    assert generate_config_id(frozen) == generate_config_id(plain)
    assert Config(frozen).config_id == Config(plain).config_id


def test_frozendict_may_hold_sweeps():
    configs = parse_configs(frozendict(a=frozendict(b=DynamicValue([1, 2])), c=frozendict({"$sweep": [3]})))
    assert configs == [{"a": {"b": 1}, "c": 3}, {"a": {"b": 2}, "c": 3}]


def test_frozendict_is_bound_by_path_and_as_a_whole():
    @experiment(configs=[frozendict(llm=frozendict(k=5, stop=["a"]))])
    def answer(k: Annotated[int, Bind("llm.k")], config: dict):
        config["llm"]["stop"].append("b")
        return k, config

    expected = 5, {"llm": {"k": 5, "stop": ["a", "b"]}}
    assert answer() == expected
    assert answer() == expected


def test_parameter_annotated_frozendict_gets_one():
    @experiment(configs=[{"llm": {"k": 5}}])
    def answer(config: frozendict, llm: Annotated[frozendict, Bind("llm")]):
        return config, llm

    config, llm = answer()
    assert (type(config), config["llm"]["k"]) == (frozendict, 5)
    assert (type(llm), llm["k"]) == (frozendict, 5)


def test_snapshot_of_a_frozendict_keeps_what_it_held():
    held = [1]
    snapshotter = Snapshotter(100, 100)
    captured = snapshotter.capture(frozendict(a=held))
    held.append(2)
    assert (type(captured), captured) == (frozendict, frozendict(a=[1]))
    assert snapshotter.is_complete
