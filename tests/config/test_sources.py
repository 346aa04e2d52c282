"""Sources: where configs come from, and what is said when they do not."""

import dataclasses
import itertools
import os
import re
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel, ConfigDict, RootModel, SecretStr

from spearmint.config import Config, DynamicValue, generate_config_id, iter_configs, parse_configs
from spearmint.errors import ConfigError


class Llm(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)

    model: str = "tiny"
    temperature: float | DynamicValue = 0.5
    key: SecretStr | None = None


@dataclasses.dataclass
class Pipeline:
    llm: Any
    k: Any = 5


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = {
        "configs/b.yaml": "n: 1",
        "configs/a.json": '{"n": 0}',
        "configs/c/d.yml": "n: 2",
        "configs/z.jsonl": '{"n": 3}\n{"n": 4}\n',
        "configs/.hidden.yaml": "n: 99",
        "configs/.git/x.yaml": "n: 99",
        "configs/README.md": "no config",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def numbers(configs):
    return [config.n for config in configs]


def refusal(source, **options):
    with pytest.raises(ConfigError) as caught:
        parse_configs(source, **options)
    return str(caught.value)


@pytest.mark.parametrize(
    "source",
    [
        {"llm": {"model": "tiny"}, "k": 5},
        Config({"llm": {"model": "tiny"}, "k": 5}),
        MappingProxyType({"llm": {"model": "tiny"}, "k": 5}),
        Pipeline({"model": "tiny"}),
        [{"llm": {"model": "tiny"}, "k": 5}],
    ],
)
def test_a_mapping_a_model_and_a_dataclass_are_a_config(source):
    (config,) = parse_configs(source)
    assert type(config) is Config
    assert config == {"llm": {"model": "tiny"}, "k": 5}
    assert config.llm.model == "tiny"


def test_models_and_dataclasses_nest_and_keep_their_values():
    secret = SecretStr("s")
    configs = parse_configs([Llm(key=secret), Pipeline(llm=[Llm()], k=DynamicValue([1, 2]))])
    assert configs[0] == {"model": "tiny", "temperature": 0.5, "key": secret}
    assert [config.llm[0].model for config in configs[1:]] == ["tiny", "tiny"]
    assert [config.k for config in configs[1:]] == [1, 2]


def test_a_sweep_in_a_model_expands():
    assert [config.temperature for config in parse_configs(Llm(temperature=DynamicValue([0.0, 1.0])))] == [0.0, 1.0]
    assert len(parse_configs(Llm.model_construct(model=DynamicValue(["a", "b"])))) == 2


def test_iterables_nest():
    source = [{"n": 1}, ({"n": n} for n in (2, 3)), DynamicValue([{"n": 4}, [{"n": 5}]]), [[]]]
    assert numbers(parse_configs(source)) == [1, 2, 3, 4, 5]
    assert parse_configs([]) == []


def test_every_config_has_its_id_and_keeps_it():
    config, other = parse_configs([{"a": 1}, {"__config_id__": "warm", "a": 2}])
    assert (config.config_id, other.config_id) == (generate_config_id({"a": 1}), "warm")
    config["a"] = 3
    assert config.config_id == generate_config_id({"a": 1})


def test_a_changed_copy_of_a_parsed_config_gets_another_id():
    (config,) = parse_configs({"a": 1})
    changed = config.copy()
    changed["a"] = 2
    first, second = parse_configs([config, changed])
    assert first.config_id != second.config_id


def test_a_folder_is_read_in_sorted_order_without_hidden_files(folder):
    assert numbers(parse_configs("configs")) == [0, 1, 2, 3, 4]
    assert numbers(parse_configs(folder / "configs")) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [("configs/*.yaml", [1]), ("configs/*", [0, 1, 3, 4]), ("configs/**", [0, 1, 2, 3, 4]), ("configs/[ab].*", [0, 1])],
)
def test_a_glob_is_read_in_sorted_order(folder, pattern, expected):
    assert numbers(parse_configs(pattern)) == expected


def test_an_existing_path_with_brackets_is_a_path(folder):
    Path("[a].yaml").write_text("n: 7")
    assert numbers(parse_configs("[a].yaml")) == [7]


def test_relative_paths_start_from_a_folder(folder, monkeypatch):
    monkeypatch.chdir("/")
    base = folder / "configs"
    assert numbers(parse_configs(["b.yaml", "*.json", "c"], relative_to=base)) == [1, 0, 2]
    assert numbers(iter_configs(str(base / "b.yaml"), relative_to=Path("/nowhere"))) == [1]
    assert f"relative paths start from {str(base)!r}" in refusal("x.yaml", relative_to=base)


