import enum

import pytest

from spearmint import Config, DynamicValue
from spearmint.config import parse_configs
from spearmint.errors import ConfigError


class Size(enum.Enum):
    SMALL = 1


def ids(source):
    return [config.config_id for config in parse_configs(source)]


def test_template_names_values_of_each_config():
    source = {
        "__config_id__": "{model}-k{retrieval.k}",
        "model": DynamicValue(["tiny", "large"]),
        "retrieval": {"k": DynamicValue([5, 10])},
    }
    assert ids(source) == ["tiny-k5", "tiny-k10", "large-k5", "large-k10"]
    assert "__config_id__" not in parse_configs(source)[0]


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("t{t:.2f}", "t0.50"),
        ("{stops.0}", "a"),
        ("{{{t}}}", "{0.5}"),
        ("{size}", "SMALL"),
        ("{none}", "None"),
        ("{name!r}", "'x'"),
        ("{nested.a.b}", "1"),
    ],
)
def test_template_formats_as_python_does(template, expected):
    rest = {"stops": ["a", "b"], "size": Size.SMALL, "none": None, "name": "x", "nested": {"a": {"b": 1}}}
    assert ids({"__config_id__": template, "t": DynamicValue([0.5]), **rest}) == [expected]


def test_template_takes_numbers_of_numpy():
    numpy = pytest.importorskip("numpy")
    assert ids({"__config_id__": "k{k}", "k": DynamicValue(numpy.arange(2))}) == ["k0", "k1"]


def test_template_stands_in_alternatives_too():
    source = DynamicValue([{"__config_id__": "a"}, {"__config_id__": "b{k}", "k": DynamicValue([1, 2])}])
    assert ids({"$sweep": list(source)}) == ["a", "b1", "b2"]
    assert ids(Config({"__config_id__": "{k}", "k": DynamicValue([1, 2])})) == ["1", "2"]


def test_braces_outside_a_sweep_are_text():
    assert ids([{"__config_id__": "{model}", "model": "tiny"}]) == ["{model}"]


def test_ids_made_once_are_not_made_again():
    made = parse_configs({"__config_id__": "{{{k}}}", "k": DynamicValue([1, 2])})
    assert ids(made) == ["{1}", "{2}"]


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (
            "{modle}",
            "there is no 'modle' at its top level (the keys there: 'model', 'llm', 'k'; did you mean 'model'?)",
        ),
        ("{llm.temprature}", "there is no 'temprature' at 'llm' (the keys there: 'temperature'; did you mean"),
        ("{}", "a field has no name. Name a key, such as {model}"),
        ("{llm}", "'llm' is no single value but of type Config. Name a value in it"),
        ("{k", "expected '}' before end of string. Write {{ and }} for braces that are text"),
        ("{k:q}", "'k' cannot be formatted (Unknown format code 'q'"),
        ("{model.upper}", "there is no 'upper' at 'model'"),
    ],
)
def test_template_that_cannot_be_filled_is_refused(template, message, tmp_path):
    source = {"__config_id__": template, "model": "tiny", "llm": {"temperature": 1}, "k": DynamicValue([1, 2])}
    with pytest.raises(ConfigError) as caught:
        parse_configs(source)
    assert f"Cannot make ids from the template {template!r}: " in str(caught.value)
    assert message in str(caught.value)


def test_error_of_a_template_has_its_place_in_the_file(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("k: !sweep [1, 2]\n__config_id__: 'k{q}'\n")
    with pytest.raises(ConfigError, match=r"a\.yaml:2:1: Cannot make ids"):
        parse_configs(path)


def test_template_that_tells_no_two_apart_is_refused():
    with pytest.raises(ConfigError, match="both have the id 'same-m'"):
        parse_configs({"__config_id__": "same-{m}", "m": "m", "k": DynamicValue([1, 2])})
