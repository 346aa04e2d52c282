"""Syntax of PEP 695, as text, since older Pythons import this file too."""

import sys
from typing import Annotated

import pytest
from pydantic import BaseModel

from spearmint import Bind, Config, experiment

pytestmark = pytest.mark.skipif(sys.version_info < (3, 12), reason="PEP 695 is new in 3.12")

CONFIGS = [{"llm": {"model": "tiny"}, "k": 3}]


class Llm(BaseModel):
    model: str


def declare(source: str, **options):
    namespace = {
        "__name__": __name__,
        "Annotated": Annotated,
        "Bind": Bind,
        "Config": Config,
        "Llm": Llm,
        "experiment": experiment,
        "options": {"configs": CONFIGS, **options},
    }
    exec(source, namespace)
    return namespace["ask"]


@pytest.mark.parametrize("prefix", ["", "from __future__ import annotations\n"])
def test_a_generic_function_is_bound_beside_its_type_parameters(prefix):
    ask = declare(
        prefix + "@experiment(**options)\ndef ask[T](x: T, llm: Annotated[Llm, Bind('llm')]): return x, llm.model"
    )
    assert ask(1) == (1, "tiny")


@pytest.mark.parametrize("prefix", ["", "from __future__ import annotations\n"])
def test_a_method_of_a_generic_class_is_bound(prefix):
    ask = declare(
        prefix
        + "class Ranker[T: int]:\n"
        + "    @experiment(**options)\n"
        + "    def rank(self, x: T, config: Config): return x, config.k\n"
        + "ask = Ranker().rank"
    )
    assert ask(1) == (1, 3)


def test_a_generic_local_model_is_bound():
    ask = declare(
        "from pydantic import BaseModel\n"
        "class Box[T](BaseModel):\n    k: T\n"
        "@experiment(**options)\ndef ask(box: Box[int]): return box.k"
    )
    assert ask() == 3


def test_a_type_alias_is_what_it_stands_for():
    ask = declare(
        "type Settings = Llm\ntype Wrapped = Settings\ntype K = Annotated[int, Bind('k')]\n"
        "@experiment(**options)\ndef ask(llm: Wrapped, k: K): return llm.model, k",
        bindings={Llm: "llm"},
    )
    assert ask() == ("tiny", 3)
