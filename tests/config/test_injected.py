"""INJECTED: to type checkers a default, to Spearmint none."""

import copy
import inspect
import pickle
from typing import Annotated, Any

import pytest
from pydantic import BaseModel

from spearmint import INJECTED, Bind, Config, Spearmint, experiment
from spearmint.errors import BindingError


class Search(BaseModel):
    k: int


mint = Spearmint(configs=[{"search": {"k": 3}}], bindings={Search: "search"})


@mint.experiment
def fills_all(
    word: str,
    config: Config = INJECTED,
    search: Search = INJECTED,
    k: Annotated[int, Bind("search.k")] = INJECTED,
) -> Any:
    return word, config.search.k, search.k, k


def test_injected_parameters_are_filled():
    assert fills_all("a") == ("a", 3, 3, 3)
    assert fills_all("a", k=4) == ("a", 3, 3, 4)


def test_injected_positional_only_parameter_is_filled():
    @mint.experiment
    def find(word: str, k: Annotated[int, Bind("search.k")] = INJECTED, /) -> Any:
        return word, k

    assert find("a") == ("a", 3)
    assert find("a", 5) == ("a", 5)


def test_injected_needs_the_path_in_the_config():
    with pytest.raises(BindingError, match="there is no 'k' at its top level"):

        @experiment(configs=[{"n": 1}])
        def find(k: Annotated[int, Bind("k")] = INJECTED) -> int:
            return k


@pytest.mark.parametrize("is_async", [False, True])
def test_injected_without_a_config_is_refused_in_a_call(is_async):
    if is_async:

        @experiment
        async def find(word: str, config: Config = INJECTED) -> Any:
            return config

        def call():
            coroutine = find("a")
            with pytest.raises(StopIteration):
                coroutine.send(None)

    else:

        @experiment
        def find(word: str, config: Config = INJECTED) -> Any:
            return config

        def call():
            find("a")

    with pytest.raises(BindingError) as caught:
        call()
    assert "Cannot fill parameter 'config' of " in str(caught.value)
    assert "it has no configs, and no experiment with one called it" in str(caught.value)
    assert caught.value.parameter == "config"


def test_injected_takes_the_config_of_the_calling_experiment():
    @experiment
    def inner(config: Config = INJECTED) -> int:
        return config.search.k

    @mint.experiment
    def outer(config: Config = INJECTED) -> int:
        return inner()

    assert outer() == 3


def test_injected_that_nothing_fills_is_refused_when_declared():
    with pytest.raises(BindingError) as caught:

        @mint.experiment
        def find(word: str = INJECTED) -> str:
            return word

    assert "Cannot inject parameter 'word' of " in str(caught.value)
    assert "nothing says what of a config it gets" in str(caught.value)


def test_injected_outside_an_experiment_says_so():
    def find(config: Config = INJECTED) -> Any:
        return config.model

    def index(config: Config = INJECTED) -> Any:
        return config["model"]

    for function in (find, index):
        with pytest.raises(BindingError) as caught:
            function()
        assert str(caught.value) == (
            "Cannot read 'model' of INJECTED: the function was called without a config, outside an experiment. "
            "Decorate it with @experiment(...), or pass the parameter."
        )


def test_injected_is_one_object_that_shows_its_name():
    assert copy.deepcopy(INJECTED) is copy.copy(INJECTED) is pickle.loads(pickle.dumps(INJECTED)) is INJECTED
    assert str(inspect.signature(fills_all).parameters["k"]).endswith("= INJECTED")
