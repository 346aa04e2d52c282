"""Which experiments take part in a call, and under which configs."""

import gc
import itertools
import subprocess
import sys
import threading
import weakref
from pathlib import Path

import pytest

import spearmint
from spearmint import Config, Spearmint, experiment
from spearmint.context import experiment_case_var
from spearmint.errors import BindingError, PlanError, StrategyError
from spearmint.planning import choose
from spearmint.strategies import MultiBranchStrategy, RoundRobinStrategy, ShadowStrategy
from tests.planning.nested import KS, MODELS, make_inner, values

ROOT = Path(__file__).parents[2]


def make_outer(*inners, configs=MODELS, strategy=ShadowStrategy, **settings):
    """Return an experiment that calls others as no analysis can see, after a first call that tells it of them."""

    @experiment(configs=configs, strategy=strategy, **settings)
    def outer(config):
        return (config["model"], *(inner() for inner in inners))

    outer()
    assert spearmint.flush(10)
    return outer


# Propagation


def test_experiments_of_one_instance_run_under_their_callers():
    mint = Spearmint(configs=MODELS, strategy=MultiBranchStrategy)

    @mint.experiment
    def inner(config):
        return config["model"]

    @mint.experiment
    def outer(config):
        return config["model"], inner()

    for _ in range(2):
        assert [one.result for one in outer()] == [("a", "a"), ("b", "b")]


def test_an_experiment_without_configs_runs_under_its_callers():
    @experiment
    def inner(config):
        return config["model"]

    @experiment(configs=MODELS, strategy=ShadowStrategy)
    def outer(config):
        return inner()

    assert values(outer) == values(outer) == ["a", "b"]


def test_propagation_crosses_plain_functions_and_levels():
    mint = Spearmint(configs=MODELS, strategy=ShadowStrategy)

    @mint.experiment
    def innermost(config):
        return config["model"]

    def plain():
        return innermost()

    @experiment
    def middle():
        return plain()

    @mint.experiment
    def outer():
        return middle()

    assert values(outer) == ["a", "b"]


def test_nearest_caller_with_shared_configs_passes_them_on():
    mint = Spearmint(configs=MODELS, strategy=ShadowStrategy)

    @mint.experiment
    def innermost(config):
        return config["model"]

    @experiment(configs=KS)
    def middle(config):
        return config["k"], innermost()

    @mint.experiment
    def outer(config):
        return config["model"], middle()

    assert values(outer) == [("a", (1, "a")), ("b", (1, "b"))]


def test_experiment_without_configs_gets_its_nearest_callers():
    @experiment
    def innermost(config):
        return config

    @experiment(configs=KS)
    def middle(config):
        return innermost()

    @experiment(configs=MODELS)
    def outer(config):
        return innermost(), middle(), innermost()

    for _ in range(2):
        assert outer() == ({"model": "a"}, {"k": 1}, {"model": "a"})


def test_own_configs_are_a_dimension_under_one_instance_too():
    mint = Spearmint(configs=MODELS, strategy=ShadowStrategy)

    @mint.experiment(configs=KS[:2])
    def inner(config):
        return config["k"]

    @mint.experiment
    def outer(config):
        return config["model"], inner()

    outer()
    assert values(outer) == [("a", 1), ("a", 2), ("b", 1), ("b", 2)]


def test_callers_config_that_misses_a_parameter_is_an_error():
    @experiment(bindings={"k": "k"})
    def inner(k):
        return k

    @experiment(configs=[{"__config_id__": "one", "model": "a"}])
    def outer(config):
        return inner()

    with pytest.raises(BindingError, match=r"Cannot bind parameter 'k' of .*inner to 'k' of config 'one'") as caught:
        outer()
    assert caught.value.config_id == "one"


def test_a_value_passed_to_a_nested_experiment_wins():
    mint = Spearmint(configs=MODELS)

    @mint.experiment
    def inner(config):
        return config["model"]

    @mint.experiment
    def outer(config):
        return inner({"model": "mine"}), inner(config={"model": "yours"})

    assert outer() == ("mine", "yours")


def test_nested_without_any_config_runs_on_its_arguments():
    @experiment
    def inner(x=1):
        return x

    @experiment
    def outer():
        return inner(), inner(2)

    assert outer() == outer() == (1, 2)


# Joining a running case


