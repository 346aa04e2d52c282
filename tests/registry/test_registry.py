import gc
import operator
import sys
from functools import partial

import pytest

from spearmint import Config, Spearmint, experiment
from spearmint.errors import DeclarationError
from spearmint.registry import ExperimentFunction, ExperimentFunctionRegistry, registry
from spearmint.registry.callables import kind_of, name_of

CONFIGS = [{"k": 1}, {"k": 2}]


def declare():
    @experiment(configs=CONFIGS)
    def ask(config):
        return config["k"]

    return ask


def test_an_experiment_is_found_by_module_and_qualified_name():
    ask = declare()
    found = registry.get(f"{__name__}:declare.<locals>.ask")
    assert isinstance(found, ExperimentFunction)
    assert found.function is ask.__wrapped__
    assert found.name in registry
    assert found in list(registry)


def test_a_method_is_found_under_its_class():
    class Ranker:
        @experiment(configs=CONFIGS)
        def score(self, config):
            return config["k"]

    assert registry.get(f"{__name__}:{Ranker.__qualname__}.score").function is Ranker.score.__wrapped__


def test_later_experiment_of_a_name_replaces_the_earlier():
    first = declare()
    second = declare()
    found = registry.get(f"{__name__}:declare.<locals>.ask")
    assert found.function is second.__wrapped__
    assert (first(), second()) == (1, 1)


def test_collected_earlier_experiment_leaves_the_later_one():
    first = declare()
    second = declare()
    del first
    gc.collect()
    assert registry.get(f"{__name__}:declare.<locals>.ask").function is second.__wrapped__


def test_the_registry_keeps_no_experiment_alive():
    ask = declare()
    ask()
    with Spearmint.run(ask) as runner:
        runner()
    name = f"{__name__}:declare.<locals>.ask"
    assert name in registry
    del ask, runner
    gc.collect()
    assert name not in registry
    assert name not in [one.name for one in registry]


def declare_two():
    @experiment(configs=CONFIGS)
    def inner(config):
        return config["k"]

    @experiment(configs=[{"a": 1}])
    def outer(config):
        return inner()

    return outer


def test_experiments_that_call_each_other_are_not_kept_alive():
    outer = declare_two()
    assert outer() == outer() == 1
    names = {f"{__name__}:declare_two.<locals>.{name}" for name in ("inner", "outer")}
    assert names <= {one.name for one in registry}
    del outer
    gc.collect()
    assert not names & {one.name for one in registry}


def test_an_unknown_name_is_an_error_with_close_ones():
    ask = declare()
    with pytest.raises(DeclarationError) as caught:
        registry.get(f"{__name__}:declare.<locals>.aks")
    name = f"{__name__}:declare.<locals>.ask"
    cause = f"Cannot find experiment '{__name__}:declare.<locals>.aks': none of that name is declared."
    assert str(caught.value) == f"{cause} Did you mean {name!r}?"
    assert ask() == 1


def test_a_name_like_no_other_is_an_error_that_says_what_to_do():
    empty = ExperimentFunctionRegistry()
    with pytest.raises(DeclarationError, match=r"'x:y': none of that name is declared. Import its module first\.$"):
        empty.get("x:y")
    assert len(empty) == 0
    assert list(empty) == []


def test_an_experiment_tells_its_name_kind_configs_and_size():
    ask = declare()
    made = registry.get(f"{__name__}:declare.<locals>.ask")
    assert made.kind == "function"
    assert [type(config) for config in made.configs] == [Config, Config]
    assert made.configs == CONFIGS
    assert repr(made) == f"<ExperimentFunction {__name__}:declare.<locals>.ask with 2 configs>"
    assert ask() == 1


def test_the_four_kinds_are_told_apart():
    def function(): ...

    async def coroutine(): ...

    def generator():
        yield

    async def async_generator():
        yield

    for one in (function, coroutine, generator, async_generator):
        assert kind_of(one) == one.__name__


def test_functions_of_other_modules_have_their_modules_name():
    assert name_of(len) == "builtins:len"
    assert name_of(operator.add) == "_operator:add"


class Callable:
    def __call__(self): ...


@pytest.mark.parametrize(
    ("target", "what"),
    [
        (Callable, "a class"),
        (Callable(), "an object of type Callable"),
        (partial(print), "an object of type partial"),
        ("f", "an object of type str"),
        (3, "an object of type int"),
        (sys, "an object of type module"),
    ],
)
def test_what_is_no_function_cannot_be_an_experiment(target, what):
    with pytest.raises(DeclarationError) as caught:
        experiment(configs=CONFIGS)(target)
    assert str(caught.value) == (
        f"Cannot make an experiment of {target!r}: it is {what}, not a function. Decorate a function."
    )
    assert isinstance(caught.value, TypeError)


def test_an_unknown_setting_is_refused_with_those_that_exist():
    message = r"Cannot set 'stratgy': there is no such setting\. Give some of bindings, .*strategy"
    for declare_with in (Spearmint, Spearmint().experiment):
        with pytest.raises(DeclarationError, match=message):
            declare_with(stratgy=1)
