"""How a config reaches the parameters of a function, seen through calls of experiments."""

import enum
import inspect
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field, SecretStr, field_validator
from typing_extensions import TypedDict

from spearmint import Bind, Config, Spearmint, experiment
from spearmint.config import parse_configs
from spearmint.config.paths import look_up
from spearmint.errors import BindingError, ConfigError, SpearmintError
from spearmint.secret_forms import MASK

LLM = {"model": "tiny", "temperature": 0.5}
CONFIG = {"__config_id__": "one", "llm": LLM, "stages": [{"k": 3}, {"k": 5}], "x": 7}


class Llm(BaseModel):
    model: str
    temperature: float


class Limits(BaseModel):
    x: int


@dataclass
class LlmData:
    model: str
    temperature: float


class LlmDict(TypedDict):
    model: str
    temperature: float


class Level(enum.Enum):
    LOW = "low"


def bound(function: Callable[..., Any], config: Any = CONFIG, **settings: Any) -> Any:
    return experiment(configs=[config], **settings)(function)


def refusal(function: Callable[..., Any], config: Any = CONFIG, **settings: Any) -> BindingError:
    with pytest.raises(BindingError) as caught:
        bound(function, config, **settings)
    return caught.value


# What Bind can say


def test_bind_gives_a_model():
    def ask(llm: Annotated[Llm, Bind("llm")]):
        return llm

    assert bound(ask)() == Llm(**LLM)


def test_bind_gives_a_dataclass():
    def ask(llm: Annotated[LlmData, Bind("llm")]):
        return llm

    assert bound(ask)() == LlmData(**LLM)


def test_bind_gives_a_typed_dict():
    def ask(llm: Annotated[LlmDict, Bind("llm")]):
        return llm

    assert bound(ask)() == LLM


def test_bind_gives_a_number_converted_as_pydantic_does():
    def ask(x: Annotated[float, Bind("x")]):
        return x

    assert type(bound(ask)()) is float
    assert bound(ask, {"x": "1.5"})() == 1.5


def test_bind_gives_a_function():
    def ask(score: Annotated[Callable[[str], int], Bind("score")]):
        return score("abc")

    assert bound(ask, {"score": len})() == 3


def test_bind_gives_an_enum_a_list_a_union_and_a_secret():
    def ask(
        level: Annotated[Level, Bind("level")],
        ks: Annotated[list[int], Bind("ks")],
        either: Annotated[int | None, Bind("either")],
        key: Annotated[SecretStr, Bind("key")],
    ):
        return level, ks, either, key.get_secret_value()

    config = {"level": "low", "ks": ("1", 2), "either": None, "key": "hidden"}
    assert bound(ask, config)() == (Level.LOW, [1, 2], None, "hidden")


def test_bind_gives_an_object_of_a_class_unknown_to_pydantic():
    class Client:
        pass

    def ask(client: Annotated[Client, Bind("client")]):
        return isinstance(client, Client)

    assert bound(ask, {"__config_id__": "one", "client": Client()})()
    assert "Input should be an instance of" in str(refusal(ask, {"client": 1}))


def test_bind_without_a_path_gives_the_whole_config():
    def ask(everything: Annotated[dict[str, Any], Bind()], limits: Annotated[Limits, Bind()]):
        return everything["x"], limits.x

    assert bound(ask)() == (7, 7)


def test_bind_goes_through_list_indexes_and_integer_keys():
    def ask(first: Annotated[int, Bind("stages.0.k")], second: Annotated[int, Bind("by.2")]):
        return first, second

    assert bound(ask, {**CONFIG, "by": {2: 9}})() == (3, 9)


def test_bind_goes_through_the_attributes_of_an_object():
    def ask(model: Annotated[str, Bind("llm.model")]):
        return model

    assert bound(ask, {"llm": Llm(**LLM)})() == "tiny"
    assert bound(ask, {"llm": LlmData(**LLM)})() == "tiny"


def test_other_metadata_beside_bind_validates():
    def ask(x: Annotated[int, Field(gt=5), Bind("x")]):
        return x

    assert bound(ask)() == 7
    assert "x: Input should be greater than 5 (got 2)" in str(refusal(ask, {"x": 2}))


