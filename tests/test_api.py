"""The forms of the decorator, its settings and their errors, and which setting wins."""

import functools
import logging
import re
from typing import Any

import pytest
from pydantic import BaseModel

import spearmint
from spearmint import Config, Spearmint, experiment
from spearmint.errors import BindingError, ConfigError, DeclarationError
from spearmint.strategies import MultiBranchStrategy, RoundRobinStrategy, ShadowStrategy

CONFIGS = [{"limit": 1}, {"limit": 2}]
SECONDS = 10


def limit_of(config):
    return config.limit


mint = Spearmint(configs=CONFIGS)


@pytest.mark.parametrize(
    "decorate",
    [
        mint.experiment,
        mint.experiment(),
        Spearmint().experiment(configs=CONFIGS),
        experiment(configs=CONFIGS),
        spearmint.experiment(configs=CONFIGS),
        Spearmint(configs={"limit": 9}).experiment(configs=CONFIGS),
    ],
)
def test_every_form_of_the_decorator_declares_an_experiment(decorate) -> None:
    assert decorate(limit_of)() == 1


def test_one_decorator_serves_several_functions() -> None:
    decorate = mint.experiment(strategy=RoundRobinStrategy)
    first, second = decorate(limit_of), decorate(lambda config: config.limit)
    assert [first(), first(), second(), first()] == [1, 2, 1, 1]


def test_without_any_config_a_function_runs_as_it_is() -> None:
    @experiment
    def bare(text):
        return text

    @experiment()
    def called(text, config=None):
        return text, config

    assert bare("a") == "a"
    assert called("a") == ("a", None)


def test_parameter_that_needs_a_config_without_any_is_an_error() -> None:
    with pytest.raises(BindingError) as caught:
        experiment(limit_of)()
    assert str(caught.value) == (
        f"Cannot fill parameter 'config' of {__name__}:limit_of: it has no configs, and no experiment with one called "
        "it. Give it configs=..., or pass 'config'."
    )


def test_what_the_caller_passes_wins() -> None:
    assert mint.experiment(limit_of)(Config(limit=7)) == 7
    assert mint.experiment(limit_of)(config=Config(limit=7)) == 7


def test_the_experiments_strategy_wins_over_the_instances() -> None:
    shadowing = Spearmint(configs=CONFIGS, strategy=ShadowStrategy)
    results = shadowing.experiment(strategy=MultiBranchStrategy)(limit_of)()
    assert [one.result for one in results] == [1, 2]
    assert shadowing.experiment(limit_of)() == 1


def test_the_experiments_bindings_win_over_the_instances() -> None:
    class Model(BaseModel):
        name: str

    def name_of(model: Model) -> str:
        return model.name

    bound = Spearmint(configs=[{"a": {"name": "a"}, "b": {"name": "b"}}], bindings={Model: "a"})
    assert bound.experiment(name_of)() == "a"
    assert bound.experiment(bindings={Model: "b"})(name_of)() == "b"
    assert bound.experiment(bindings={"model": "b"})(name_of)() == "b"


def test_the_experiments_callback_wins_over_the_instances(caplog) -> None:
    told: list[str] = []
    failing = Spearmint(
        configs=CONFIGS, strategy=ShadowStrategy, on_variant_error=lambda error: told.append(f"instance {error}")
    )

    def fail(config):
        if config.limit == 2:
            raise ValueError("no")

    with caplog.at_level(logging.CRITICAL, logger="spearmint"):
        failing.experiment(fail)()
        assert spearmint.flush(SECONDS)
        failing.experiment(on_variant_error=lambda error: told.append(f"own {error}"))(fail)()
        assert spearmint.flush(SECONDS)
    assert told == ["instance no", "own no"]


def test_copy_args_gives_each_variant_its_own() -> None:
    @mint.experiment(strategy=ShadowStrategy, copy_args=True)
    def append(items, config):
        items.append(config.limit)
        return items

    items = [0]
    with Spearmint.run(append, await_variants=True) as runner:
        results = runner(items)
    assert [one.result for one in results] == [[0, 1], [0, 2]]
    assert items == [0, 1]


def test_an_unknown_setting_is_refused_with_the_known_ones() -> None:
    expected = (
        "Cannot set 'strategi': there is no such setting. Give some of bindings, cache, combine, compare, copy_args, "
        "max_cases, metrics, on_variant_error, strategy, tracing, variant_timeout."
    )
    for declare in (Spearmint, mint.experiment, experiment):
        with pytest.raises(DeclarationError) as caught:
            declare(strategi=ShadowStrategy)
        assert str(caught.value) == expected


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("bindings", "limit", "a mapping from types or parameter names to paths"),
        ("on_variant_error", 3, "a function of the exception"),
        ("variant_timeout", 0, "a number of seconds above 0, or None"),
        ("variant_timeout", -1.5, "a number of seconds above 0, or None"),
        ("variant_timeout", True, "a number of seconds above 0, or None"),
        ("variant_timeout", "1", "a number of seconds above 0, or None"),
        ("copy_args", 1, "True or False"),
        ("combine", "all", "'product' or 'one_at_a_time'"),
        ("max_cases", 0, "a whole number above 0, or None for no bound"),
        ("max_cases", 1.0, "a whole number above 0, or None for no bound"),
    ],
)
def test_a_setting_out_of_range_is_refused_where_it_is_given(name, value, wanted) -> None:
    for declare in (Spearmint, mint.experiment, experiment):
        with pytest.raises(DeclarationError) as caught:
            declare(**{name: value})
        assert str(caught.value) == f"Cannot set {name!r} to {value!r}: it is of no use there. Give {wanted}."


