"""The pytest plugin, in pytest sessions of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

from spearmint.pytest_plugin import config_names

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent

PRODUCT = """
from spearmint import experiment
from spearmint.strategies import ShadowStrategy

@experiment(configs=[{"k": 1}, {"k": 2}], strategy=ShadowStrategy)
def run(config):
    return config.k

@experiment(configs=[{"k": 1}])
def other(config):
    return config.k
"""


@pytest.fixture
def session(pytester, monkeypatch, pytestconfig):
    """Give a function that runs tests in a session of their own and returns its result."""
    monkeypatch.syspath_prepend(str(pytester.path))  # and for the children of the session
    monkeypatch.setenv("PYTHONPATH", f"{pytester.path}:{ROOT}")
    pytester.makepyfile(product=PRODUCT)

    def run(tests, *arguments):
        pytester.makepyfile(test_it=tests)
        # The entry point, unless the installed metadata is older than it.
        plugin = () if pytestconfig.pluginmanager.has_plugin("spearmint") else ("-p", "spearmint.pytest_plugin")
        return pytester.runpytest_subprocess(
            *plugin,
            *("-p", "no:asyncio", "-p", "no:cacheprovider", "-p", "no:hypothesispytest"),
            *("-v", "--strict-markers", "-Werror", *arguments),
        )

    return run


def test_the_fixture_pins_until_the_test_ends(session):
    tests = """
from product import run

def test_pinned(spearmint_override):
    assert run() == 1
    assert spearmint_override(run, {"k": 10}) == {"k": 10}
    assert run() == 10
    spearmint_override("product:run", {"k": 20}, variants=True)
    assert run() == 20

def test_after():
    assert run() == 1
"""
    session(tests).assert_outcomes(passed=2)


def test_marked_test_runs_once_per_config_pinned(session):
    tests = """
import pytest
from product import run

@pytest.mark.spearmint(target=run, configs=[{"k": {"$sweep": [10, 20]}}, {"k": 30, "__config_id__": "thirty"}])
def test_marked(spearmint_config):
    assert run() == spearmint_config.k

@pytest.mark.spearmint(target="product:run", configs=[{"k": 10}])
def test_without_the_fixture():
    assert run() == 10

def test_after():
    assert run() == 1
"""
    result = session(tests)
    result.assert_outcomes(passed=5)
    result.stdout.fnmatch_lines(
        [
            "*test_marked[[]k=10[]] PASSED*",
            "*test_marked[[]k=20[]] PASSED*",
            "*test_marked[[]thirty[]] PASSED*",
            "*test_without_the_fixture[[]k=10[]] PASSED*",
        ]
    )


def test_mark_without_configs_takes_those_of_the_experiment(session):
    tests = """
import pytest
from product import run

seen = []

@pytest.mark.spearmint(target=run)
def test_each():
    seen.append(run())

def test_all():
    assert seen == [1, 2]
"""
    session(tests).assert_outcomes(passed=3)


def test_a_mark_without_targets_gives_the_config_to_the_test(session):
    tests = """
import pytest

@pytest.mark.spearmint(configs="configs.yaml")
def test_each(spearmint_config):
    assert spearmint_config.k in (1, 2)
"""
    Path("configs.yaml").write_text("k: !sweep [1, 2]\n", encoding="utf-8")
    session(tests).assert_outcomes(passed=2)


def test_several_marks_and_other_parameters_multiply(session):
    tests = """
import pytest
from product import other, run

seen = set()

@pytest.mark.spearmint(target=run, configs=[{"k": 10}, {"k": 20}])
class TestClass:
    @pytest.mark.parametrize("number", [1, 2])
    @pytest.mark.spearmint(target=other, configs=[{"k": 30}, {"k": 40}])
    def test_product(self, number, spearmint_config):
        assert spearmint_config.k == other()
        seen.add((run(), other(), number))

def test_all():
    assert seen == {(a, b, c) for a in (10, 20) for b in (30, 40) for c in (1, 2)}
