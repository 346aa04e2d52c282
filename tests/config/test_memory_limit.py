"""Sources of configs that have no end are refused with their place and the limit, before memory runs out."""

import itertools

import pytest

from spearmint import DynamicValue
from spearmint.config import iter_configs, parse_configs
from spearmint.config.memory_limit import MAX_CONFIGS
from spearmint.errors import ConfigError

pytestmark = pytest.mark.slow


def refusal(source):
    with pytest.raises(ConfigError) as caught:
        parse_configs(source)
    return str(caught.value)


def test_range_of_immense_length_is_refused_at_once():
    assert refusal({"a": 1, "k": {"$range": {"stop": 10**27}}}) == (
        "configs: Cannot expand 'k': the sweeps make some 10^27 configs, some 10^27 values of them here; 100,000 "
        "are kept in memory at most. Sweep over less, or read the configs one by one with iter_configs."
    )


@pytest.mark.parametrize(
    "limits", [{"stop": 10**27, "step": 3}, {"stop": 1e27}, {"start": 0, "stop": -(10**30), "step": -1}]
)
def test_immense_range_can_still_be_iterated(limits):
    source = {"k": {"$range": limits}}
    assert "Cannot expand 'k'" in refusal(source)
    assert next(iter_configs(source)).k == 0


def test_product_of_sweeps_is_refused_with_its_size():
    source = [{"a": DynamicValue(range(1000)), "b": DynamicValue(list(range(2000)))}]
    assert "configs[0]: Cannot expand 'b': the sweeps make 2,000,000 configs, 2,000 values of them" in refusal(source)


def test_endless_sweep_is_refused_with_its_path():
    seeds = itertools.count()
    message = refusal({"llm": {"seed": DynamicValue(seeds)}, "k": DynamicValue([1, 2])})
    assert message.startswith("configs: Cannot expand 'llm.seed': the sweeps make more than 100,000 configs")
    assert next(seeds) <= MAX_CONFIGS + 1


@pytest.mark.parametrize("item", [{"a": 1}, []])
def test_endless_iterator_of_sources_is_refused(item):
    asked = itertools.count()
    message = refusal(item for _ in asked)
    assert message.startswith("configs[100000]: Cannot keep the configs in memory: there are more than 100,000 of them")
    assert next(asked) <= MAX_CONFIGS + 1


def test_configs_that_take_too_much_memory_are_refused():
    message = refusal({"text": chr(97 + number % 26) * 2**25} for number in itertools.count())
    assert "Cannot keep the configs in memory: they take more than 1,024 MB. Give fewer" in message


def test_value_that_configs_share_counts_once(monkeypatch):
    monkeypatch.setattr("spearmint.config.memory_limit.MAX_BYTES", 100_000)
    text = "x" * 50_000
    with pytest.raises(ConfigError, match="they take more than"):
        parse_configs([{"text": text + str(number)} for number in range(20)])
    assert len(parse_configs({"text": text, "k": DynamicValue(range(20))})) == 20


def test_as_many_configs_as_the_limit_are_kept():
    assert len(parse_configs({"k": DynamicValue(range(MAX_CONFIGS))})) == MAX_CONFIGS
