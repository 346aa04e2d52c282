"""Calls that no analysis sees join the running case, and the same run covers what they add; also where it is much."""

import asyncio
import gc
import itertools
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import spearmint
from spearmint import Spearmint, experiment
from spearmint.context import RuntimeContext, experiment_case_var
from spearmint.errors import PlanError
from spearmint.planning.select import full_plan
from spearmint.proxy.proxy import experiment_of
from spearmint.strategies import MultiBranchStrategy, RoundRobinStrategy, ShadowStrategy, SingleConfigStrategy
from tests.planning.nested import KS, MODELS, ZS, known, make_hidden, make_inner, run, short, values


def test_run_covers_each_case_of_a_dynamic_call_once():
    lock, seen = threading.Lock(), []
    inner = make_inner()
    table = [inner]

    @experiment(configs=MODELS, strategy=ShadowStrategy)
    def outer(config):
        pair = config["model"], table[0]()
        with lock:
            seen.append(pair)
        return pair

    results = run(outer)
    assert sorted(seen) == list(itertools.product("ab", (1, 2, 3)))
    assert [one.result for one in results] == list(itertools.product("ab", (1, 2, 3)))
    assert [one.role for one in results] == ["main", *["variant"] * 5]
    assert len(results.plan) == 6
    seen.clear()
    assert [one.result for one in run(outer)] == [one.result for one in results]
    assert len(seen) == 6


@pytest.mark.parametrize("strategy", [ShadowStrategy, MultiBranchStrategy])
def test_several_dynamic_calls_make_the_product(strategy):
    outer = make_hidden(make_inner(), make_inner(ZS, key="z"), strategy=strategy)
    assert values(outer) == values(outer) == list(itertools.product("ab", (1, 2, 3), "xy"))


def test_a_collecting_call_covers_them_without_a_run():
    outer = make_hidden(make_inner(), strategy=MultiBranchStrategy)
    assert [one.result for one in outer()] == list(itertools.product("ab", (1, 2, 3)))


def test_experiment_that_only_a_variant_calls_is_covered():
    outer = make_hidden(make_inner(), when=lambda config: config["model"] == "b")
    assert values(outer) == [("a",)] * 3 + [("b", 1), ("b", 2), ("b", 3)]


def test_dynamic_calls_below_dynamic_calls_are_covered_too():
    deepest = make_inner(ZS, key="z")
    table = {"deepest": deepest}

    @experiment(configs=KS[:2], strategy=ShadowStrategy)
    def deep(config):
        return (config["k"], table["deepest"]()) if config["k"] == 2 else config["k"]

    outer = make_hidden(deep)
    expected = [(m, d) for m in "ab" for d in (1, 1, (2, "x"), (2, "y"))]
    assert values(outer) == expected
    assert values(outer) == expected
    assert short(known(outer)) == short(experiment_of(one)[0] for one in (deep, deepest))


def test_one_at_a_time_adds_each_variation_alone():
    outer = make_hidden(make_inner(), make_inner(ZS, key="z"), combine="one_at_a_time")
    expected = [("a", 1, "x"), ("b", 1, "x"), ("a", 2, "x"), ("a", 3, "x"), ("a", 1, "y")]
    assert values(outer) == expected
    assert values(outer) == expected


def test_config_without_variants_is_extended_by_a_dynamic_call():
    outer = make_hidden(make_inner(), configs=MODELS[:1], strategy=RoundRobinStrategy)
    assert values(outer) == [("a", 1), ("a", 2), ("a", 3)]


def test_dynamic_experiments_strategy_is_asked_once_per_call():
    outer = make_hidden(make_inner(strategy=RoundRobinStrategy))
    assert values(outer) == [("a", 1), ("b", 1)]
    assert values(outer) == [("a", 2), ("b", 2)]


def test_cases_above_the_limit_are_counted_as_dropped(account):
    outer = make_hidden(make_inner(), max_cases=5)
    assert values(outer) == [("a", 1), ("b", 1)]
    assert account() == {"submitted": 5, "finished": 1, "dropped": 4}
    with pytest.raises(PlanError, match=r"over 6 cases: max_cases is 5, and its options are 2 .* x 3"):
        run(outer)


def test_a_run_that_does_not_wait_leaves_them_to_the_next():
    outer = make_hidden(make_inner())
    with Spearmint.run(outer) as runner:
        results = runner()
    assert results.wait(10)
    assert [one.result for one in results] == [("a", 1), ("b", 1)]
    assert len(values(outer)) == 6


def test_raising_main_does_not_hide_variants_dynamic_calls():
    inner = make_inner()
    table = [inner]

    @experiment(configs=MODELS, strategy=ShadowStrategy)
    def outer(config):
        value = table[0]()
        if (config["model"], value) == ("a", 1):
            raise KeyError(value)
        return config["model"], value

    runner = Spearmint.run(outer, await_variants=True)
    with pytest.raises(KeyError):
        runner()
    assert [one.status for one in runner.results] == ["failed", *["success"] * 5]