def test_a_setting_error_is_a_type_error_too() -> None:
    with pytest.raises(TypeError, match="Cannot set 'combine' to 'all'"):
        Spearmint(combine="all")


@pytest.mark.parametrize("declare", [Spearmint, mint.experiment, experiment])
@pytest.mark.parametrize("tracing", [True, False, None, {"enabled": True, "sample_rate": 0.1}, {}])
def test_tracing_can_be_on_off_sampled_or_left_to_the_process(declare, tracing) -> None:
    assert declare(tracing=tracing)


@pytest.mark.parametrize("declare", [Spearmint, mint.experiment, experiment])
@pytest.mark.parametrize("tracing", ["yes", 1.5, {"enabled": "yes"}, {"sample_rate": 2}, {"queue_size": 3}])
def test_tracing_cannot_be_anything_else(declare, tracing) -> None:
    with pytest.raises(DeclarationError, match=r"^Cannot set 'tracing' to .*: it is of no use there\. Give "):
        declare(tracing=tracing)


@pytest.mark.parametrize("declare", [Spearmint, mint.experiment, experiment])
def test_unreadable_configs_are_refused_where_they_are_given(declare) -> None:
    with pytest.raises(ConfigError, match=r"3"):
        declare(configs=[3])


def test_text_annotations_may_name_locals_of_the_declaration() -> None:
    class Local(BaseModel):
        limit: int

    @mint.experiment
    def bare(config: "Local") -> int:
        return config.limit

    @mint.experiment()
    def called(config: "Local") -> int:
        return config.limit

    @experiment(configs=CONFIGS)
    def free(config: "Local") -> int:
        return config.limit

    assert [bare(), called(), free()] == [1, 1, 1]


@pytest.mark.parametrize(
    ("target", "hint"),
    [
        (limit_of, r"Decorate it with @experiment\(\.\.\.\)\.$"),
        (None, r"Decorate it with @experiment\(\.\.\.\)\.$"),
        (Config, r"Decorate it with @experiment\(\.\.\.\)\.$"),
    ],
)
def test_running_what_is_no_experiment_is_refused(target, hint) -> None:
    for run in (Spearmint.run, Spearmint.arun):
        with pytest.raises(DeclarationError, match=rf"^Cannot run .*: it is no experiment\. {hint}"):
            run(target)


def test_running_what_another_decorator_stands_around_says_so() -> None:
    inner = mint.experiment(limit_of)

    @functools.wraps(inner)
    def outer(*args: Any, **kwargs: Any) -> Any:
        return inner(*args, **kwargs)

    with pytest.raises(DeclarationError, match=r"it is no experiment\. Another decorator stands around it; run what"):
        Spearmint.run(outer)


def test_a_run_takes_methods_and_partials_with_what_they_hold() -> None:
    class Ranker:
        @mint.experiment
        def score(self, text, suffix, config):
            return text + suffix + str(config.limit)

        @classmethod
        @mint.experiment
        def name(cls, config):
            return cls.__name__

        @staticmethod
        @mint.experiment
        def size(config):
            return config.limit

    def result(target, *args, **kwargs):
        with Spearmint.run(target) as runner:
            return runner(*args, **kwargs).main_result.result

    ranker = Ranker()
    assert result(ranker.score, "a", suffix="b") == "ab1"
    assert result(Ranker.score, ranker, "a", "b") == "ab1"
    assert result(functools.partial(ranker.score, "a"), suffix="b") == "ab1"
    assert result(functools.partial(functools.partial(ranker.score, suffix="x"), suffix="b"), "a") == "ab1"
    assert result(Ranker.name) == result(ranker.name) == "Ranker"
    assert result(Ranker.size) == result(ranker.size) == 1


@pytest.mark.parametrize(
    ("tracing", "problem"),
    [
        ({"enable": True}, "tracing option 'enable': there is none. Give some of enabled, "),
        ({"sample_rate": 2}, "tracing option 'sample_rate' to 2: it is out of range. Give a number from 0 to 1."),
        ({"mode": "slow"}, "tracing option 'mode' to 'slow': it is out of range. Give one of 'auto', "),
        ({"queue_size": 0}, "tracing option 'queue_size' to 0: it is out of range. Give a whole number from 1."),
        ({"experiment": ""}, "tracing option 'experiment' to '': it is out of range. Give a text "),
        ({"timeout": 0}, "tracing option 'timeout' to 0: it is out of range. Give a number of seconds above 0."),
        (
            {"mask": "token"},
            "tracing option 'mask' to 'token': it is out of range. Give a list of regular expressions.",
        ),
        ({"mask": ["("]}, "mask names by '(': it is no regular expression"),
    ],
)
def test_what_cannot_be_set_about_tracing_is_named(tracing, problem) -> None:
    with pytest.raises(ConfigError, match=f"^Cannot (set )?{re.escape(problem)}"):
        spearmint.configure(tracing=tracing)


def test_an_unknown_limit_of_the_background_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^Cannot set background limit 'workers': there is none\. Give some of max"):
        spearmint.configure(background={"workers": 3})
