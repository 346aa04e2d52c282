from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import pytest
from pydantic import BaseModel

from spearmint import Bind, Config, experiment
from spearmint.config.annotations import annotations_of
from spearmint.errors import BindingError, SpearmintError

if TYPE_CHECKING:
    from decimal import Decimal as OnlyForTypeCheckers

CONFIGS = [{"llm": {"model": "tiny", "temperature": 0.5}, "k": 3}]


def made_of(source: str, **names: Any) -> Any:
    """Make ``ask`` as a module of its own would, without the ``__future__`` import of this one."""
    namespace = {"__name__": "theirs", **names}
    exec(compile(source, "theirs.py", "exec", dont_inherit=True), namespace)
    return namespace["ask"]


class Llm(BaseModel):
    model: str
    temperature: float


def test_text_that_names_globals_is_evaluated():
    @experiment(configs=CONFIGS)
    def ask(llm: Annotated[Llm, Bind("llm")], k: Annotated[int, Bind("k")]) -> tuple[Llm, int]:
        return llm, k

    assert ask() == (Llm(model="tiny", temperature=0.5), 3)


def test_text_that_names_a_local_class_is_evaluated():
    class Local(BaseModel):
        k: int

    @experiment(configs=CONFIGS)
    def ask(settings: Local) -> Local:
        return settings

    assert ask() == Local(k=3)


def test_text_that_names_a_class_beside_the_method_is_evaluated():
    class Ranker:
        class Settings(BaseModel):
            k: int

        @experiment(configs=CONFIGS)
        def rank(self, settings: Settings) -> int:
            return settings.k

    assert Ranker().rank() == 3


def test_text_that_names_a_class_in_the_closure_is_evaluated():
    class Local(BaseModel):
        k: int

    def declare() -> Any:
        @experiment(configs=CONFIGS)
        def ask(settings: Local) -> Local:
            assert isinstance(settings, Local)
            return settings

        return ask

    assert declare()().k == 3


def test_a_local_class_stands_before_a_global_of_the_same_name():
    class Llm(BaseModel):
        k: int

    @experiment(configs=CONFIGS)
    def ask(settings: Llm) -> Llm:
        return settings

    assert ask() == Llm(k=3)


def test_declaring_callers_names_do_not_hide_the_functions():
    ask = made_of("def ask(k: 'Annotated[int, Bind(\"k\")]'): return k", Annotated=Annotated, Bind=Bind)

    def declare() -> Any:
        Bind = str  # noqa: F841 - it must not be found
        return experiment(configs=CONFIGS)(ask)

    assert declare()() == 3


def test_builtin_comes_before_a_name_of_the_declaring_caller():
    ask = made_of("def ask(config: 'dict'): return config")

    def declare(dict: object) -> Any:  # noqa: A002 - it must not be found
        return experiment(configs=[{"k": 3}])(ask)

    assert declare("no type")() == {"k": 3}


def test_declaring_callers_names_serve_if_the_function_has_none():
    ask = made_of("def ask(settings: 'Local'): return settings")

    class Local(BaseModel):
        k: int

    assert experiment(configs=CONFIGS)(ask)() == Local(k=3)


def test_a_name_for_type_checkers_only_spoils_no_other_parameter():
    @experiment(configs=CONFIGS)
    def ask(amount: OnlyForTypeCheckers, config: Config) -> Any:
        return amount, config["k"]

    assert ask(1) == (1, 3)


def test_bound_type_imported_for_type_checking_is_found():
    ask = made_of("def ask(settings: 'Llm'): return settings")

    def declare(kind: type) -> Any:
        return experiment(configs=CONFIGS, bindings={kind: "llm"})(ask)

    assert declare(Llm)().model == "tiny"


@pytest.mark.parametrize(
    "annotation", ["Missing", "Annotated[Missing, Bind('k')]", "list[Missing]", "not python", "1/0"]
)
def test_unreadable_annotation_is_an_error_that_quotes_it(annotation):
    ask = made_of(f"def ask(settings: {annotation!r}): return settings", Annotated=Annotated, Bind=Bind)
    with pytest.raises(BindingError) as caught:
        experiment(configs=CONFIGS)(ask)
    message = str(caught.value)
    assert message.startswith(f"Cannot read the annotation {annotation!r} of parameter 'settings' of theirs:ask: ")
    assert message.endswith("outside `if TYPE_CHECKING`, or bind the parameter by name.")
    assert (caught.value.function, caught.value.parameter) == ("theirs:ask", "settings")
    assert caught.value.__cause__ is not None
    assert not isinstance(caught.value, NameError)
    assert isinstance(caught.value, SpearmintError)


@pytest.mark.parametrize("annotation", ["Annotated[Missing, Bind('llm')]", "Config.Missing", "mod.Config"])
def test_unreadable_annotation_naming_a_config_is_an_error(annotation):
    ask = made_of(
        f"def ask(other: {annotation!r}, config: 'Config'): return other, config",
        Annotated=Annotated,
        Bind=Bind,
        Config=Config,
    )
    with pytest.raises(BindingError, match=r"Cannot read the annotation .* of parameter 'other'"):
        experiment(configs=CONFIGS)(ask)


def test_an_unreadable_parameter_named_config_is_an_error():
    ask = made_of("def ask(config: 'Missing'): return config")
    with pytest.raises(BindingError, match="'Missing' of parameter 'config' of theirs:ask"):
        experiment(configs=CONFIGS)(ask)


def test_unreadable_annotation_of_a_named_binding_is_ignored():
    ask = made_of("def ask(settings: 'Missing'): return settings")
    assert experiment(configs=CONFIGS, bindings={"settings": "llm.model"})(ask)() == "tiny"


def test_unreadable_annotation_without_configs_is_ignored():
    ask = made_of("def ask(settings: 'Missing') -> 'AlsoMissing': return settings")
    assert experiment(ask)(1) == 1


def test_an_unreadable_return_annotation_does_not_matter():
    ask = made_of("def ask(x) -> 'Missing': return x")
    assert experiment(configs=CONFIGS)(ask)(1) == 1


def test_annotations_are_read_through_functools_wraps():
    from functools import wraps

    def ask(k: Annotated[int, Bind("k")]) -> int:
        return k

    @wraps(ask)
    def wrapper(*args: Any, **kwargs: Any) -> int:
        return ask(*args, **kwargs) + 1

    assert experiment(configs=CONFIGS)(wrapper)() == 4


def test_annotations_of_keeps_annotated_and_says_what_is_missing():
    ask = made_of(
        "def ask(a: 'Annotated[int, Bind(\"k\")]', b: 'Missing', c: int): ...", Annotated=Annotated, Bind=Bind
    )
    hints = annotations_of(ask, {}, {})
    assert hints["a"] == Annotated[int, Bind("k")]
    assert hints["c"] is int
    assert hints["b"].text == "Missing"
    assert str(hints["b"].cause) == "name 'Missing' is not defined"
    assert hints["b"].mentions("Missing")
    assert not hints["b"].mentions("Miss")