def test_async_experiments_are_covered_in_either_runner():
    @experiment(configs=KS, strategy=ShadowStrategy)
    async def inner(config):
        await asyncio.sleep(0)
        return config["k"]

    def make():
        table = [inner]

        @experiment(configs=MODELS, strategy=ShadowStrategy)
        async def outer(config):
            return config["model"], await table[0]()

        return outer

    async def arun(function):
        async with Spearmint.arun(function, await_variants=True) as runner:
            return [one.result for one in await runner()]

    assert values(make()) == asyncio.run(arun(make())) == list(itertools.product("ab", (1, 2, 3)))
    assert asyncio.run(arun(make_hidden(make_inner()))) == list(itertools.product("ab", (1, 2, 3)))


def test_streams_are_covered_when_the_runner_ends():
    table = [make_inner()]

    @experiment(configs=MODELS, strategy=ShadowStrategy)
    def outer(config):
        yield config["model"]
        yield table[0]()

    with Spearmint.run(outer, await_variants=True) as runner:
        results = runner()
        assert list(results.main_result.result) == ["a", 1]
    assert [one.result for one in results.variant_results] == [[m, k] for m in "ab" for k in (1, 2, 3)][1:]


def test_async_streams_are_covered_when_the_runner_ends():
    table = [make_inner()]

    @experiment(configs=MODELS, strategy=ShadowStrategy)
    async def outer(config):
        yield config["model"]
        yield table[0]()

    async def ask():
        async with Spearmint.arun(outer, await_variants=True) as runner:
            results = await runner()
            assert [item async for item in results.main_result.result] == ["a", 1]
        return [one.result for one in results.variant_results]

    assert asyncio.run(ask()) == [[m, k] for m in "ab" for k in (1, 2, 3)][1:]


def test_later_cases_copy_the_arguments_of_the_call():
    table = [make_inner()]

    @experiment(configs=MODELS, strategy=ShadowStrategy, copy_args=True)
    def outer(items, config):
        items.append((config["model"], table[0]()))
        return items

    assert values(outer, [0]) == [[0, (m, k)] for m in "ab" for k in (1, 2, 3)]


def test_passed_value_leaves_what_dynamic_calls_add():
    table = [make_inner()]

    @experiment(configs=MODELS, strategy=ShadowStrategy)
    def outer(config):
        return config["model"], table[0]()

    assert values(outer, {"model": "mine"}) == [("mine", 1), ("mine", 2), ("mine", 3)]


def test_experiment_made_per_call_does_not_keep_a_run_going():
    @experiment(configs=MODELS, strategy=ShadowStrategy)
    def outer(config):
        @experiment(configs=KS, strategy=ShadowStrategy)
        def inner(config):
            return config["k"]

        return config["model"], inner()

    assert values(outer) == values(outer) == [("a", 1), ("b", 1)]


def test_a_run_ends_also_where_each_case_brings_a_new_experiment(account):
    kept = []

    @experiment(configs=MODELS[:1], combine="one_at_a_time", max_cases=None)
    def outer(config):
        kept.append(make_inner(KS[:2]))
        return kept[-1]()

    assert values(outer) == [1] * 21
    assert account() == {"submitted": 21, "finished": 20, "dropped": 1}


# Many cases


def make_many(sizes=(30, 30, 30), **settings):
    first, second = (make_inner([{"k": k} for k in range(size)]) for size in sizes[1:])

    @experiment(configs=[{"k": k} for k in range(sizes[0])], strategy=ShadowStrategy, **settings)
    def outer(config):
        return config["k"], first(), second()

    return outer


def live_cases():
    gc.collect()
    return sum(isinstance(one, spearmint.ExperimentCase) for one in gc.get_objects())


def test_direct_call_above_the_limit_returns_mains_value(account):
    outer = make_many()
    assert outer() == (0, 0, 0)
    assert account() == {"submitted": 26_999, "dropped": 26_999}


def test_large_plan_makes_and_runs_variants_in_the_background(account):
    outer = make_many((10, 10, 10), max_cases=None)
    assert outer() == (0, 0, 0)
    assert spearmint.flush(30)
    assert account() == {"submitted": 999, "finished": 999}


def test_variants_without_room_are_dropped_before_they_are_made(account):
    release = threading.Event()
    lock, seen = threading.Lock(), []

    @experiment(configs=[{"k": k} for k in range(1000)], strategy=ShadowStrategy, max_cases=None)
    def inner(config):
        return config["k"]

    @experiment(configs=[{"k": k} for k in range(27)], strategy=ShadowStrategy, max_cases=None)
    def outer(config):
        pair = config["k"], inner()
        if pair != (0, 0):
            assert release.wait(30)
        with lock:
            seen.append(pair)

    spearmint.configure(background={"queue_size": 50, "max_workers": 2})
    before = live_cases()
    outer()
    end = time.monotonic() + 30
    while "dropped" not in (counts := account()):
        assert time.monotonic() < end
    assert counts["submitted"] == 26_999
    assert counts["pending"] <= 53
    assert live_cases() - before < 70
    release.set()
    assert spearmint.flush(30)
    counts = account()
    assert counts["finished"] + counts["dropped"] == 26_999
    assert len(seen) == counts["finished"] + 1


