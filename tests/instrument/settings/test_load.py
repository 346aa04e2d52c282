"""Settings from files, mappings and where they are found; all their errors with file and line."""

import textwrap
from pathlib import Path

import pytest

from spearmint.errors import ConfigError, SettingsError
from spearmint.instrument.settings.load import find_settings, read_settings
from spearmint.instrument.settings.model import BindingEntry
from spearmint.instrument.settings.origin import split_errors
from spearmint.strategies import RoundRobinStrategy


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SPEARMINT_CONFIG", raising=False)
    return tmp_path


@pytest.fixture
def write(folder):
    def write_file(text, name="spearmint.yaml"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    return write_file


@pytest.fixture
def refusal(write):
    """The errors that a file gives, each alone, without the folder in front."""

    def read_and_fail(text, name="spearmint.yaml"):
        path = write(text, name)
        with pytest.raises(SettingsError) as caught:
            read_settings(name)
        assert caught.value.source == name
        return [str(error).replace(str(path.parent), "<folder>") for error in split_errors(caught.value)]

    return read_and_fail


FULL = """
    packages:
      - shop
      - name: pipeline
        auto: named
        configs: [configs/pipeline.yaml]
        strategy: round_robin
        bindings: {temperature: llm.temperature, top_k: retrieval.k}
    experiments:
      - target: shop.rank:Ranker.score
        configs: [configs/, {boost: !sweep [1.0, 2.0]}]
        strategy: {use: "shop.own:Strategy", with: {sample_rate: 0.1}}
        bindings: {boost: boost, limit: {path: paging.limit, override: true}, page: null}
        variant_timeout: 3
        copy_args: true
        combine: one_at_a_time
        max_cases: null
        tracing: false
        on_variant_error: shop.own:report
    tracing: {enabled: true, sample_rate: 0.1}
    background: {max_workers: 8, queue_size: 1000, overflow: drop, exit_timeout: 2.0}
    propagate_children: true
    propagate_threads: true
"""


def test_a_file_with_everything_is_read(write):
    write("llm: {temperature: 1}", "configs/pipeline.yaml")
    settings = read_settings(write(FULL)).settings
    shop, pipeline = settings.packages
    assert (shop.name, shop.auto, shop.given) == ("shop", None, {})
    assert (pipeline.auto, pipeline.configs, pipeline.strategy.use) == (
        "named",
        ["configs/pipeline.yaml"],
        "round_robin",
    )
    (experiment,) = settings.experiments
    assert experiment.configs == ["configs/", {"boost": {"$sweep": [1.0, 2.0]}}]
    assert (experiment.strategy.use, experiment.strategy.with_) == ("shop.own:Strategy", {"sample_rate": 0.1})
    assert experiment.bindings == {
        "boost": BindingEntry(path="boost"),
        "limit": BindingEntry(path="paging.limit", override=True),
        "page": None,
    }
    assert experiment.given == {
        "variant_timeout": 3.0,
        "copy_args": True,
        "combine": "one_at_a_time",
        "max_cases": None,
        "tracing": False,
    }
    assert settings.tracing == {"enabled": True, "sample_rate": 0.1}
    assert settings.background["max_workers"] == 8
    assert settings.propagate_children
    assert settings.propagate_threads


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("package: [shop]", ":1:1: Cannot use the key 'package': there is none such in the settings. Give some of "),
        ("package: [shop]", "Did you mean 'packages'?"),
        ("packages:\n- {name: a, atuo: named}", ":2:13: Cannot use the key 'atuo': there is none such in a package."),
        ("packages:\n- a\n- {auto: named}", ":3:3: Cannot use a package without 'name': the key is missing. Add it."),
        ("packages: [a.*]", "Cannot use the package 'a.*': it is no dotted name. Write 'a': a name covers its submod"),
        ("packages: [a-b]", "Cannot use the package 'a-b': it is no dotted name. Write 'pkg' or 'pkg.sub'."),
        ("packages: a", ":1:1: Cannot set 'packages' to 'a': it is of type str. Give a list."),
        ("packages: [3]", ":1:12: Cannot set 'packages[0]' to 3: it is of type int. Give a mapping."),
        ("packages: [spearmint.cli]", "Cannot instrument 'spearmint.cli': it is Spearmint itself. Remove it."),
        (
            "packages:\n- {name: a, auto: name, bindings: {x: x}}",
            ":2:13: Cannot set 'packages[0].auto' to 'name': there is no such choice. Give 'named' or 'annotated'. Did",
        ),
        ("packages:\n- {name: a, auto: named}", ":2:13: Cannot find experiments in package 'a': 'auto: named' takes"),
        ("packages:\n- {name: a, strategy: shadow}", ":2:13: Cannot use 'strategy' of package 'a': no function of it"),
        ("packages:\n- a\n- a", ":3:3: Cannot use 'a' twice: it is there already, in line 2. Join the two"),
        (
            "experiments:\n- target: a.b.f",
            ":2:3: Cannot read the target 'a.b.f': it has no colon. Write 'a.b:f': the module, a colon, the function.",
        ),
        ("experiments:\n- target: 'a:f*#2'", ":2:3: Cannot use the target 'a:f*#2': a number tells definitions of"),
        (
            "experiments:\n- target: a:f\n  strategy: shadw",
            (
                ":3:3: Cannot use the strategy 'shadw': there is none of that name. Give single, shadow, "
                "multi_branch, round_robin, split, bandit, or an import path such as 'pkg.mod:Strategy'. Did you mean "
                "'shadow'?"
            ),
        ),
        ("experiments:\n- target: a:f\n  strategy: RoundRobinStrategy", "Did you mean 'round_robin'?"),
        ("experiments:\n- target: a:f\n  strategy: own.mod.Strategy", "Did you mean 'own.mod:Strategy'?"),
        (
            "experiments:\n- target: a:f\n  strategy: {use: shadow, with: {sample_rat: 1}}",
            ":3:34: Cannot make strategy 'shadow' with {'sample_rat': 1}: ",
        ),
        (
            "experiments:\n- target: a:f\n  strategy: {use: shadow, with: {sample_rate: 2}}",
            ":3:34: Cannot sample 2 of the calls: it is no share. Give a number from 0 to 1.",
        ),
        ("experiments:\n- target: a:f\n  strategy: {with: {}}", "Cannot use a strategy without 'use'"),
        (
            "experiments:\n- target: a:f\n  bindings:\n    x: {path: a, overide: true}",
            ":4:18: Cannot use the key 'overide': there is none such in a binding. Give some of path, override. Did",
        ),
        (
            "experiments:\n- target: a:f\n  bindings:\n    'a.b': c",
            ":4:5: Cannot bind 'a.b': it is no parameter's ",
        ),
        (
            "experiments:\n- target: a:f\n  bindings:\n    b: [c]",
            ":4:5: Cannot set 'experiments[0].bindings.b' to ['c']: it",
        ),
        (
            "experiments:\n- target: a:f\n  configs:\n  - {k: 1}\n  - spearmnt.yaml",
            (
                ":5:5: Cannot read configs from 'spearmnt.yaml': there is no 'spearmnt.yaml' in '<folder>'; did "
                "you mean 'spearmint.yaml'? (relative paths start from '<folder>'). Give the path of a .yaml, "
            ),
        ),
        ("experiments:\n- target: a:f\n  configs: [3]", ":3:13: Cannot read a config from 3: it is no source."),
        ("experiments:\n- target: a:f\n  variant_timeout: 0", "Cannot set 'experiments[0].variant_timeout' to 0: inpu"),
        ("experiments:\n- target: a:f\n  copy_args: 'no'", "to 'no': it is of type str. Give true or false."),
        ("experiments:\n- target: a:f\n  max_cases: many", "to 'many': it is of type str. Give a whole number."),
        (
            "background: {queue_size: 3, max_worker: 1}",
            ":1:29: Cannot set background limit 'max_worker': there is none.",
        ),
        ("tracing: {enable: true}", ":1:11: Cannot set tracing option 'enable': there is none. Give some of enabled, "),
        ("tracing: {sample_rate: 2}", ":1:11: Cannot set tracing option 'sample_rate' to 2: it is out of range."),
        (
            "experiments:\n- target: a:f\n  tracing: {sample_rate: 2}",
            ":3:13: Cannot set 'tracing' to {'sample_rate': 2",
        ),
        ("experiments:\n- target: a:f\n  compare: same", ":3:3: Cannot import 'same': it is no import path. Write 'p"),
        ("tracing: [a]", ":1:1: Cannot set 'tracing' to ['a']: it is of type list. Give a mapping."),
        ("packages: [a\n", ":2:1: Cannot read YAML: "),
        ("- a", ":1:1: Cannot read YAML: its top level is no mapping but of type list."),
        ("propagate_children: maybe", "Cannot set 'propagate_children' to 'maybe': it is of type str. Give true or"),
    ],
)
def test_invalid_settings_are_refused_with_line_column_and_fix(refusal, text, error):
    (message,) = refusal(text)
    assert message.startswith("spearmint.yaml:")
    assert error in message