def test_two_parameters_may_share_a_path():
    def ask(a: Annotated[list[int], Bind("ks")], b: Annotated[list[int], Bind("ks")]):
        a.append(4)
        return a, b

    assert bound(ask, {"ks": [1]})() == ([1, 4], [1])


# What binds by itself


def test_a_model_gets_the_root():
    def ask(limits: Limits):
        return limits.x

    assert bound(ask)() == 7


def test_config_annotated_parameter_gets_the_whole_config():
    def ask(settings: Config):
        return settings

    got = bound(ask)()
    assert isinstance(got, Config)
    assert got == {key: value for key, value in CONFIG.items() if key != "__config_id__"}
    assert got.config_id == "one"
    assert got.llm.model == "tiny"


def test_parameter_named_config_gets_the_whole_config():
    def bare(config):
        return config.x

    def plain(config: dict):
        return config["x"]

    def generic(config: dict[str, Any]):
        return config["x"]

    def mapping(config: Mapping[str, Any]):
        return config["x"]

    def anything(config: Any):
        return config["x"]

    assert [bound(one)() for one in (bare, plain, generic, mapping, anything)] == [7] * 5


def test_parameter_named_config_of_another_type_is_the_callers():
    def ask(config: int):
        return config

    assert bound(ask)(1) == 1


def test_a_dict_parameter_of_another_name_is_left_to_the_caller():
    def ask(row: dict, config):
        return row, config.x

    assert bound(ask)({"a": 1}) == ({"a": 1}, 7)


def test_bindings_give_a_type_its_path():
    def ask(llm: Llm, data: LlmData, raw: Annotated[LlmDict, "a note"]):
        return llm.model, data.model, raw["model"]

    paths = {Llm: "llm", LlmData: "llm", LlmDict: "llm"}
    assert bound(ask, bindings=paths)() == ("tiny",) * 3


def test_bindings_give_a_parameter_its_path():
    def ask(temperature: float, stage, limit: Annotated[int, Bind("nowhere")]):
        return temperature, stage["k"], limit

    paths = {"temperature": "llm.temperature", "stage": Bind("stages.1"), "limit": {"path": "x"}}
    assert bound(ask, bindings=paths)() == (0.5, 5, 7)


def test_none_in_bindings_leaves_a_parameter_to_the_caller():
    def ask(config, limits: Limits, x: Annotated[int, Bind("x")]):
        return config, limits, x

    assert bound(ask, bindings={"config": None, Limits: None})(1, 2) == (1, 2, 7)
    assert bound(ask, bindings={"x": None})(x=1)[2] == 1


def test_binding_order_is_name_then_own_bind_then_type():
    def ask(a: Annotated[Llm, Bind("a")], b: Annotated[Llm, Bind("nowhere")]):
        return a.model, b.model

    config = {name: {"model": name, "temperature": 0} for name in "abc"}
    assert bound(ask, config, bindings={Llm: "c", "b": "b"})() == ("a", "b")


def test_experiment_bindings_replace_those_of_the_instance():
    mint = Spearmint(configs=[{"a": 1, "b": 2}], bindings={"x": "a"})

    @mint.experiment
    def first(x):
        return x

    @mint.experiment(bindings={"x": "b"})
    def second(x):
        return x

    assert (first(), second()) == (1, 2)


def test_instance_binding_of_a_type_may_match_no_parameter():
    mint = Spearmint(configs=[CONFIG], bindings={Llm: "llm"})

    @mint.experiment
    def with_it(llm: Llm):
        return llm.model

    @mint.experiment
    def without_it(config):
        return config.x

    assert (with_it(), without_it()) == ("tiny", 7)


# Kinds of parameters


def test_positional_only_parameters_are_filled_in_their_places():
    def ask(text, llm: Annotated[Llm, Bind("llm")], x: Annotated[int, Bind("x")], /, more=0):
        return text, llm.model, x, more

    f = bound(ask)
    assert f("a") == ("a", "tiny", 7, 0)
    assert f("a", more=1) == ("a", "tiny", 7, 1)
    assert f("a", Llm(model="mine", temperature=0)) == ("a", "mine", 7, 0)
    assert f("a", Llm(model="mine", temperature=0), 1, 2) == ("a", "mine", 1, 2)