@pytest.mark.parametrize("overflow", ["block", "run_in_caller"])
def test_full_queue_holds_up_the_batch_and_not_the_caller(account, overflow):
    spearmint.configure(background={"queue_size": 5, "max_workers": 1, "overflow": overflow})
    outer = make_many((10, 5, 5), max_cases=None)
    assert outer() == (0, 0, 0)
    assert spearmint.flush(30)
    assert account() == {"submitted": 249, "finished": 249}


def test_large_async_plan_makes_its_variants_in_a_task(account):
    inner = make_inner([{"k": k} for k in range(20)])

    @experiment(configs=[{"k": k} for k in range(20)], strategy=ShadowStrategy)
    async def outer(config):
        await asyncio.sleep(0)
        return config["k"], inner()

    async def ask(limits):
        spearmint.configure(background=limits)
        value = await outer()
        assert await spearmint.aflush(30)
        return value

    assert asyncio.run(ask({})) == (0, 0)
    assert account() == {"submitted": 399, "finished": 399}
    assert asyncio.run(ask({"queue_size": 20, "overflow": "block"})) == (0, 0)
    assert account() == {"submitted": 798, "finished": 798}
    asyncio.run(ask({"overflow": "drop"}))
    counts = account()
    assert counts["submitted"] == 3 * 399 == counts["finished"] + counts.get("dropped", 0)


def test_interrupted_main_cancels_a_large_plan_at_once(account):
    inner = make_inner([{"k": k} for k in range(30)])

    @experiment(configs=[{"k": k} for k in range(30)], strategy=ShadowStrategy)
    def outer(config):
        inner()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        outer()
    assert account() == {"submitted": 899, "cancelled": 899}


ABANDONED = """
import threading
from spearmint import configure, experiment
from spearmint.strategies import ShadowStrategy

configure(background={"exit_timeout": 0.2, "max_workers": 1, "queue_size": 10, "overflow": "block"})
options = [{"k": k} for k in range(30)]

@experiment(configs=options, strategy=ShadowStrategy)
def inner(config):
    return config["k"]

@experiment(configs=options, strategy=ShadowStrategy)
def outer(config):
    if (config["k"], inner()) != (0, 0):
        threading.Event().wait()

outer()
"""


@pytest.mark.slow
def test_variants_not_made_at_exit_are_counted_as_abandoned():
    done = subprocess.run([sys.executable, "-c", ABANDONED], capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr == "spearmint: 899 background executions were abandoned at exit after 0.2 s\n"


def test_a_plan_beyond_what_python_counts_is_no_matter(account):
    outer = make_hidden(*(make_inner([{"k": k} for k in range(30)]) for _ in range(14)))
    count = 2 * 30**14
    assert outer() == outer() == ("a", *[0] * 14)
    assert account()["dropped"] == count - 1
    with pytest.raises(PlanError, match=f"over {count} cases"):
        run(outer)
    plan = full_plan(experiment_of(outer)[0])
    assert plan.size == count
    assert str(plan).endswith(f"{count:,} cases")


def test_dropped_cases_warn_once_for_each_experiment(account, caplog):
    inners = [make_inner()]
    outer = make_hidden(inners[0], configs=MODELS, max_cases=2)
    for _ in range(3):
        outer()
    lost = [record.getMessage() for record in caplog.records if "Variants are lost" in record.getMessage()]
    assert len(lost) == 1
    assert account()["dropped"] == 2 * 5


def test_a_plan_of_many_cases_holds_few_of_them():
    outer = make_many(max_cases=None)
    before = live_cases()
    plan = full_plan(experiment_of(outer)[0])
    variants = plan.variants()
    first = list(itertools.islice(variants, 5))
    assert len(plan) == 27_000
    assert live_cases() - before <= 7
    assert len(first) == 5


@pytest.mark.parametrize("strategy", [SingleConfigStrategy, ShadowStrategy])
def test_calls_in_flight_get_the_arm_of_their_own_user(strategy):
    arms = {"ann": 0, "bob": 1}

    def by_user(configs, attributes):
        return configs[arms.get(attributes.get("user"), 2)], ()

    hidden = make_inner(KS, strategy=by_user)
    both_inside = threading.Barrier(2)

    @experiment(configs=MODELS, strategy=strategy)
    def outer(config, *, waits: bool):
        table = {"hidden": hidden}
        if not waits:
            return None
        if config["model"] == "a":
            both_inside.wait(10)
        first = table["hidden"]()
        case = experiment_case_var.get()
        return first, table["hidden"](), case.get_config(hidden)["k"], case.config["model"]

    def call(user):
        with RuntimeContext(attributes={"user": user}):
            return outer(waits=True)

    outer(waits=False)  # From here on, calls run in a case that is kept.
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(call, arms)) == [(1, 1, 1, "a"), (2, 2, 2, "a")]
