import os
import random
import threading
from collections import Counter
from functools import partial
from typing import Any

import pytest

import spearmint
from spearmint import Config, RuntimeContext, Spearmint, experiment
from spearmint.errors import StrategyError
from spearmint.proxy.proxy import experiment_of
from spearmint.strategies import (
    MultiBranchStrategy,
    RoundRobinStrategy,
    ShadowStrategy,
    SingleConfigStrategy,
    Strategy,
)

CONFIGS = [{"model": "a"}, {"model": "b"}, {"model": "c"}]
BUILT_IN = [SingleConfigStrategy, ShadowStrategy, MultiBranchStrategy, RoundRobinStrategy]


def made(strategy: Any, configs: Any = CONFIGS, **settings: Any) -> Any:
    mint = Spearmint(strategy=strategy, configs=configs, **settings)

    @mint.experiment
    def ask(config: Config) -> str:
        return config["model"]

    return ask


def ran(function: Any) -> list[str]:
    with Spearmint.run(function, await_variants=True) as runner:
        return [one.result for one in runner()]


# The table


def test_single_runs_the_first_config_in_a_call_and_in_a_run():
    ask = made(SingleConfigStrategy)
    assert (ask(), ran(ask)) == ("a", ["a"])
    assert ran(made(SingleConfigStrategy())) == ["a"]


def test_single_is_the_default():
    assert ran(experiment(configs=CONFIGS)(lambda config: config["model"])) == ["a"]


def test_shadow_answers_with_the_first_config_and_runs_the_rest():
    seen = []
    mint = Spearmint(strategy=ShadowStrategy, configs=CONFIGS)

    @mint.experiment
    def ask(config):
        seen.append(config["model"])
        return config["model"]

    assert ask() == "a"
    assert spearmint.flush(10)
    assert sorted(seen) == ["a", "b", "c"]
    assert ran(ask) == ["a", "b", "c"]


def test_multi_branch_gives_every_outcome_in_a_call_and_in_a_run():
    ask = made(MultiBranchStrategy)
    assert [one.result for one in ask()] == ["a", "b", "c"]
    with Spearmint.run(ask) as runner:
        assert [one.result for one in runner()] == ["a", "b", "c"]


def test_multi_branch_runs_all_at_once():
    barrier = threading.Barrier(3, timeout=10)
    mint = Spearmint(strategy=MultiBranchStrategy, configs=CONFIGS)

    @mint.experiment
    def ask(config):
        barrier.wait()
        return config["model"]

    assert [one.status for one in ask()] == ["success"] * 3


def test_round_robin_takes_the_next_config_in_calls_and_runs():
    ask = made(RoundRobinStrategy)
    assert [ask(), ran(ask), ask(), ask()] == ["a", ["b"], "c", "a"]


@pytest.mark.parametrize(
    "strategy",
    [*BUILT_IN, *(kind() for kind in BUILT_IN)],
    ids=lambda one: one.__name__ if isinstance(one, type) else f"{type(one).__name__}()",
)
def test_builtin_strategies_fit_the_protocol_with_one_config(strategy):
    assert isinstance(strategy() if isinstance(strategy, type) else strategy, Strategy)
    assert ran(made(strategy, [{"model": "only"}])) == ["only"]


# State


def test_each_function_under_one_instance_counts_for_itself():
    for strategy in (RoundRobinStrategy, RoundRobinStrategy()):
        mint = Spearmint(strategy=strategy, configs=CONFIGS)

        @mint.experiment
        def first(config):
            return config["model"]

        @mint.experiment
        def second(config):
            return config["model"]

        assert [first(), first(), second(), first(), second()] == ["a", "b", "a", "c", "b"]


def test_a_custom_class_is_made_once_per_function():
    class Counting:
        def __init__(self):
            self.calls = 0

        def __call__(self, configs):
            self.calls += 1
            return configs[(self.calls - 1) % 2], []

    mint = Spearmint(strategy=Counting, configs=CONFIGS)
    first, second = (mint.experiment(lambda config: config["model"]) for _ in range(2))
    assert [first(), first(), second(), first()] == ["a", "b", "a", "a"]


def test_a_custom_instance_is_shared_unless_it_says_otherwise():
    class Counting:
        def __init__(self):
            self.calls = 0

        def __call__(self, configs):
            self.calls += 1
            return configs[self.calls - 1], []

    class Apart(Counting):
        def per_function(self):
            return Apart()

    for strategy, expected in ((Counting(), ["a", "b"]), (Apart(), ["a", "a"])):
        mint = Spearmint(strategy=strategy, configs=CONFIGS)
        first, second = (mint.experiment(lambda config: config["model"]) for _ in range(2))
        assert [first(), second()] == expected


