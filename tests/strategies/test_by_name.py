import sys

import pytest

from spearmint.errors import StrategyError
from spearmint.strategies import ShadowStrategy, Strategy
from spearmint.strategies.builtin import BUILT_IN
from spearmint.strategies.by_name import check_strategy, import_named, strategy_by_name


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_name_gives_its_strategy(name):
    needed = {"metric": "purchase"} if name == "bandit" else {}
    check_strategy(name, needed)
    assert isinstance(BUILT_IN[name](**needed), Strategy)
    assert strategy_by_name(name, {}) is BUILT_IN[name]


def test_a_strategy_is_made_with_its_arguments():
    made = strategy_by_name("shadow", {"sample_rate": 0.5})
    assert isinstance(made, ShadowStrategy)
    assert made.sample_rate == 0.5


def test_import_path_without_arguments_gives_what_it_names():
    assert strategy_by_name("spearmint.strategies:ShadowStrategy", {}) is ShadowStrategy
    assert import_named("spearmint.strategies:ShadowStrategy.__call__") is ShadowStrategy.__call__


@pytest.mark.parametrize("path", ["no_such_module_here:x", "spearmint.strategies:Nothing"])
def test_import_path_that_leads_nowhere_is_an_error(path):
    with pytest.raises(StrategyError, match=rf"^Cannot import '{path}': .*\. Correct the "):
        import_named(path)


def test_check_imports_nothing():
    check_strategy("no_such_module_here:x", {"a": 1})


@pytest.mark.parametrize("path", ["os:system", "random:choice", "os.path:join", "sys:exit"])
def test_check_refuses_the_standard_library(path):
    with pytest.raises(
        ValueError, match=rf"^Cannot use the strategy '{path}': it is part of Python's standard library"
    ):
        check_strategy(path, {})


def test_check_takes_a_user_module_that_hides_one(tmp_path, monkeypatch):
    (tmp_path / "turtledemo.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    assert "turtledemo" in sys.stdlib_module_names
    check_strategy("turtledemo:Strategy", {})
