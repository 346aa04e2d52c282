import pytest

from spearmint import Config, DynamicValue, Range, Spearmint
from spearmint.config import generate_configurations, parse_configs
from spearmint.config.model import ranges_of
from spearmint.config.yaml_loader import load_mapping
from spearmint.errors import ConfigError


def test_range_stands_for_its_lowest_number_outside_a_search():
    mint = Spearmint(configs={"t": Range(0.25, 1.0), "k": DynamicValue([1, 2])})

    @mint.experiment
    def answer(config: Config):
        return config.t, config.k

    assert answer() == (0.25, 1)
    assert [(one.t, one.k) for one in mint.configs] == [(0.25, 1), (0.25, 2)]


def test_configs_know_their_ranges_by_path():
    [config] = parse_configs([{"llm": {"temperatures": [Range(0, 2), 1.0]}}])
    assert list(ranges_of(config)) == [("llm", "temperatures", "0")]
    assert list(ranges_of(parse_configs([config])[0])) == [("llm", "temperatures", "0")]


def test_yaml_and_json_say_ranges():
    text = "t: !float_range {low: 0.001, high: 1, log: true}\n"
    assert load_mapping(text, "here.yaml") == {"t": {"$float_range": {"low": 0.001, "high": 1, "log": True}}}
    [config] = generate_configurations(load_mapping(text, "here.yaml"))
    assert config.t == 0.001
    [found] = ranges_of(config).values()
    assert (found.low, found.high, found.log) == (0.001, 1.0, True)


@pytest.mark.parametrize("limits", [(1, 1), (2, 1), (float("nan"), 1), (0, float("inf")), ("a", 1), (True, 2)])
def test_range_without_numbers_between_is_refused(limits):
    with pytest.raises(ConfigError, match="Cannot search between"):
        Range(*limits)


def test_log_range_from_zero_is_refused():
    with pytest.raises(ConfigError, match="0 < low < high"):
        Range(0, 1, log=True)


def test_range_within_an_alternative_is_refused_with_its_place():
    with pytest.raises(ConfigError, match=r"Cannot expand 'a'.*a range of numbers stands in an alternative"):
        list(generate_configurations({"a": DynamicValue([{"t": Range(0, 1)}, {"t": 0.5}])}))


def test_yaml_range_without_high_is_refused_with_its_line():
    with pytest.raises(ConfigError, match="low, high and perhaps log") as raised:
        load_mapping("a: 1\nt: !float_range {low: 0}\n", "here.yaml")
    assert raised.value.line == 2


@pytest.mark.parametrize("share", [0.0, 0.1, 1 / 3, 0.7234567890123, 1.0])
@pytest.mark.parametrize("one", [Range(0.0, 1.0), Range(-3, 17), Range(1e-5, 10.0, log=True)])
def test_number_at_a_share_is_the_same_there_and_back(one, share):
    number = one.at(share)
    assert one.at(one.share_of(number)) == number
    assert one.low <= number <= one.high
