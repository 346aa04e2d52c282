"""What type checkers know of options is what the options are."""

import inspect
from dataclasses import fields

import pytest

from spearmint import Spearmint
from spearmint.execution.limits import PoolLimits
from spearmint.option_types import BackgroundChanges, ExperimentOptions, ExperimentTracing, TracingChanges
from spearmint.registry.settings import ExperimentSettings
from spearmint.tracing.options import TracingOptions


def names_of(model: type) -> set[str]:
    return set(getattr(model, "model_fields", None) or (field.name for field in fields(model) if field.init))


@pytest.mark.parametrize(
    ("declared", "model"),
    [
        (ExperimentOptions, ExperimentSettings),
        (BackgroundChanges, PoolLimits),
        (TracingChanges, TracingOptions),
    ],
)
def test_declared_options_are_those_there_are(declared, model):
    assert set(declared.__annotations__) == names_of(model)


def test_instance_declares_all_options_with_their_defaults():
    parameters = dict(inspect.signature(Spearmint).parameters)
    del parameters["unknown"], parameters["configs"], parameters["reload"]
    assert set(parameters) == names_of(ExperimentSettings)
    defaults = ExperimentSettings()
    assert {name: one.default for name, one in parameters.items()} == {
        name: getattr(defaults, name) for name in parameters
    }


def test_tracing_of_an_experiment_is_checked_by_the_same_names():
    for name in ExperimentTracing.__annotations__:
        Spearmint(tracing={name: 1})
    with pytest.raises(TypeError, match="Cannot set 'tracing'"):
        Spearmint(tracing={"mode": "live"})