def test_round_robin_is_even_over_many_threads():
    ask = made(RoundRobinStrategy)
    threads, calls = 12, 100
    barrier = threading.Barrier(threads, timeout=10)
    seen: list[str] = []

    def work():
        barrier.wait()
        seen.extend([ask() for _ in range(calls)])

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
    assert Counter(seen) == dict.fromkeys("abc", threads * calls // 3)


# Shadow's arguments


def test_shadow_samples_none_all_or_the_given_share():
    calls = 400
    assert all(ran(made(ShadowStrategy(sample_rate=0))) == ["a"] for _ in range(20))
    assert all(len(ran(made(ShadowStrategy(sample_rate=1)))) == 3 for _ in range(20))
    choose = ShadowStrategy(sample_rate=0.25)
    configs = [Config(config) for config in CONFIGS]
    state = random.getstate()
    try:
        random.seed(7)
        sampled = [bool(choose(configs)[1]) for _ in range(calls)]
    finally:
        random.setstate(state)
    assert abs(sum(sampled) / calls - 0.25) < 0.06


def test_shadow_starts_its_variants_with_main_if_asked():
    both = threading.Barrier(2, timeout=10)
    mint = Spearmint(strategy=ShadowStrategy(start="with_main"), configs=CONFIGS[:2])

    @mint.experiment
    def ask(config):
        both.wait()
        return config["model"]

    assert ran(ask) == ["a", "b"]


def test_shadow_starts_its_variants_after_main_by_default():
    ended = threading.Event()
    mint = Spearmint(strategy=ShadowStrategy, configs=CONFIGS[:2])

    @mint.experiment
    def ask(config):
        if config["model"] == "a":
            ended.set()
            return "a"
        return ended.is_set()

    assert ran(ask) == ["a", True]


@pytest.mark.parametrize("rate", [-0.1, 1.1, float("nan"), "0.5", None])
def test_a_sample_rate_that_is_no_share_is_refused(rate):
    with pytest.raises(StrategyError) as caught:
        ShadowStrategy(sample_rate=rate)
    assert str(caught.value) == f"Cannot sample {rate!r} of the calls: it is no share. Give a number from 0 to 1."


def test_a_start_that_is_no_moment_is_refused():
    with pytest.raises(
        StrategyError, match=r"Cannot start variants 'before': it is no known moment. Give 'after_main'"
    ):
        ShadowStrategy(start="before")


# Custom strategies


def test_custom_strategy_runs_its_variants_in_the_background():
    def strategy(configs: list[dict]) -> tuple[dict, list[dict]]:
        main = configs[0]
        variants = configs[1:]
        return main, variants

    ask = made(strategy)
    assert ask() == "a"
    assert ran(ask) == ["a", "b", "c"]


def test_a_custom_strategy_may_select_and_filter():
    def select_best_config(configs):
        return max(configs, key=lambda config: config["model"])

    def my_strategy(configs):
        main = select_best_config(configs)
        variants = [c for c in configs if c != main]
        return main, variants

    ask = made(my_strategy)
    assert ask() == "c"
    assert ran(ask) == ["c", "a", "b"]


@pytest.mark.parametrize("kind", [list, tuple, iter])
def test_variants_may_be_any_iterable(kind):
    assert ran(made(lambda configs: (configs[1], kind(configs[:1])))) == ["b", "a"]


def test_choice_may_be_a_list_with_equal_copies_of_configs():
    assert ran(made(lambda configs: [configs[2].copy(), [Config(configs[0])]])) == ["c", "a"]


def test_a_strategy_may_sort_the_list_it_is_given():
    def strategy(configs):
        configs.sort(key=lambda config: config["model"], reverse=True)
        return configs.pop(0), []

    ask = made(strategy)
    assert [ask(), ask(), ask()] == ["c"] * 3


def test_partial_method_and_callable_object_serve_as_strategies():
    def nth(n, configs):
        return configs[n], []

    class Chooser:
        def choose(self, configs):
            return configs[1], []

        __call__ = choose

    for strategy in (partial(nth, 1), Chooser().choose, Chooser(), Chooser):
        assert made(strategy)() == "b"


@pytest.mark.parametrize("base", [SingleConfigStrategy, ShadowStrategy, MultiBranchStrategy])
def test_subclass_of_a_builtin_strategy_is_asked_each_time(base):
    class Rotating(base):
        calls = 0

        def __call__(self, configs):
            self.calls += 1
            return configs[self.calls % 3], []

    ask = made(Rotating)
    assert [ran(ask), ran(ask), ran(ask)] == [["b"], ["c"], ["a"]]


def test_a_strategy_that_says_it_is_constant_is_asked_once():
    class Last:
        is_constant = True
        calls = 0

        def __call__(self, configs):
            self.calls += 1
            return configs[-self.calls], []

    ask = made(Last)
    assert [ask(), ask(), *ran(ask)] == ["c", "c", "c"]


def test_a_strategy_is_asked_once_per_call():
    asked = []

    def strategy(configs):
        asked.append(1)
        return configs[0], []

    ask = made(strategy)
    ask()
    ran(ask)
    assert len(asked) == 2


# Attributes


def test_second_parameter_gets_the_attributes_of_the_contexts():
    def by_user(configs, attributes):
        index = ["ann", "bob"].index(attributes["user_id"]) if "user_id" in attributes else 2
        return configs[index], []

    ask = made(by_user)
    assert ask() == "c"
    with RuntimeContext(attributes={"user_id": "ann"}):
        assert (ask(), ran(ask)) == ("a", ["a"])
        with RuntimeContext(attributes={"user_id": "bob"}):
            assert ask() == "b"
        with RuntimeContext(attributes={"plan": "pro"}):
            assert ask() == "a"
    assert ask() == "c"


def test_a_method_with_a_second_parameter_gets_the_attributes():
    class Chooser:
        def __call__(self, configs, attributes):
            return configs[attributes.get("n", 0)], []

    with RuntimeContext(attributes={"n": 2}):
        assert [made(Chooser)(), made(Chooser())()] == ["c", "c"]


def test_attributes_are_read_only_and_never_keyword_only():
    seen = []

    def strategy(configs, attributes, *, n=1):
        seen.append((dict(attributes), n))
        with pytest.raises(TypeError, match="does not support item assignment"):
            attributes["user_id"] = "eve"
        return configs[n], []

    with RuntimeContext(attributes={"user_id": "ann"}):
        assert made(strategy)() == "b"
    assert seen == [({"user_id": "ann"}, 1)]


# Errors


def name_of(ask: Any) -> str:
    return f"{ask.__module__}:{ask.__qualname__}"


def test_raising_strategy_is_an_error_in_a_call_and_in_a_run():
    def broken(configs):
        raise KeyError("user_id")

    ask = made(broken)
    for attempt in (ask, lambda: ran(ask)):
        with pytest.raises(StrategyError) as caught:
            attempt()
        assert str(caught.value) == (
            f"Cannot choose a config for {name_of(ask)}: {broken.__qualname__} raised KeyError: 'user_id'. "
            "Fix the strategy."
        )
        assert isinstance(caught.value.__cause__, KeyError)


@pytest.mark.parametrize(
    "choice",
    [
        None,
        3,
        "ab",
        (),
        [1],
        (1, 2, 3),
        (Config(model="z"), []),
        (Config({"__config_id__": "other", "model": "a"}), []),
        (Config(model="a"), None),
        (Config(model="a"), [None]),
        (Config(model="a"), [Config(model="z")]),
        (Config(model="a"), Config(model="b")),
        {"a": 1, "b": 2},
    ],
    ids=repr,
)
def test_invalid_choice_is_an_error_in_a_call_and_in_a_run(choice):
    def strange(configs):
        return choice

    ask = made(strange)
    for attempt in (ask, lambda: ran(ask)):
        with pytest.raises(StrategyError) as caught:
            attempt()
        message = str(caught.value)
        assert message.startswith(f"Cannot choose a config for {name_of(ask)}: {strange.__qualname__} returned ")
        assert message.endswith(
            "Return (main, variants): a config and a list of configs, each one of those it was given."
        )


def test_error_of_a_choice_shows_no_secret():
    ask = made(lambda configs: ({"api_key": "k-123456"}, []))
    with pytest.raises(StrategyError) as caught:
        ask()
    assert "returned ({'api_key': **********}, [])" in str(caught.value)


def test_plain_dicts_equal_to_its_configs_may_be_chosen():
    ask = made(lambda configs: (dict(configs[1]), [dict(configs[0])]))
    assert ran(ask) == ["b", "a"]


def test_variants_that_raise_while_they_are_made_are_an_error():
    def strategy(configs):
        return configs[0], (config["nowhere"] for config in configs)

    ask = made(strategy)
    with pytest.raises(StrategyError, match=r"raised KeyError: 'nowhere'. Fix the strategy"):
        ran(ask)


def test_class_that_needs_arguments_is_refused_at_declaration():
    class Picky:
        def __init__(self, share):
            self.share = share

        def __call__(self, configs):
            return configs[0], []

    with pytest.raises(StrategyError) as caught:
        made(Picky)
    message = str(caught.value)
    assert message.startswith(f"Cannot make strategy {Picky.__qualname__} for {__name__}:")
    assert "missing 1 required positional argument: 'share'" in message
    assert message.endswith("Give an instance instead of the class.")
    assert isinstance(caught.value.__cause__, TypeError)


def test_instance_that_cannot_be_copied_is_refused():
    class Stepping(RoundRobinStrategy):
        def __init__(self, step):
            super().__init__()
            self.step = step

    with pytest.raises(StrategyError, match=r"Stepping for .*TypeError: .*'step'\. Fix its per_function\(\)\.$"):
        made(Stepping(2))


@pytest.mark.parametrize("strategy", [3, None])
def test_uncallable_strategy_is_refused_at_declaration(strategy):
    with pytest.raises(StrategyError) as caught:
        made(strategy)
    message = str(caught.value)
    assert message.startswith(f"Cannot use {strategy!r} as the strategy of {__name__}:")
    assert message.endswith(
        "it cannot be called. Give a class such as ShadowStrategy, an instance, or a function of the configs."
    )


def test_a_strategy_is_not_asked_where_there_are_no_configs():
    def broken(configs):
        raise AssertionError("asked")

    @experiment(strategy=broken)
    def ask(x=1):
        return x

    assert ask() == 1
    assert ran(ask) == [1]


# Strategies by name, and what is none


@pytest.mark.parametrize(
    ("name", "strategy"),
    [
        ("single", SingleConfigStrategy),
        ("shadow", ShadowStrategy),
        ("multi_branch", MultiBranchStrategy),
        ("round_robin", RoundRobinStrategy),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_built_in_name_serves_wherever_a_strategy_does(name, strategy):
    for declare in (
        Spearmint(configs=CONFIGS, strategy=name).experiment,
        Spearmint(configs=CONFIGS).experiment(strategy=name),
        experiment(configs=CONFIGS, strategy=name),
    ):
        assert type(experiment_of(declare(lambda config: config))[0].strategy) is strategy


def test_unknown_name_is_refused_with_close_ones():
    with pytest.raises(StrategyError) as caught:
        experiment(configs=CONFIGS, strategy="shadw")(lambda config: config)
    message = str(caught.value)
    assert message.startswith("Cannot use 'shadw' as the strategy of ")
    assert message.endswith(
        ": there is none of that name. Give 'single', 'shadow', 'multi_branch', 'round_robin', 'split', 'bandit', or a "
        "class, an instance or a function. Did you mean 'shadow'?"
    )


@pytest.mark.parametrize(
    ("strategy", "cause"),
    [
        (os.system, "it is a builtin function, which knows nothing of configs"),
        (lambda: None, r"it cannot be called with a list of configs \(too many positional arguments\)"),
        (
            lambda configs, attributes, rate: None,
            r"it cannot be called with .* \(missing a required argument: 'rate'\)",
        ),
        (lambda configs, *, rate: None, r"it cannot be called with .* \(missing a required .*argument: 'rate'\)"),
    ],
    ids=["builtin", "no parameter", "three parameters", "keyword"],
)
def test_what_takes_no_configs_is_refused_as_strategy(strategy, cause):
    with pytest.raises(StrategyError, match=rf"^Cannot use .* as the strategy of .*: {cause}\. Give a class such as "):
        experiment(configs=CONFIGS, strategy=strategy)(lambda config: config)


@pytest.mark.parametrize(
    "strategy",
    [lambda *args: (args[0][0], ()), lambda configs, rate=1: (configs[0], ()), partial(lambda a, b: (b[0], ()), 1)],
    ids=["any", "default", "partial"],
)
def test_what_takes_configs_serves_as_strategy(strategy):
    assert experiment(configs=CONFIGS, strategy=strategy)(lambda config: 1)() == 1