def test_all_errors_are_reported_in_the_order_of_the_file(refusal):
    text = """\
    packages:
      - name: a
        atuo: named
    experiments:
      - target: a.f
        strategy: shadwo
    background: {overflow: lose}
    """
    assert [message.split(": ")[0] for message in refusal(text)] == [
        "spearmint.yaml:3:5",
        "spearmint.yaml:5:5",
        "spearmint.yaml:6:5",
        "spearmint.yaml:7:14",
    ]


def test_the_message_of_several_errors_has_a_line_for_each(write):
    write("a: 1\nb: 2\n")
    with pytest.raises(SettingsError, match=r"(?m)^spearmint.yaml:2:1: Cannot use the key 'b'") as caught:
        read_settings("spearmint.yaml")
    assert str(caught.value).startswith("spearmint.yaml:1:1: Cannot use the key 'a'")
    assert (caught.value.line, caught.value.column, len(caught.value.others)) == (1, 1, 1)


def test_a_place_that_a_merge_key_brings_is_near_it(refusal):
    text = """\
    experiments:
      - &first {target: "a:f", strategy: shadow}
      - <<: *first
        target: a:g
        copy_arg: true
      - {<<: *first, target: nothing}
    """
    assert [message.split(": ")[0] for message in refusal(text)] == ["spearmint.yaml:5:5", "spearmint.yaml:6:18"]