def test_dynamic_experiment_takes_part_under_its_main_config():
    table = {"inner": make_inner()}

    @experiment(configs=MODELS, strategy=ShadowStrategy)
    def outer(config):
        return config["model"], table["inner"](), table["inner"]()

    with Spearmint.run(outer) as runner:
        results = runner()
    assert results.wait(10)
    assert [one.result for one in results] == [("a", 1, 1), ("b", 1, 1)]


def test_dynamic_experiment_is_part_of_the_case():
    inner = make_inner()
    table = [inner]

    @experiment(configs=MODELS)
    def outer(config):
        table[0]()
        return experiment_case_var.get()

    case = outer()
    assert case.get_config(inner) == {"k": 1}
    assert case.config == {"model": "a"}


def test_dynamic_call_joins_the_plans_of_later_calls():
    inner = make_inner()
    outer = make_outer(inner)
    assert outer() == ("a", 1)
    assert values(outer) == list(itertools.product("ab", (1, 2, 3)))


def test_nested_round_robin_takes_one_turn_per_call():
    inner = make_inner(strategy=RoundRobinStrategy)
    outer = make_outer(inner, inner, strategy=RoundRobinStrategy)
    assert [outer() for _ in range(4)] == [("b", 2, 2), ("a", 3, 3), ("b", 1, 1), ("a", 2, 2)]


def test_a_nested_multi_branch_gives_a_value():
    inner = make_inner(strategy=MultiBranchStrategy)
    outer = make_outer(inner)
    assert values(outer) == list(itertools.product("ab", (1, 2, 3)))


def test_inner_experiment_called_alone_has_its_own_plan():
    inner = make_inner()
    make_outer(inner)
    assert values(inner) == [1, 2, 3]


def test_functions_of_one_name_are_two_experiments():
    first, second = make_inner(), make_inner()
    assert first.__qualname__ == second.__qualname__
    outer = make_outer(first, second)
    assert len(values(outer)) == 2 * 3 * 3


def test_the_same_function_by_several_names_is_one_experiment():
    inner = make_inner()
    alias = {"by key": inner}
    outer = make_outer(inner, alias["by key"], lambda: inner())  # noqa: PLW0108 - another function around it
    assert values(outer) == [(model, k, k, k) for model in "ab" for k in (1, 2, 3)]


def test_recursion_starts_variants_at_the_outermost_call_only():
    lock, calls = threading.Lock(), []

    @experiment(configs=MODELS, strategy=ShadowStrategy)
    def count(n, config):
        with lock:
            calls.append((config["model"], n))
        return config["model"] + (count(n - 1) if n else "")

    assert count(3) == "aaaa"
    assert spearmint.flush(10)
    assert sorted(calls) == sorted(itertools.product("ab", range(4)))
    assert values(count, 2) == ["aaa", "bbb"]


def test_mutual_recursion_keeps_each_experiments_config():
    @experiment(configs=MODELS, strategy=ShadowStrategy)
    def ping(n, config):
        return config["model"] + (pong(n - 1) if n else "")

    @experiment(configs=KS[:2], strategy=ShadowStrategy)
    def pong(n, config):
        return str(config["k"]) + (ping(n - 1) if n else "")

    assert ping(3) == "a1a1"
    assert spearmint.flush(10)
    assert values(ping, 3) == ["a1a1", "a2a2", "b1b1", "b2b2"]


def test_unreachable_dynamic_experiment_leaves_the_plan():
    inners = [make_inner()]

    @experiment(configs=MODELS, strategy=ShadowStrategy)
    def outer(config):
        return (config["model"], *(inner() for inner in inners))

    outer()
    assert spearmint.flush(10)
    assert len(values(outer)) == 6
    gone = weakref.ref(inners.pop())
    outer()
    gc.collect()
    assert gone() is None
    assert values(outer) == [("a",), ("b",)]


def test_a_run_inside_a_case_is_a_plan_of_its_own():
    inner = make_inner()

    @experiment(configs=MODELS)
    def outer(config):
        return values(inner)

    assert outer() == [1, 2, 3]


def test_threads_that_record_dynamic_calls_at_once_agree():
    inner = make_inner()
    barrier = threading.Barrier(8, timeout=10)
    seen = []

    @experiment(configs=MODELS)
    def outer(config):
        return config["model"], inner()

    def work():
        barrier.wait()
        seen.extend(outer() for _ in range(50))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert spearmint.flush(10)
    assert seen == [("a", 1)] * 400
    assert values(outer) == [("a", 1), ("a", 2), ("a", 3)]