def test_positional_only_is_filled_after_an_omitted_default():
    def ask(text="none", x: Annotated[int, Bind("x")] = 0, /):
        return text, x

    f = bound(ask)
    assert f() == ("none", 7)
    assert f("a") == ("a", 7)
    assert f("a", 1) == ("a", 1)


def test_missing_argument_before_positional_only_is_native_error():
    def ask(text, config, /):
        return text, config

    with pytest.raises(TypeError, match=r"missing 2 required positional arguments: 'text' and 'config'"):
        bound(ask)()


def test_keyword_named_like_a_positional_only_is_separate():
    def ask(config, /, **others):
        return config["x"], others

    f = bound(ask)
    assert f(config=1) == (7, {"config": 1})
    assert f({"x": 2}, config=1) == (2, {"config": 1})


def test_override_reaches_positional_only_beside_its_keyword():
    def ask(x: Annotated[int, Bind("x", override=True)], /, **others):
        return x, others

    assert bound(ask)(1, x=2) == (7, {"x": 2})


def test_keyword_only_parameters_are_filled_after_var_positional():
    def ask(*texts, x: Annotated[int, Bind("x")], config: Config):
        return texts, x, config.x

    f = bound(ask)
    assert f("a", "b") == (("a", "b"), 7, 7)
    assert f("a", x=1) == (("a",), 1, 7)


def test_bindings_fill_what_a_function_takes_among_its_keywords():
    def ask(prompt, **options):
        return prompt, options

    f = bound(ask, bindings={"temperature": "llm.temperature"})
    assert f("a") == ("a", {"temperature": 0.5})
    assert f("a", temperature=1, top=2) == ("a", {"temperature": 1, "top": 2})
    assert "there is no 'nowhere' at its top level" in str(refusal(ask, bindings={"temperature": "nowhere"}))


def test_methods_and_static_and_class_methods_are_bound():
    class Ranker:
        @experiment(configs=[CONFIG])
        def plain(self, text, x: Annotated[int, Bind("x")]):
            return type(self).__name__, text, x

        @experiment(configs=[CONFIG])
        @classmethod
        def of_class(cls, text, config):
            return cls.__name__, text, config.x

        @experiment(configs=[CONFIG])
        @staticmethod
        def static(text, config):
            return "static", text, config.x

    ranker = Ranker()
    assert [one("a") for one in (ranker.plain, ranker.of_class, ranker.static)] == [
        ("Ranker", "a", 7),
        ("Ranker", "a", 7),
        ("static", "a", 7),
    ]


def test_the_signature_stays_the_functions_own():
    def ask(text: str, config: Config, *, x: Annotated[int, Bind("x")] = 0) -> str:
        return text

    assert inspect.signature(bound(ask)) == inspect.signature(ask)


def test_builtin_without_signature_refuses_named_bindings():
    assert bound(getattr)(3, "real") == 3
    error = refusal(getattr, bindings={"name": "x"})
    assert "Cannot bind builtins:getattr: it tells no signature" in str(error)
    assert str(error).endswith("Wrap it in a Python function.")


# Who wins


def test_a_value_of_the_caller_wins_by_position_and_by_keyword():
    def ask(x: Annotated[int, Bind("x")], config: Config):
        return x, config

    f = bound(ask)
    assert f(1)[0] == 1
    assert f(x=1)[0] == 1
    assert f(1, {"mine": 1}) == (1, {"mine": 1})
    assert f(config=None) == (7, None)


def test_a_value_of_the_caller_is_not_validated():
    def ask(x: Annotated[int, Bind("x")]):
        return x

    assert bound(ask)("any") == "any"


@pytest.mark.parametrize("rule", [Bind("x", override=True), {"path": "x", "override": True}])
def test_override_wins_over_positional_and_keyword_arguments(rule):
    def ask(x, y=0):
        return x, y

    f = bound(ask, bindings={"x": rule})
    assert [f(), f(1), f(x=1), f(1, 2), f(x=1, y=2)] == [(7, 0), (7, 0), (7, 0), (7, 2), (7, 2)]


