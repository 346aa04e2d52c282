"""The models of the settings: what they know of themselves."""

import pytest

from spearmint.errors import StrategyError
from spearmint.instrument.settings.model import InstallSettings, known_keys
from spearmint.strategies import ShadowStrategy, Strategy
from spearmint.strategies.by_name import BUILT_IN, check_strategy, import_named, strategy_by_name


def test_the_keys_that_are_known_depend_on_the_place():
    assert known_keys(()) == ("the settings", ", ".join(InstallSettings.model_fields))
    assert known_keys(("packages", 0))[1].startswith("name, auto, exclude, configs, ")
    assert known_keys(("packages", 0, "strategy")) == ("a strategy", "use, with")
    assert known_keys(("experiments", 0, "bindings", "x")) == ("a binding", "path, override")


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_built_in_name_gives_its_strategy(name):
    check_strategy(name, {})
    assert isinstance(strategy_by_name(name, {})(), Strategy)


def test_a_strategy_is_made_with_its_arguments():
    made = strategy_by_name("shadow", {"sample_rate": 0.5})
    assert isinstance(made, ShadowStrategy)
    assert made.sample_rate == 0.5


def test_an_import_path_leads_to_what_it_names_and_without_arguments_it_is_left_as_it_is():
    assert strategy_by_name("spearmint.strategies:ShadowStrategy", {}) is ShadowStrategy
    assert import_named("spearmint.strategies:ShadowStrategy.__call__") is ShadowStrategy.__call__


@pytest.mark.parametrize("path", ["no_such_module_here:x", "spearmint.strategies:Nothing"])
def test_an_import_path_that_leads_nowhere_is_an_error_that_names_it(path):
    with pytest.raises(StrategyError, match=rf"^Cannot import '{path}': .*\. Correct the "):
        import_named(path)


def test_nothing_is_imported_to_check_an_import_path():
    check_strategy("no_such_module_here:x", {"a": 1})