def test_table_of_pyproject_is_read_and_its_errors_name_keys(write, refusal):
    text = """\
    [project]
    name = "it"

    [tool.spearmint]
    packages = ["shop"]

    [[tool.spearmint.experiments]]
    target = "shop:f"
    configs = [{k = {"$sweep" = [1, 2]}}]

    [[tool.spearmint.experiments]]
    target = "shop:g"
    """
    write(text, "pyproject.toml")
    loaded = read_settings()
    assert loaded.origin.path == Path("pyproject.toml")
    assert [entry.target for entry in loaded.settings.experiments] == ["shop:f", "shop:g"]
    broken = f"{textwrap.dedent(text)}stratgy = 'shadow'\n[tool.spearmint.experiments.bindings]\nk = {{pth = 'k'}}\n"
    entry = "pyproject.toml: tool.spearmint.experiments[1]"
    assert [message.split(": there")[0] for message in refusal(broken, "pyproject.toml")] == [
        f"{entry}.bindings.k.pth: Cannot use the key 'pth'",
        f"{entry}.stratgy: Cannot use the key 'stratgy'",
    ]


def test_toml_error_and_missing_table_are_reported(refusal):
    (message,) = refusal("[tool.spearmint\n", "pyproject.toml")
    assert message.startswith("pyproject.toml: Cannot read TOML: ")
    (message,) = refusal("[tool.other]\n", "pyproject.toml")
    assert "it has no table [tool.spearmint]. Add one." in message


def test_settings_are_found_by_variable_then_yaml_then_pyproject(write, folder, monkeypatch):
    assert find_settings() is None
    write("[tool.spearmint]\npackages = ['c']\n", "pyproject.toml")
    assert read_settings().settings.packages[0].name == "c"
    write("packages: [b]")
    assert read_settings().settings.packages[0].name == "b"
    monkeypatch.setenv("SPEARMINT_CONFIG", str(write("packages: [a]", "other/my.yaml")))
    assert read_settings().settings.packages[0].name == "a"
    assert read_settings().origin.folder == folder / "other"


@pytest.mark.parametrize(
    ("text", "is_found"),
    [
        ("[[tool.spearmint.experiments]]\ntarget = 'a:f'\n", True),
        ("tool.spearmint.packages = ['a']\n", True),
        ("[tool]\nspearmint = {packages = ['a']}\n", True),
        ("[tool.'spearmint']\npackages = ['a']\n", True),
        ("[project]\ndependencies = ['spearmint-experiments']\n", False),
        ("[tool.spearmint-other]\n", False),
        ('[project]\ndescription = """\n[tool.spearmint]\n"""\n', False),
    ],
)
def test_a_table_is_found_however_it_is_written(write, text, is_found):
    write(text, "pyproject.toml")
    assert (find_settings() is not None) is is_found
    if is_found:
        settings = read_settings().settings
        assert settings.packages or settings.experiments