def test_override_of_a_missing_path_leaves_value_and_default():
    def ask(x=0):
        return x

    f = bound(ask, bindings={"x": Bind("nowhere", override=True)})
    assert (f(), f(1)) == (0, 1)


def test_parameter_given_twice_is_a_native_error():
    def ask(x, y=0):
        return x

    with pytest.raises(TypeError, match="multiple values for argument 'x'"):
        bound(ask, bindings={"x": Bind("x", override=True)})(1, x=2)


def test_a_default_stands_where_the_path_is_missing():
    def ask(a: Annotated[int, Bind("nowhere")] = 1, *, b: Annotated[int, Bind("llm.nowhere")] = 2):
        return a, b

    f = bound(ask)
    assert f() == (1, 2)
    assert f(3, b=4) == (3, 4)


def test_a_default_does_not_hide_a_value_that_is_invalid():
    def ask(x: Annotated[int, Bind("llm.model")] = 1):
        return x

    assert "Input should be a valid integer" in str(refusal(ask))


def test_none_in_the_config_is_a_value():
    def ask(x: Annotated[int | None, Bind("x")] = 1):
        return x

    assert bound(ask, {"x": None})() is None


# Refusals


def test_missing_path_error_names_everything_and_existing_keys():
    def ask(t: Annotated[float, Bind("llm.temprature")]):
        return t

    error = refusal(ask)
    name = f"{__name__}:test_missing_path_error_names_everything_and_existing_keys.<locals>.ask"
    assert str(error) == (
        f"Cannot bind parameter 't' of {name} to 'llm.temprature' of config 'one': there is no 'temprature' at 'llm' "
        "(the keys there: 'model', 'temperature'; did you mean 'temperature'?). "
        "Add it to the config or correct the path."
    )
    assert (error.function, error.parameter, error.path, error.config_id) == (name, "t", "llm.temprature", "one")
    assert isinstance(error, ConfigError)
    assert isinstance(error, SpearmintError)


@pytest.mark.parametrize(
    ("path", "cause"),
    [
        ("nowhere", "there is no 'nowhere' at its top level (the keys there: 'llm', 'stages', 'x')"),
        ("stages.2.k", "there is no '2' at 'stages', a list of 2 (its indexes: 0 to 1)"),
        ("stages.-1", "there is no '-1' at 'stages', a list of 2 (its indexes: 0 to 1)"),
        ("stages.k", "there is no 'k' at 'stages', a list of 2"),
        ("stages.²", "there is no '²' at 'stages', a list of 2"),
        ("llm.--1", "there is no '--1' at 'llm' (the keys there: 'model', 'temperature')"),
        ("llm.model.name", "there is no 'name' at 'llm.model', which is str 'tiny'"),
        ("llm.model.title", "there is no 'title' at 'llm.model', which is str 'tiny'"),
        ("x.real", "there is no 'real' at 'x', which is int 7"),
        ("llm..model", "there is no '' at 'llm' (the keys there: 'model', 'temperature')"),
    ],
)
def test_path_that_leads_nowhere_error_lists_what_exists(path, cause):
    def ask(value):
        return value

    error = refusal(ask, bindings={"value": path})
    assert cause in str(error)
    assert error.path == path


def test_empty_list_and_empty_config_are_reported():
    with pytest.raises(KeyError, match=r"there is no '0' at 'a', a list of 0\""):
        look_up({"a": []}, "a.0")
    with pytest.raises(KeyError, match=r"at its top level \(the keys there: none\)"):
        look_up({}, "a")


def test_invalid_value_error_names_everything_and_the_value():
    def ask(llm: Annotated[Llm, Bind("llm")]):
        return llm

    error = refusal(ask, {"__config_id__": "bad", "llm": {"model": 1}})
    message = str(error)
    assert message.startswith("Cannot bind parameter 'llm' of ")
    assert "to 'llm' of config 'bad': llm.model: Input should be a valid string (got 1); " in message
    assert "llm.temperature: Field required (got {'model': 1})" in message
    assert message.endswith(
        "Correct the config or the annotation; bindings={'llm': None} leaves the parameter to the caller."
    )
    assert (error.parameter, error.path, error.config_id) == ("llm", "llm", "bad")
    assert error.function.endswith(".<locals>.ask")
    assert error.__cause__ is not None


