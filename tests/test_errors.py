import ast
import pickle
import re
from pathlib import Path

import pytest

from spearmint import errors
from spearmint.errors import BindingError, ConfigError, SettingsError, SpearmintError, SpearmintWarning

BUILTINS = {
    "BindingError": ValueError,
    "CaseError": LookupError,
    "ConfigError": ValueError,
    "DeclarationError": TypeError,
    "EvaluationError": ValueError,
    "ExecutionError": RuntimeError,
    "PlanError": ValueError,
    "StrategyError": RuntimeError,
}


@pytest.mark.parametrize(("name", "builtin"), BUILTINS.items())
def test_error_is_spearmints_and_the_builtin_callers_expect(name, builtin):
    kind = getattr(errors, name)
    assert issubclass(kind, SpearmintError)
    assert issubclass(kind, builtin)


def test_every_class_is_public_and_drawn_in_the_docstring():
    source = Path(errors.__file__).read_text(encoding="utf-8")
    classes = {node.name for node in ast.parse(source).body if isinstance(node, ast.ClassDef)}
    assert classes == set(errors.__all__)
    assert classes <= set(re.findall(r"\w+", errors.__doc__))


def test_docstring_tree_names_the_builtins():
    drawn = dict(re.findall(r"(\w+Error) \((\w+)\)", errors.__doc__))
    assert drawn == {name: kind.__name__ for name, kind in BUILTINS.items() if name != "BindingError"}
    assert issubclass(BindingError, ConfigError)


def test_warning_is_no_error():
    assert issubclass(SpearmintWarning, UserWarning)
    assert not issubclass(SpearmintWarning, SpearmintError)


def test_config_error_begins_with_its_place():
    assert str(ConfigError("bad")) == "bad"
    assert str(ConfigError("bad", source="a.yaml")) == "a.yaml: bad"
    error = ConfigError("bad", source="a.yaml", line=3, column=5)
    assert str(error) == "a.yaml:3:5: bad"
    assert (error.source, error.line, error.column) == ("a.yaml", 3, 5)
    assert (error.problem, error.place) == ("bad", "a.yaml:3:5")


def test_settings_error_lists_the_others():
    error = SettingsError("bad", source="s.yaml", line=1, others=[SettingsError("worse", source="s.yaml", line=2)])
    assert str(error) == "s.yaml:1: bad\ns.yaml:2: worse"
    assert error.problem == "bad"


def test_binding_error_carries_its_subject():
    error = BindingError("bad", function="m:f", parameter="x", path="a.b", config_id="one")
    assert (error.function, error.parameter, error.path, error.config_id) == ("m:f", "x", "a.b", "one")
    assert (error.source, error.line, error.column) == (None, None, None)


@pytest.mark.parametrize(
    "error",
    [
        ConfigError("bad", source="a.yaml", line=3, column=5),
        BindingError("bad", function="m:f", parameter="x", path="a.b", config_id="one", source="a.yaml"),
        SettingsError("bad", source="s.yaml", line=1, others=[ConfigError("worse", source="s.yaml", line=2)]),
    ],
    ids=lambda error: type(error).__name__,
)
def test_error_is_whole_after_pickling(error):
    made = pickle.loads(pickle.dumps(error))
    assert type(made) is type(error)
    assert str(made) == str(error)
    assert {**vars(made), "others": ()} == {**vars(error), "others": ()}