def test_pyproject_that_is_no_text_holds_no_settings(folder):
    (folder / "pyproject.toml").write_bytes(b"# \xff spearmint\n")
    assert find_settings() is None


def test_settings_are_found_in_a_folder_above(write, folder, monkeypatch):
    write("packages: [a]")
    below = folder / "src" / "deep"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert read_settings().origin.path == folder / "spearmint.yaml"
    (below / "pyproject.toml").write_text("[tool.ruff]\n# no spearmint here\n")
    assert read_settings().origin.path == folder / "spearmint.yaml"


def test_missing_settings_file_and_no_settings_are_errors(folder, monkeypatch):
    with pytest.raises(SettingsError, match=r"^Cannot find settings: SPEARMINT_CONFIG is not set, and neither "):
        read_settings()
    assert read_settings(packages=["a"]).settings.packages[0].name == "a"
    monkeypatch.setenv("SPEARMINT_CONFIG", "gone.yaml")
    with pytest.raises(SettingsError, match=r"^SPEARMINT_CONFIG: Cannot read settings from 'gone.yaml': there is no"):
        read_settings()
    with pytest.raises(SettingsError, match=r"^gone.yaml: Cannot read settings from 'gone.yaml': No such file"):
        read_settings("gone.yaml")
    with pytest.raises(SettingsError, match=r"^Cannot read settings from 3: it is no source\."):
        read_settings(3)


def test_a_key_with_nothing_behind_it_says_nothing(write):
    text = "packages:\nexperiments:\n- target: a:f\n  bindings:\n  configs:\n  strategy:\nbackground:\ntracing:\n"
    settings = read_settings(write(text)).settings
    assert (settings.packages, settings.background, settings.tracing) == ([], None, None)
    assert (settings.experiments[0].bindings, settings.experiments[0].configs) == ({}, None)
    assert read_settings(write("packages:\nexperiments:\n")).settings.experiments == []


def test_packages_are_added_to_those_of_the_settings(folder):
    loaded = read_settings({"packages": ["a", {"name": "b"}]}, packages=["b", "c", "c"])
    assert [package.name for package in loaded.settings.packages] == ["a", "b", "c"]
    assert [package.name for package in read_settings({}, packages="a").settings.packages] == ["a"]


def test_a_mapping_may_hold_objects_and_its_errors_name_the_path(folder):
    strategy = RoundRobinStrategy()
    entry = {"target": "a:f", "configs": ({"k": 1},), "strategy": strategy, "on_variant_error": print}
    (experiment,) = read_settings({"experiments": (entry,)}).settings.experiments
    assert experiment.strategy is strategy
    assert experiment.on_variant_error is print
    with pytest.raises(SettingsError, match=r"^experiments\[0\].target: Cannot read the target 'a.f': it has no colon"):
        read_settings({"experiments": [{"target": "a.f"}]})


def test_a_settings_error_is_a_config_error_and_keeps_its_cause(refusal, write):
    write("experiments: [{target: a}]")
    with pytest.raises(ConfigError) as caught:
        read_settings("spearmint.yaml")
    assert isinstance(caught.value.__cause__, ValueError)


def test_broken_project_with_the_table_is_reported(write):
    write("[tool.spearmint]\npackages = [\n", "pyproject.toml")
    with pytest.raises(SettingsError, match=r"^pyproject\.toml: Cannot read TOML: "):
        read_settings()


def test_deleted_working_directory_is_named(folder, monkeypatch):
    gone = folder / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    try:
        assert find_settings() is None
        with pytest.raises(SettingsError, match="is not set, and the working directory has been deleted"):
            read_settings()
        assert read_settings(packages=["shop"]).settings.packages[0].name == "shop"
        assert read_settings({"packages": ["shop"]}).settings.packages[0].name == "shop"
    finally:
        monkeypatch.chdir(folder)


@pytest.mark.parametrize(
    ("key", "option", "meant"), [("tracing", "sample_rte", "sample_rate"), ("background", "max_worker", "max_workers")]
)
def test_mistyped_option_of_the_process_names_the_close_one(key, option, meant):
    with pytest.raises(SettingsError, match=rf"Cannot set .* '{option}': there is none\..* Did you mean '{meant}'"):
        read_settings({key: {option: 1}})