def test_invalid_root_is_reported_without_a_path():
    def ask(limits: Limits):
        return limits

    message = str(refusal(ask, {"__config_id__": "bad", "y": 1}))
    assert "to config 'bad': x: Field required (got {'y': 1})" in message


def test_configs_are_all_validated_at_declaration():
    def ask(x: Annotated[int, Bind("x")]):
        return x

    configs = [{"x": 1}, {"x": 2}, {"__config_id__": "third", "x": "many"}]
    with pytest.raises(BindingError, match="of config 'third': x: Input should be a valid integer") as caught:
        experiment(configs=configs)(ask)
    assert caught.value.config_id == "third"


def test_a_validator_that_raises_anything_is_a_binding_error():
    class Checked(BaseModel):
        x: int

        @field_validator("x")
        @classmethod
        def look(cls, value):
            raise KeyError("index")

    def ask(checked: Checked):
        return checked

    error = refusal(ask)
    assert "to config 'one': validating it raised KeyError: 'index'. Correct the annotation" in str(error)
    assert isinstance(error.__cause__, KeyError)


def test_a_model_that_lacks_one_of_its_names_is_a_binding_error():
    class Incomplete(BaseModel):
        x: "NotThere"  # noqa: F821 - that is the case

    def ask(limits: Incomplete):
        return limits

    error = refusal(ask)
    assert "not fully defined" in str(error)
    assert error.parameter == "limits"


def test_a_value_that_cannot_be_copied_is_a_binding_error():
    class Locked(BaseModel, arbitrary_types_allowed=True):
        x: int
        lock: Any = Field(default_factory=threading.Lock)

    def ask(locked: Locked):
        return locked

    error = refusal(ask)
    assert "to config 'one': its value of type " in str(error)
    assert "Locked cannot be copied (TypeError: cannot pickle '_thread.lock' object)" in str(error)
    assert str(error).endswith("Bind something immutable, or give the type a __deepcopy__.")
    assert (error.parameter, error.path, error.config_id) == ("locked", "", "one")


def test_uncopyable_config_error_names_function_and_config():
    def ask(config):
        return config

    with pytest.raises(ConfigError, match=r"Cannot copy config 'one' for .*ask: TypeError: cannot pickle"):
        bound(ask, {"__config_id__": "one", "lock": threading.Lock()})


def test_binding_of_no_parameter_error_lists_the_parameters():
    def ask(text, temperature):
        return text

    error = refusal(ask, bindings={"temprature": "x"})
    assert "Cannot bind parameter 'temprature' of " in str(error)
    assert str(error).endswith(
        "it has no such parameter (its parameters: 'text', 'temperature'). Did you mean 'temperature'?"
    )
    assert error.parameter == "temprature"


@pytest.mark.parametrize("name", ["args", "kwargs"])
def test_a_binding_of_what_collects_arguments_is_refused(name):
    def ask(text, *args, **kwargs):
        return text

    assert "it has no such parameter (its parameters: 'text')" in str(refusal(ask, bindings={name: "x"}))


def test_a_binding_of_a_type_that_no_parameter_has_is_refused():
    def ask(limits: Limits) -> Llm:
        return limits

    error = refusal(ask, bindings={Llm: "llm"})
    assert "Cannot bind type Llm of " in str(error)
    assert str(error).endswith("no parameter is annotated with it. Annotate one, or bind the parameter by its name.")


@pytest.mark.parametrize("rule", [3, ["x"], {"path": 3}, {"path": "x", "overide": True}])
def test_a_rule_that_is_no_path_is_refused(rule):
    def ask(x):
        return x

    error = refusal(ask, bindings={"x": rule})
    assert f"to {rule!r}: that is no path. Give text such as 'llm.temperature', Bind(...)" in str(error)


def test_a_key_that_is_neither_type_nor_name_is_refused():
    def ask(x):
        return x

    assert "a binding's key is a type or a parameter's name" in str(refusal(ask, bindings={3: "x"}))