def test_a_tilde_is_the_home_folder(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("USERPROFILE", str(folder))
    assert numbers(parse_configs("~/configs/b.yaml")) == [1]
    assert numbers(parse_configs(["~/configs/*.json"])) == [0]


def test_a_missing_file_names_the_folder_and_close_matches(folder):
    message = refusal([{"a": 1}, "configs/bb.yaml"])
    assert message.startswith("configs[1]: Cannot read configs from 'configs/bb.yaml': ")
    assert "there is no 'bb.yaml' in 'configs'; did you mean 'b.yaml'" in message
    assert f"relative paths start from {os.getcwd()!r}" in message  # noqa: PTH109
    assert "there is no folder 'confgs'" in refusal("confgs/b.yaml")


@pytest.mark.parametrize("target", ["link.yaml", "nowhere.yaml"])
def test_link_that_leads_nowhere_is_told_as_one(tmp_path, target):
    (tmp_path / "link.yaml").symlink_to(target)
    with pytest.raises(ConfigError, match=f"it is a link to '{target}', which leads nowhere"):
        parse_configs(tmp_path / "link.yaml")


@pytest.mark.parametrize(
    ("path", "cause"),
    [
        ("", "the path is empty"),
        ("empty", "no file in the folder ends with .yaml"),
        ("*.yml", "no file that ends with .yaml, .yml, .json, .jsonl matches the glob"),
        ("a: 1\nb: 2\n" * 1000, "there is no 'a: 1"),
        ("a\0b.yaml", "there is no"),
    ],
)
def test_a_path_to_nothing_is_refused(folder, path, cause):
    Path("empty").mkdir()
    message = refusal(path)
    assert message.startswith("configs: Cannot read configs from ")
    assert cause in message
    assert len(message) < 1000


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file that cannot be read, also by root")
def test_unreadable_file_is_refused(folder):
    Path("memory.yaml").symlink_to("/proc/self/mem")
    assert "Cannot read 'memory.yaml': Input/output error. Check the file" in refusal("memory.yaml")


@pytest.mark.parametrize("wrong", [None, 5, 1.5, b"a.yaml", object, Llm, Config, RootModel[int](5)])
def test_what_is_no_source_is_named_with_its_position(wrong):
    message = refusal([{"a": 1}, [wrong]])
    assert message.startswith(f"configs[1][0]: Cannot read a config from {wrong!r}: ")
    assert ("Give an instance of it" if isinstance(wrong, type) else "Give a mapping, a pydantic model") in message
    assert refusal(wrong).startswith("configs: ")


def test_secret_in_what_is_no_source_is_not_shown():
    class Login:
        def __repr__(self):
            return "Login(password='pw-123456')"

    message = refusal([Login()])
    assert "Cannot read a config from Login(password=**********)" in message


def test_a_list_that_contains_itself_is_refused():
    circle = []
    circle.append(circle)
    assert "is no source of configs" in refusal(circle)


def test_an_error_of_a_config_names_its_position():
    assert refusal([{"a": 1}, {"b": DynamicValue([])}]).startswith("configs[1]: Cannot expand 'b'")
    assert refusal([{"f": {"x": object()}}]).startswith("configs[0]: Cannot identify the value at 'f.x'")
    assert refusal({"__config_id__": 5}).startswith("configs: Cannot use 5")


def test_different_configs_of_one_id_are_refused_with_places(folder):
    Path("x.jsonl").write_text('{"__config_id__": "x", "n": 1, "k": 0}\n\n{"__config_id__": "x", "n": 2, "k": 0}')
    message = refusal("x.jsonl")
    assert message == (
        "x.jsonl:3: Cannot tell two configs apart: those from x.jsonl:1 and x.jsonl:3 differ in 'n', "
        "but both have the id 'x'. Give each an id of its own."
    )
    assert "differ in 'a'" in refusal({"__config_id__": "x", "a": DynamicValue([1, 2])})
    assert "differ in 'a'" in refusal([{"__config_id__": "x", "a": 1}, {"__config_id__": "x", "a": True}])
    assert "differ in 'a'" in refusal([{"a": [1]}, {"a": (1,)}])


def function():
    return 0


@pytest.mark.parametrize(
    "content",
    [
        {"a": 1},
        {"__config_id__": "x", "a": [1, {"b": 2}]},
        {"a": float("nan")},
        {"a": np.arange(3)},
        {"__config_id__": "x", "a": object()},
        {"a": function, "b": {1, 2}},
    ],
)
def test_equal_configs_may_be_there_twice(content):
    first, second = parse_configs([content, dict(content)])
    assert first.config_id == second.config_id
    assert first is not second


def test_configs_come_one_by_one():
    source = iter_configs({"n": n} for n in itertools.count())
    assert numbers(itertools.islice(source, 3)) == [0, 1, 2]


def test_an_error_comes_when_the_iteration_is_there():
    source = iter_configs([{"n": 1}, None])
    assert next(source) == {"n": 1}
    with pytest.raises(ConfigError, match=re.escape("configs[1]")):
        next(source)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_jsonl_file_is_read_line_by_line(tmp_path):
    path = tmp_path / "live.jsonl"
    path.write_text('{"n": 1}\n')
    source = iter_configs(path)
    assert next(source) == {"n": 1}
    with path.open("a") as stream:
        stream.write('{"n": 2}\n')
    assert next(source) == {"n": 2}