"""
    result = session(tests)
    result.assert_outcomes(passed=9)
    result.stdout.fnmatch_lines(["*test_product[[]k=10-k=40-1[]] PASSED*"])


@pytest.mark.parametrize(
    ("mark", "message"),
    [
        ("(target=run, configs=[])", "mark 'spearmint' has no configs. Give configs=[[]...[]]"),
        ("()", "mark 'spearmint' has no configs"),
        ("(configs=[{'k': 1}])", "nothing would use the config. Name the experiment to pin"),
        ("(target=run, config=[{'k': 1}])", "Cannot use mark 'spearmint' with 'config'"),
        ("(target=run, configs=3)", "Cannot"),
        ("(run, configs=[{'k': 1}])", "name the experiment: target=..."),
        ("(target=len)", "Cannot run <built-in function len>: it is no experiment"),
    ],
)
def test_useless_mark_is_an_error_at_collection(session, mark, message):
    tests = f"import pytest\nfrom product import run\n\n@pytest.mark.spearmint{mark}\ndef test_it(): pass\n"
    result = session(tests)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"*test_it.py::test_it: *{message}*"])
    assert result.ret == pytest.ExitCode.INTERRUPTED


def test_config_that_does_not_bind_fails_its_test(session):
    tests = """
from typing import Annotated
import pytest
from spearmint import Bind, experiment

@experiment(configs=[{"k": 1}])
def run(k: Annotated[int, Bind("k")]):
    return k

@pytest.mark.spearmint(target=run, configs=[{"k": 1}, {"k": "many"}])
def test_each():
    run()
"""
    result = session(tests)
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*BindingError: Cannot bind parameter 'k'*"])


def test_mark_on_a_unittest_method_is_an_error(session):
    tests = """
import unittest
import pytest
from product import run

class TestCase(unittest.TestCase):
    @pytest.mark.spearmint(target=run, configs=[{"k": 10}])
    def test_method(self): pass
"""
    result = session(tests)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*pytest parametrizes no tests of this kind*"])


def test_the_config_fixture_without_a_mark_says_what_is_missing(session):
    result = session("def test_it(spearmint_config): pass")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*Mark it with @pytest.mark.spearmint(configs=[[]...[]])*"])


def test_background_work_and_limits_do_not_reach_the_next_test(session):
    tests = """
import threading
import spearmint
from spearmint import experiment
from spearmint.registry import registry
from spearmint.strategies import ShadowStrategy

ended = []
kept = []

def test_first():
    go = threading.Event()

    @experiment(configs=[{"k": 1}, {"k": 2}], strategy=ShadowStrategy)
    def local(config):
        if config.k == 2:
            go.wait(10)
            ended.append(config.k)

    kept.append(local)
    local()
    spearmint.configure(background={"queue_size": 7})
    assert spearmint.background_stats().pending == 1
    assert f"{__name__}:test_first.<locals>.local" in registry
    threading.Timer(0.2, go.set).start()

def test_second():
    assert ended == [2]
    assert spearmint.background_stats() == spearmint.BackgroundStats()
    assert not [one for one in registry if "test_first" in one.name]
    from spearmint.execution.pool import variant_pool
    assert variant_pool.limits.queue_size == 1000
    kept[0]()
"""
    session(tests).assert_outcomes(passed=2)


def test_work_that_does_not_end_warns_and_tests_go_on(session):
    tests = """
import threading
from spearmint import experiment
from spearmint.strategies import ShadowStrategy

go = threading.Event()

@experiment(configs=[{"k": 1}, {"k": 2}], strategy=ShadowStrategy)
def hang(config):
    if config.k == 2:
        go.wait(60)

def test_first():
    hang()

def test_second():
    go.set()
"""
    result = session(tests, "-o", "spearmint_flush_timeout=0.1", "-W", "default::spearmint.errors.SpearmintWarning")
    result.assert_outcomes(passed=2, warnings=1)
    result.stdout.fnmatch_lines(["*test_it.py::test_first left 1 background executions*"])


SETTINGS = """
packages: [library]
experiments:
  - target: library.rank:score
    configs: [{boost: !sweep [5, 6]}]
    bindings: {boost: boost}
"""
LIBRARY = """
def score(text, boost=1):
    return boost

def total():
    return score("a") + score("b")
"""
USES = """
import library.rank

def test_it_is_an_experiment():
    assert library.rank.score("mint") == 5
    assert library.rank.total() == 10

def test_rewriting_of_asserts_goes_on():
    try:
        assert library.rank.score("mint") == 7
    except AssertionError as error:
        assert "5 == 7" in str(error)
