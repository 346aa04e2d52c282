import pytest

from spearmint import Spearmint
from spearmint.errors import DeclarationError
from spearmint.registry.settings import ExperimentSettings

POSITIVE = "a number of seconds above 0, or None"
WHOLE = "a whole number above 0, or None for no bound"
TRACING = "True, False, None, or a mapping with 'enabled' and 'sample_rate'; configure(tracing=...) has the rest"


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("bindings", ["x"], "a mapping from types or parameter names to paths"),
        ("on_variant_error", 3, "a function of the exception"),
        ("variant_timeout", 0, POSITIVE),
        ("variant_timeout", float("nan"), POSITIVE),
        ("variant_timeout", True, POSITIVE),
        ("variant_timeout", "1", POSITIVE),
        ("copy_args", 1, "True or False"),
        ("combine", "sum", "'product' or 'one_at_a_time'"),
        ("max_cases", 0, WHOLE),
        ("max_cases", 1.5, WHOLE),
        ("compare", "==", "a function of main's and a variant's result"),
        ("tracing", "yes", TRACING),
        ("tracing", {"queue_size": 3}, TRACING),
        ("tracing", {"sample_rate": 2}, "a sample_rate from 0 to 1"),
    ],
)
def test_settings_refuse_a_value_and_say_what_to_give(name, value, wanted):
    for declare_with in (Spearmint, Spearmint().experiment):
        with pytest.raises(DeclarationError) as caught:
            declare_with(**{name: value})
        assert str(caught.value) == f"Cannot set {name!r} to {value!r}: it is of no use there. Give {wanted}."


def test_settings_are_frozen():
    with pytest.raises(AttributeError):
        ExperimentSettings().copy_args = True


def test_settings_say_how_an_experiment_is_traced():
    assert (ExperimentSettings().is_traced, ExperimentSettings().sample_rate) == (None, None)
    assert ExperimentSettings(tracing=False).is_traced is False
    sampled = ExperimentSettings(tracing={"enabled": True, "sample_rate": 0.5})
    assert (sampled.is_traced, sampled.sample_rate) == (True, 0.5)
