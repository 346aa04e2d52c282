"""A call with the parameters of its function gives what a call with ``*args, **kwargs`` gives, and refuses the same."""

import asyncio
import functools
import inspect
import itertools

import pytest

import spearmint
from spearmint import Config, Spearmint
from spearmint.proxy import codegen
from spearmint.proxy.call_arguments import AnyArguments, NamedArguments, arguments_of
from spearmint.strategies import RoundRobinStrategy, ShadowStrategy, SingleConfigStrategy

CONFIGS = [{"name": "first", "k": 5}, {"name": "second", "k": 6}]
GIVEN = Config(name="given", k=7)


def only_config(config: Config):
    return config.name


def config_last(text, config: Config):
    return text, config.name


def config_first(config: Config, text, depth=2):
    return config.name, text, depth


def keyword_only(text, *, config: Config, depth, k: int = 3):
    return text, config.name, depth, k


def with_defaults(text="a", config: Config = GIVEN, *, depth=None):
    return text, config.name, depth


def positional_only(text, /, config: Config):
    return text, config.name


def names_of_the_call(case, outer, function, config: Config, args=1, *, kwargs=2, token=3, experiment=4):
    return case, outer, function, config.name, args, kwargs, token, experiment


def names_of_the_text(arg_1, arg_0, config: Config, OMITTED=4):
    return arg_1, arg_0, config.name, OMITTED


def nothing_filled(text, depth=2):
    return text, depth


FUNCTIONS = [
    only_config,
    config_last,
    config_first,
    keyword_only,
    with_defaults,
    positional_only,
    names_of_the_call,
    names_of_the_text,
    nothing_filled,
]
STRATEGIES = {"single": SingleConfigStrategy, "in_turn": RoundRobinStrategy, "shadow": ShadowStrategy}


def ways_to_call(function):
    """Yield arguments: each parameter by position, by name or left out, one unknown, one twice."""
    names = list(inspect.signature(function).parameters)
    values = {name: GIVEN if name == "config" else f"<{name}>" for name in names}
    for count in range(len(names) + 2):
        args = [*values.values(), "too many"][:count]
        rest = names[count:]
        chosen = [names[:1], *itertools.chain(*(itertools.combinations(rest, size) for size in range(len(rest) + 1)))]
        for kept in chosen if len(names) < 5 else (rest, [name for name in rest if name != "config"], rest[:2]):
            yield args, {name: values[name] for name in kept}
    yield [], {"unknown": 1, **values}


def is_refused(function, args, kwargs):
    try:
        function(*args, **kwargs)
    except TypeError:
        return True
    return False


@pytest.mark.parametrize("strategy", STRATEGIES.values(), ids=STRATEGIES)
@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda one: one.__name__)
def test_call_gives_what_packed_arguments_give(function, strategy, monkeypatch):
    mint = Spearmint(configs=CONFIGS)
    named, tried = (mint.experiment(function, strategy=strategy) for _ in range(2))
    assert isinstance(arguments_of(named._self_experiment), NamedArguments)
    monkeypatch.setattr(codegen, "arguments_of", lambda _: AnyArguments())
    packed, judge = mint.experiment(function, strategy=strategy), mint.experiment(function)

    taken = []
    for args, kwargs in ways_to_call(function):
        refused = is_refused(judge, args, kwargs)
        assert is_refused(tried, args, kwargs) is refused
        if not refused:
            taken.append((args, kwargs))
    assert taken
    outcomes = [packed(*args, **kwargs) for args, kwargs in taken]
    assert [named(*args, **kwargs) for args, kwargs in taken] == outcomes


def test_variants_get_the_arguments_of_the_call():
    seen = []

    @Spearmint(configs=CONFIGS, strategy=ShadowStrategy).experiment()
    def rank(config: Config, text, words, depth=2, *, limit=3):
        seen.append((config.name, text, words, depth, limit))

    rank(text="a", words=["b"], limit=4)
    spearmint.flush()
    assert sorted(name for name, *_ in seen) == ["first", "second"]
    assert [rest for _, *rest in seen] == [["a", ["b"], 2, 4]] * 2


async def wait(text, config: Config, *, depth=1):
    await asyncio.sleep(0)
    return text, config.name, depth


def test_coroutine_functions_take_the_same_arguments():
    ask = Spearmint(configs=CONFIGS).experiment(wait)
    assert isinstance(arguments_of(ask._self_experiment), NamedArguments)
    assert asyncio.run(ask("a")) == ("a", "first", 1)
    assert asyncio.run(ask(text="a", depth=2)) == ("a", "first", 2)
    assert asyncio.run(ask("a", GIVEN)) == ("a", "given", 1)
    with pytest.raises(TypeError, match=r"wait\(\) missing 1 required positional argument: 'text'"):
        ask()


class Desk:
    """Methods of each kind, one with a name that classes mangle."""

    mint = Spearmint(configs=CONFIGS)

    @mint.experiment()
    def method(self, text, config: Config):
        return text, config.name

    @mint.experiment()
    def mangled(self, *, __text, config: Config):
        return __text, config.name

    @classmethod
    @mint.experiment()
    def of_class(cls, text, config: Config):
        return text, config.name

    @staticmethod
    @mint.experiment()
    def static(config: Config, text="a"):
        return text, config.name


def test_methods_of_each_kind_take_the_same_arguments():
    desk = Desk()
    assert desk.method("a") == desk.method(text="a") == Desk.method(desk, "a") == ("a", "first")
    assert desk.mangled(_Desk__text="a") == ("a", "first")
    assert desk.of_class("a") == Desk.of_class(text="a") == ("a", "first")
    assert desk.static() == Desk.static() == ("a", "first")
    assert Desk.static(GIVEN, "b") == ("b", "given")


def test_functions_own_defaults_are_those_of_now():
    @Spearmint(configs=CONFIGS).experiment()
    def rank(text, words=("b",), config: Config = GIVEN, *, depth=1):
        return text, words, config.name, depth

    assert rank("a") == ("a", ("b",), "first", 1)
    inside = rank._self_experiment.function
    inside.__defaults__ = ("c", GIVEN)
    inside.__kwdefaults__ = {"depth": 2}
    assert rank("a") == ("a", "c", "first", 2)
    rank.__defaults__ = (GIVEN,)
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'words'"):
        rank("a")
    assert rank("a", "d") == ("a", "d", "first", 2)


def test_calls_are_written_anew_for_another_code():
    @Spearmint(configs=CONFIGS).experiment()
    def rank(text, config: Config):
        return text, config.name

    def reloaded(text, config: Config, depth):
        return text, config.name, depth

    assert rank("a") == ("a", "first")
    rank.__code__ = reloaded.__code__  # As IPython's autoreload does.
    assert rank("a", depth=2) == ("a", "first", 2)
    assert rank.__code__ is reloaded.__code__


def positional_config(config: Config, /):
    return config.name


def takes_more(text, *args, config: Config):
    return text, args, config.name


def takes_names(text, config: Config, **kwargs):
    return text, config.name, kwargs


def stream(text, config: Config):
    yield text, config.name


def default_by_position(text="a", /, config: Config = GIVEN):
    return text, config.name


@functools.wraps(config_last)
def wrapper(text, config):
    return config_last(text, config)


@pytest.mark.parametrize("function", [positional_config, takes_more, takes_names, stream, default_by_position, wrapper])
def test_other_signatures_take_whatever_they_are_given(function):
    one = Spearmint(configs=CONFIGS).experiment(function)
    assert type(arguments_of(one._self_experiment)) is AnyArguments