"""


@pytest.fixture
def library(pytester):
    (pytester.path / "library").mkdir()
    (pytester.path / "library" / "__init__.py").write_text("", encoding="utf-8")
    (pytester.path / "library" / "rank.py").write_text(LIBRARY, encoding="utf-8")
    (pytester.path / "conftest.py").write_text("import library.rank\n", encoding="utf-8")
    (pytester.path / "settings.yaml").write_text(SETTINGS, encoding="utf-8")


@pytest.mark.parametrize("arguments", [(), ("-n", "2")])
@pytest.mark.parametrize("by", ["option", "ini"])
def test_settings_file_is_installed_before_project_imports(session, library, by, arguments):
    named = ("--spearmint-config", "settings.yaml") if by == "option" else ("-o", "spearmint_config=settings.yaml")
    session(USES, *named, *arguments).assert_outcomes(passed=2)


def test_invalid_settings_file_ends_the_session_with_its_place(session, library):
    Path("settings.yaml").write_text("packages: [library]\nexperimets: []\n", encoding="utf-8")
    result = session(USES, "--spearmint-config", "settings.yaml")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*settings.yaml:2:*experimets*"])


def test_installation_left_by_a_test_is_uninstalled(session, library):
    tests = """
import sys
import spearmint

def test_first():
    del sys.modules["library.rank"], sys.modules["library"]
    spearmint.install("settings.yaml")
    import library.rank
    assert library.rank.score("mint") == 5

def test_second():
    import library.rank
    assert library.rank.score("mint") == 1
    assert not [one for one in sys.meta_path if "spearmint" in type(one).__module__]
"""
    session(tests).assert_outcomes(passed=2)


def test_traces_are_written_and_tracing_reset_between_tests(session):
    pytest.importorskip("mlflow")
    tests = """
import mlflow
import pytest
import spearmint
from product import run

@pytest.fixture
def store(tmp_path):
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    yield
    assert len(mlflow.search_traces(return_type="list")) == 2

def test_first(store):
    spearmint.configure(tracing={"enabled": True, "queue_size": 7})
    run()

def test_second():
    from spearmint.tracing.exporter import exporter
    assert spearmint.tracing_stats() == spearmint.tracing_stats().__class__()
    assert (exporter.options.enabled, exporter.options.queue_size) != (True, 7)
"""
    session(tests, "-o", "spearmint_flush_timeout=60", "-W", "default").assert_outcomes(passed=2)


def test_the_tests_of_xdist_workers_are_the_same(session):
    pytest.importorskip("xdist")
    tests = """
import pytest
from product import run

@pytest.mark.spearmint(target=run, configs=[{"k": {"$sweep": [10, 20, 30, 40]}}])
def test_each(spearmint_config):
    assert run() == spearmint_config.k
"""
    session(tests, "-n", "2").assert_outcomes(passed=4)
    session(tests, "-p", "no:xdist").assert_outcomes(passed=4)


def test_session_without_spearmint_loads_none_of_its_rooms(session):
    tests = """
import sys

def test_modules():
    loaded = {name for name in sys.modules if name.partition(".")[0] == "spearmint"}
    assert loaded <= {"spearmint", "spearmint.pytest_plugin"}
"""
    session(tests, "-p", "no:xdist").assert_outcomes(passed=1)


@pytest.mark.slow
def test_plugin_imports_only_pytest_and_the_standard_library():
    statement = """
import sys, pytest
before = set(sys.modules)
import spearmint.pytest_plugin
print(*set(sys.modules) - before)
"""
    done = subprocess.run(
        [sys.executable, "-c", statement], capture_output=True, text=True, check=True, timeout=60, cwd=ROOT
    )
    assert set(done.stdout.split()) == {"spearmint", "spearmint.pytest_plugin"}


@pytest.mark.parametrize(
    ("configs", "names"),
    [
        ([{"a": 1, "b": {"c": 2}}, {"a": 1, "b": {"c": 3}}], ["b.c=2", "b.c=3"]),
        ([{"a": 1, "b": 2}], ["a=1,b=2"]),
        ([{"a": 1}, {"b": 2}], ["a=1", "b=2"]),
        ([{"a": 1, "__config_id__": "first"}, {"a": 2}], ["first", "a=2"]),
        ([{}, {"a": {}}], ["44136fa355b3678a", "a={}"]),
        ([{"a": "x" * 100}, {"a": "y"}], ["62836b1d2ee718c7", "a=y"]),
        ([{"a": "x\ny"}, {"a": "y"}], ["8edddbd4f105465f", "a=y"]),
        ([{"token": "x-123456"}, {"a": "y"}], ["11a3abbca09aba6a", "a=y"]),
    ],
)
def test_a_name_tells_a_config_from_the_others(configs, names):
    from spearmint.config import parse_configs

    assert config_names(parse_configs(configs)) == names