def test_raising_strategy_of_a_nested_experiment_is_an_error():
    def broken(configs):
        raise KeyError("n")

    inner = make_inner(strategy=broken)

    @experiment(configs=MODELS)
    def outer(config):
        return inner()

    with pytest.raises(StrategyError, match=r"Cannot choose a config for .*inner: .*broken raised KeyError: 'n'"):
        outer()


# How many cases


def test_too_many_cases_of_a_run_are_an_error_with_the_sizes():
    inner = make_inner()
    outer = make_outer(inner, max_cases=6)
    assert len(values(outer)) == 6
    outer = make_outer(inner, max_cases=5)
    calls = []
    with pytest.raises(PlanError) as caught:
        calls.append(values(outer))
    names = [f"{one.__module__}:{one.__qualname__}" for one in (outer, inner)]
    assert str(caught.value) == (
        f"Cannot run {names[0]} over 6 cases: max_cases is 5, and its options are 2 ({names[0]}) x 3 ({names[1]}). "
        "Give fewer configs, combine='one_at_a_time', or a larger max_cases."
    )
    assert calls == []


def test_too_many_cases_of_a_direct_call_drop_its_variants():
    calls = []

    @experiment(configs=KS, strategy=ShadowStrategy, max_cases=2)
    def ask(config):
        calls.append(config["k"])
        return config["k"]

    before = spearmint.background_stats()
    assert [ask(), ask()] == [1, 1]
    assert spearmint.flush(10)
    after = spearmint.background_stats()
    assert calls == [1, 1]
    assert after.dropped - before.dropped == after.submitted - before.submitted == 4


LOSING = """
from spearmint import experiment
from spearmint.strategies import ShadowStrategy

@experiment(configs=[{"k": k} for k in range(3)], strategy=ShadowStrategy, max_cases=2)
def ask(config):
    return config["k"]

print([ask() for _ in range(3)])
"""


@pytest.mark.slow
def test_too_many_cases_of_a_direct_call_warn_once_with_sizes():
    command = [sys.executable, "-c", LOSING]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, cwd=ROOT)
    assert done.stdout == "[0, 0, 0]\n"
    (line,) = done.stderr.splitlines()
    assert "Cannot run __main__:ask over 3 cases: max_cases is 2, and its options are 3 (__main__:ask)." in line


def test_max_cases_is_1000_by_default_and_none_lifts_it():
    configs = [{"n": n} for n in range(1001)]

    def declare(configs, **settings):
        @experiment(configs=configs, strategy=ShadowStrategy, **settings)
        def ask(config):
            return config["n"]

        return ask

    assert len(values(declare(configs[:1000]))) == 1000
    with pytest.raises(PlanError, match="over 1001 cases: max_cases is 1000"):
        values(declare(configs))
    assert values(declare(configs, max_cases=None)) == list(range(1001))


def test_one_at_a_time_counts_what_it_runs():
    first, second = make_inner(), make_inner()
    outer = make_outer(first, second, combine="one_at_a_time", max_cases=6)
    assert len(values(outer)) == 1 + 1 + 2 + 2


def test_cases_of_one_call_are_apart_from_those_of_the_next():
    order = iter("abc")

    def strategy(configs):
        wanted = next(order)
        return next(config for config in configs if config["model"] == wanted), []

    @experiment(configs=[*MODELS, {"model": "c"}], strategy=strategy)
    def ask(config):
        return experiment_case_var.get()

    cases = [ask() for _ in range(3)]
    assert [case.config for case in cases] == [Config(model=model) for model in "abc"]


# Variants without end


def endless(configs):
    return configs[0], itertools.cycle(configs[1:])


def test_endless_variants_are_refused_with_the_limit():
    inner = make_inner(strategy=endless, max_cases=50)
    assert inner() == 1  # A direct call gives main's value and runs none of them.
    with pytest.raises(PlanError, match=r"max_cases is 50, and its options are 52 \("):
        Spearmint.run(inner)()


def test_endless_variants_without_max_cases_are_refused(monkeypatch):
    monkeypatch.setattr(choose, "_MOST_VARIANTS", 1000)
    with pytest.raises(StrategyError, match=r"its variants have no end within 1,000; return a list, or set max_cases"):
        make_inner(strategy=endless, max_cases=None)()
