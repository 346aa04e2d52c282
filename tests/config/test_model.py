"""Config: a dict with attributes and an id."""

import copy
import json
import pickle
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

from spearmint.config import Config, generate_config_id
from spearmint.errors import ConfigError

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
json_configs = st.dictionaries(st.text().filter(lambda key: key != "__config_id__"), json_values, max_size=5)


class Settings(BaseModel):
    config: Config


def keywords(**received):
    return received


def test_a_config_is_a_dict():
    config = Config({"a": 1, "b": {"c": [2]}})
    assert config == {"a": 1, "b": {"c": [2]}}
    assert config.get("x", 3) == 3
    assert keywords(**config) == {"a": 1, "b": {"c": [2]}}
    assert json.loads(json.dumps(config)) == config
    with pytest.raises(TypeError, match="unhashable"):
        hash(config)


def test_nested_dicts_read_as_attributes_in_lists_and_tuples():
    config = Config({"llm": {"model": {"name": "tiny"}}, "tools": [{"name": "search"}], "pair": ({"x": 1}, 2)})
    assert config.llm.model.name == "tiny"
    assert config.tools[0].name == "search"
    assert config.pair[0].x == 1


def test_a_config_owns_its_dicts_and_lists():
    source = {"llm": {"stop": ["a"]}}
    config = Config(source)
    config["llm"]["stop"].append("b")
    assert source == {"llm": {"stop": ["a"]}}


def test_an_unknown_attribute_names_close_matches_and_keys():
    with pytest.raises(AttributeError, match=r"no such key, only 'model', 'top_k'\. Did you mean 'model'\?"):
        Config({"model": "tiny", "top_k": 5}).modle


def test_attributes_cannot_be_written_or_deleted():
    config = Config(a=1)
    with pytest.raises(AttributeError, match=r"Use config\['a'\] = \.\.\."):
        config.a = 2
    with pytest.raises(AttributeError, match=r"Use del config\['a'\]"):
        del config.a
    assert config == {"a": 1}


def test_attribute_names_are_offered_for_completion():
    assert {"temperature", "items"} <= set(dir(Config(temperature=0.5)))


def test_a_given_id_is_taken_out_of_the_mapping():
    config = Config({"__config_id__": "warm", "a": 1})
    assert config == {"a": 1}
    assert config.config_id == "warm"
    assert type(config.config_id) is str


@pytest.mark.parametrize("wrong", [5, 1.5, True])
def test_an_id_that_is_no_string_is_to_be_quoted(wrong):
    with pytest.raises(ConfigError, match=rf'Cannot use {wrong} as .* Quote it: "{wrong}"'):
        Config({"__config_id__": wrong})


@pytest.mark.parametrize("wrong", ["", None])
def test_an_empty_id_is_refused(wrong):
    with pytest.raises(ConfigError, match="Leave the key out"):
        Config({"__config_id__": wrong})


def test_computed_id_follows_the_content():
    config = Config(a=1)
    before = config.config_id
    config["a"] = 2
    assert config.config_id == generate_config_id({"a": 2}) != before


def test_the_id_of_the_content_does_not_depend_on_a_given_one():
    assert generate_config_id(Config({"__config_id__": "warm", "a": 1})) == generate_config_id({"a": 1})


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, Config.copy, Config])
def test_a_copy_keeps_content_type_and_id(duplicate):
    config = Config({"__config_id__": "warm", "llm": {"stop": ["a"]}})
    made = duplicate(config)
    assert made == config
    assert made is not config
    assert made.config_id == "warm"
    assert made.llm.stop == ["a"]


def test_a_deep_copy_shares_nothing_mutable():
    config = Config({"llm": {"stop": ["a"]}})
    copy.deepcopy(config).llm.stop.append("b")
    assert config == {"llm": {"stop": ["a"]}}


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_pickling_keeps_content_types_and_id(protocol):
    config = pickle.loads(pickle.dumps(Config({"__config_id__": "warm", "llm": {"k": [{"x": 1}]}}), protocol))
    assert config == {"llm": {"k": [{"x": 1}]}}
    assert config.config_id == "warm"
    assert config.llm.k[0].x == 1


@given(json_configs)
def test_every_copy_equals_its_config(content):
    config = Config(content)
    for made in (config.copy(), copy.deepcopy(config), pickle.loads(pickle.dumps(config)), Config(config)):
        assert made == config == content
        assert made.config_id == config.config_id


def test_a_union_is_a_config_with_an_id_of_its_own():
    base = Config({"__config_id__": "warm", "a": 1, "b": 2})
    assert base | {"b": 3} == {"a": 1, "b": 3}
    assert (base | {"b": 3}).config_id == generate_config_id({"a": 1, "b": 3})
    assert (base | {"__config_id__": "hot"}).config_id == "hot"
    assert ({"b": {"x": 0}, "c": {"x": 4}} | base).c.x == 4
    with pytest.raises(TypeError):
        base | 5


def test_a_config_that_contains_itself_is_refused():
    circle = {}
    circle["a"] = circle
    with pytest.raises(ConfigError, match="contains itself"):
        Config(circle)


@pytest.mark.slow
@given(json_configs)
def test_the_id_of_what_json_can_say_follows_the_formula(content):
    expected = sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
    assert generate_config_id(content) == expected
    assert Config(content).config_id == expected
    assert generate_config_id(dict(reversed(content.items()))) == expected


def test_the_id_in_a_mapping_overrides_the_formula():
    assert generate_config_id({"__config_id__": "warm", "f": lambda: 0}) == "warm"


def test_only_a_mapping_has_an_id():
    with pytest.raises(ConfigError, match=r"Cannot identify \[1\]: it is no mapping"):
        generate_config_id([1])


def test_a_model_field_takes_any_mapping_and_is_dumped_as_a_dict():
    settings = Settings(config={"llm": {"model": "tiny"}})
    assert settings.config.llm.model == "tiny"
    assert settings.model_dump() == {"config": {"llm": {"model": "tiny"}}}
    assert type(settings.model_dump()["config"]) is dict
    assert settings.model_dump_json() == '{"config":{"llm":{"model":"tiny"}}}'


def test_a_model_field_keeps_a_config_and_its_id():
    config = Config({"__config_id__": "warm", "a": 1})
    assert Settings(config=config).config is config


def test_a_model_field_refuses_what_is_no_mapping():
    with pytest.raises(ValidationError, match="valid dictionary"):
        Settings(config=5)
    with pytest.raises(ValidationError, match="Cannot use 5 as '__config_id__'"):
        Settings(config={"__config_id__": 5})


def test_a_type_adapter_reads_json_and_describes_an_object():
    adapter = TypeAdapter(Config)
    assert adapter.validate_json('{"a": {"b": 1}}').a.b == 1
    assert adapter.json_schema()["type"] == "object"