def test_parameter_without_config_is_an_error_when_called():
    @experiment
    def ask(config):
        return config

    assert ask(1) == 1
    with pytest.raises(BindingError, match=r"Cannot fill parameter 'config' of .*ask: it has no configs") as caught:
        ask()
    assert caught.value.parameter == "config"
    assert str(caught.value).endswith("Give it configs=..., or pass 'config'.")


def test_a_bind_is_a_value():
    assert Bind("a") == Bind("a", override=False) != Bind("a", override=True)
    assert len({Bind("a"), Bind("a")}) == 1


def secretive(password: Annotated[int, Bind("password")], url: Annotated[int, Bind("url")]):
    """Take what is no number."""


def test_error_shows_no_secret_of_the_config() -> None:
    error = refusal(secretive, {"password": "pw-hunter22", "url": "redis://:pw-hunter33@host"})
    assert f"password: Input should be a valid integer, unable to parse string as an integer (got {MASK})" in str(error)
    shown = "".join(traceback.format_exception(error))
    assert "pw-hunter" not in shown
    error = refusal(secretive, {"password": 1, "url": "redis://:pw-hunter33@host"})
    assert f"(got 'redis://:{MASK}@host')" in str(error)
    assert "pw-hunter" not in "".join(traceback.format_exception(error))


def test_error_of_missing_step_shows_no_secret() -> None:
    def reads(x: Annotated[int, Bind("password.x")]):
        """Ask for something in a text."""

    assert f"at 'password', which is str {MASK}" in str(refusal(reads, {"password": "pw-hunter22"}))


# Secrets, and files


class Client(BaseModel):
    api_key: int
    url: int = 0
    retries: int = 0


SECRET = "hunter2-and-more"


@pytest.mark.parametrize(
    "config",
    [
        {"client": {"api_key": SECRET}},
        {"client": {"api_key": 1, "url": f"https://me:{SECRET}@example.com"}},
        {"client": {"api_key": 1, "retries": {"password": SECRET}}},
        {"client": {"api_key": 1, "retries": f"as {SECRET} says"}, "token": SECRET},
        {"client": [("password", SECRET)]},
    ],
    ids=["key", "url", "nested", "elsewhere", "pair"],
)
def test_binding_error_shows_no_secret(config):
    def ask(client: Annotated[Client, Bind("client")]):
        return client

    with pytest.raises(BindingError) as caught:
        experiment(configs=[config])(ask)
    text = "".join(traceback.format_exception(caught.value))
    assert SECRET not in text
    assert "**********" in str(caught.value)
    assert caught.value.__context__ is None


def test_binding_error_of_a_secret_parameter_hides_short_values():
    def ask(pin: Annotated[int, Bind("password")]):
        return pin

    short = SECRET[:3]
    with pytest.raises(BindingError, match=r"password: Input should be a valid integer, .* \(got \*+\)") as caught:
        experiment(configs=[{"password": short}])(ask)
    assert short not in "".join(traceback.format_exception(caught.value))


def test_validator_that_tells_a_secret_is_hidden():
    class Checked(BaseModel):
        token: str

        @field_validator("token")
        @classmethod
        def look(cls, value):
            raise RuntimeError(f"unknown {value}")

    def ask(checked: Checked):
        return checked

    with pytest.raises(BindingError, match=r"validating it raised RuntimeError: unknown \*+") as caught:
        experiment(configs=[{"token": SECRET}])(ask)
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_path_below_a_secret_does_not_show_it():
    with pytest.raises(KeyError, match=r"no 'x' at 'llm\.api_key', which is str \*+"):
        look_up({"llm": {"api_key": "abc"}}, "llm.api_key.x")


def test_binding_error_names_the_file_of_the_config(tmp_path):
    path = tmp_path / "configs.yaml"
    path.write_text("- {x: 1}\n- {x: many}\n")

    def ask(x: Annotated[int, Bind("x")]):
        return x

    for configs in (path, parse_configs(path)):
        with pytest.raises(BindingError) as caught:
            experiment(configs=configs)(ask)
        assert str(caught.value).startswith(f"{path}:2:3: Cannot bind parameter 'x' of ")
        assert (caught.value.source, caught.value.line, caught.value.column) == (str(path), 2, 3)
