"""Whole packages under experiment, through every door: source, bytecode, and both from a zip file."""

import asyncio

import pytest

import spearmint
from spearmint.errors import SettingsError
from spearmint.proxy.proxy import ExperimentProxy

CORE = """
    from __future__ import annotations
    import functools
    from typing import TYPE_CHECKING, Annotated, overload
    from pydantic import BaseModel
    from spearmint import Bind, Config

    class Model(BaseModel):
        temperature: float

    def plain(x):
        return x

    def ask(x, temperature=0.1):
        return x, temperature, find()

    def find(top_k=3):
        return top_k

    class Llm:
        def __init__(self, temperature=0.5):
            self.temperature = temperature

        def __hidden(self, temperature=0.7):
            return temperature

        def hidden(self):
            return self.__hidden()

        @classmethod
        def of_class(cls, temperature=0.9):
            return cls.__name__, temperature

        @staticmethod
        def of_none(temperature=0.9):
            return temperature

        async def later(self, temperature=1.5):
            return temperature

        def stream(self, temperature=1.5):
            yield temperature

    def outer():
        def nested(temperature=0.2):
            return temperature
        return nested

    @functools.singledispatch
    def told(x, temperature=0):
        return "any", temperature

    @told.register
    def _(x: int, temperature=0):
        return "int", temperature

    @told.register
    def _(x: str, temperature=0):
        return "str", temperature

    @overload
    def loaded(x: int) -> int: ...
    @overload
    def loaded(x: str) -> str: ...
    def loaded(x, temperature=0):
        return temperature

    if TYPE_CHECKING:
        def checked(temperature): ...

    try:
        import no_such_module_here
    except ImportError:
        def fallen_back(temperature=0):
            return temperature

    def by_model(model: Model):
        return model.temperature

    def by_config(config: Config):
        return config["temperature"]

    def by_bind(t: Annotated[float, Bind("llm.temperature")]):
        return t
"""
PACKAGE = {"name": "pipeline", "configs": [{"llm": {"temperature": {"$sweep": [10, 20]}}, "k": 5, "temperature": 3}]}
NAMED = {
    **PACKAGE,
    "auto": "named",
    "strategy": "round_robin",
    "bindings": {"temperature": "llm.temperature", "top_k": "k"},
}

pytestmark = pytest.mark.parametrize("form", ["source", "pyc", "zip", "zip pyc"])


@pytest.fixture
def core(project, form):
    def load(settings):
        project.write({"pipeline/__init__.py": "", "pipeline/core.py": CORE})
        project.pack(form)
        spearmint.install(settings)
        return project.load("pipeline.core")

    return load


def test_named_takes_every_function_with_a_bound_parameter(core):
    module = core({"packages": [NAMED]})
    assert module.plain(1) == 1
    assert module.ask(1) == (1, 10, 5)
    assert module.ask(1, 7) == (1, 7, 5)
    llm = module.Llm()
    assert (llm.temperature, llm.hidden(), llm.of_none(), llm.of_class()) == (10, 10, 10, ("Llm", 10))
    assert (asyncio.run(llm.later()), list(llm.stream())) == (10, [10])
    assert [module.outer()(), module.outer()(), module.outer()()] == [10, 20, 10]
    assert [module.told(1), module.told("a"), module.told(1.5)] == [("int", 10), ("str", 10), ("any", 10)]
    assert (module.loaded(1), module.fallen_back()) == (10, 10)


def test_nested_call_runs_under_the_config_of_its_caller(core):
    module = core({"packages": [{**NAMED, "configs": [{"llm": {"temperature": 1}, "k": 1}, {"llm": {}, "k": 2}]}]})
    assert [module.ask("x") for _ in range(3)] == [("x", 1, 1), ("x", 0.1, 2), ("x", 1, 1)]


def test_annotated_takes_the_functions_that_ask_for_a_config(core):
    module = core({"packages": [{**PACKAGE, "auto": "annotated"}]})
    assert (module.by_model(), module.by_config(), module.by_bind()) == (3.0, 3, 10.0)
    assert (module.ask(1), module.Llm().temperature, module.outer()()) == ((1, 0.1, 3), 0.5, 0.2)


def test_a_package_without_auto_has_no_experiments(core):
    module = core({"packages": ["pipeline"]})
    assert (module.ask(1), module.outer()()) == ((1, 0.1, 3), 0.2)
    assert not isinstance(module.ask, ExperimentProxy)


def target(text, value):
    return {"target": f"pipeline.core:{text}", "configs": [{"t": value}], "bindings": {"temperature": "t"}}


def test_targets_reach_private_nested_and_conditional_functions(core):
    found = {"Llm.__hidden": 1, "outer.<locals>.nested": 2, "_#2": 3, "loaded": 4, "fallen_back": 5, "Llm.*": 6}
    module = core({"experiments": [target(text, value) for text, value in found.items()]})
    llm = module.Llm()
    assert (llm.temperature, llm.hidden(), llm.of_none(), llm.of_class()) == (0.5, 1, 6, ("Llm", 6))
    assert (module.outer()(), module.loaded(1), module.fallen_back()) == (2, 4, 5)
    assert [module.told(1), module.told("a"), module.told(1.5)] == [("int", 0), ("str", 3), ("any", 0)]


def test_settings_that_do_not_fit_the_module_are_errors(core, tmp_path):
    path = tmp_path / "slips.yaml"
    path.write_text("experiments:\n- target: pipeline.core:aks\n- target: pipeline.core:ask\n  bindings: {temp: t}\n")
    with pytest.raises(SettingsError, match=r"slips.yaml:2:3: Cannot find the target 'pipeline.core:aks': .*'ask'"):
        core(path)


def test_missing_parameter_is_an_error_with_its_place(core, tmp_path):
    path = tmp_path / "slips.yaml"
    path.write_text("experiments:\n- target: pipeline.core:ask\n  bindings: {temprature: t}\n")
    with pytest.raises(SettingsError, match=r"slips.yaml:3:14: Cannot bind parameter 'temprature' of pipeline.core"):
        core(path)
