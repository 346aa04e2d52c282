"""Variants of functions that are not async: threads of the pool beside a main that is not held up."""

import copy
import logging
import threading
from contextvars import ContextVar

import pytest

import spearmint
from spearmint import Config, Spearmint
from spearmint.context import experiment_case_var
from spearmint.strategies import MultiBranchStrategy, ShadowStrategy

pytestmark = pytest.mark.usefixtures("account")

CONFIGS = [{"n": 0}, {"n": 1}]
SECONDS = 10


def test_main_answers_while_its_variant_still_runs() -> None:
    gate, ended = threading.Event(), threading.Event()

    @Spearmint(configs=CONFIGS, strategy=ShadowStrategy).experiment
    def slow(config: Config) -> int:
        if config["n"]:
            assert gate.wait(SECONDS)
            ended.set()
        return config["n"]

    assert slow() == 0
    assert not ended.is_set()
    gate.set()
    assert ended.wait(SECONDS)


def test_main_runs_on_the_callers_thread_variants_on_the_pools() -> None:
    seen = {}

    @Spearmint(configs=CONFIGS, strategy=ShadowStrategy).experiment
    def where(config: Config) -> None:
        seen[config["n"]] = threading.current_thread()

    where()
    assert spearmint.flush(SECONDS)
    assert seen[0] is threading.current_thread()
    assert seen[1].daemon
    assert seen[1].name.startswith("spearmint-worker-")


def test_variants_start_after_main_unless_told_otherwise() -> None:
    order = []

    @Spearmint(configs=CONFIGS, strategy=ShadowStrategy).experiment
    def after(config: Config) -> None:
        order.append(config["n"])
        if config["n"] == 0:
            assert spearmint.background_stats().submitted == 0

    after()
    assert spearmint.flush(SECONDS)
    assert order == [0, 1]


def test_variants_that_start_with_main_run_while_it_does() -> None:
    has_begun = threading.Event()

    @Spearmint(configs=CONFIGS, strategy=ShadowStrategy(start="with_main")).experiment
    def beside(config: Config) -> bool:
        if config["n"]:
            has_begun.set()
        return has_begun.wait(SECONDS)

    assert beside()


def test_multi_branch_runs_every_config_at_once() -> None:
    all_run = threading.Barrier(3)

    @Spearmint(configs=[*CONFIGS, {"n": 2}], strategy=MultiBranchStrategy).experiment
    def together(config: Config) -> int:
        all_run.wait(SECONDS)
        return config["n"]

    assert [one.result for one in together()] == [0, 1, 2]


def test_multi_branch_keeps_mains_failure_among_the_outcomes() -> None:
    @Spearmint(configs=CONFIGS, strategy=MultiBranchStrategy).experiment
    def inverse(config: Config) -> float:
        return 1 / config["n"]

    main, variant = inverse()
    assert main.status == "failed"
    assert isinstance(main.exception, ZeroDivisionError)
    assert variant.result == 1.0


def test_an_exception_of_main_starts_the_variants_all_the_same(account) -> None:
    original = KeyError("orig")

    @Spearmint(configs=CONFIGS, strategy=ShadowStrategy).experiment
    def fails(config: Config) -> None:
        if config["n"] == 0:
            raise original

    with pytest.raises(KeyError) as caught:
        fails()
    assert caught.value is original
    assert spearmint.flush(SECONDS)
    assert account() == {"submitted": 1, "finished": 1}


def test_at_most_two_frames_of_ours_stand_in_mains_traceback() -> None:
    @Spearmint(configs=CONFIGS, strategy=ShadowStrategy).experiment
    def fails(config: Config) -> None:
        raise KeyError

    with pytest.raises(KeyError) as caught:
        fails()
    names = [entry.name for entry in caught.traceback]
    assert names[0] == "test_at_most_two_frames_of_ours_stand_in_mains_traceback"
    assert names[-1] == "fails"
    assert len(names) <= 4


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit])
def test_variants_of_an_interrupted_main_are_cancelled(account, interruption) -> None:
    ran = []

    @Spearmint(configs=CONFIGS, strategy=ShadowStrategy).experiment
    def stops(config: Config) -> None:
        ran.append(config["n"])
        raise interruption

    runner = Spearmint.run(stops)
    with pytest.raises(interruption):
        runner()
    assert ran == [0]
    assert account() == {"submitted": 1, "cancelled": 1}
    assert [one.status for one in runner.results] == ["failed", "cancelled"]
    assert runner.results.wait(0)


@pytest.mark.parametrize("error", [ValueError, SystemExit, KeyboardInterrupt, RecursionError, GeneratorExit])
def test_nothing_that_a_variant_raises_reaches_the_caller(account, error, caplog) -> None:
    @Spearmint(configs=CONFIGS, strategy=ShadowStrategy).experiment
    def fails(config: Config) -> int:
        if config["n"]:
            raise error
        return 5

    assert fails() == 5
    assert spearmint.flush(SECONDS)
    assert account() == {"submitted": 1, "cancelled" if error is GeneratorExit else "failed": 1}


def test_endless_recursion_in_a_variant_is_contained(account) -> None:
    def endless() -> None:
        endless()

    @Spearmint(configs=CONFIGS, strategy=ShadowStrategy).experiment
    def recursive(config: Config) -> int:
        if config["n"]:
            endless()
        return 5

    assert recursive() == 5
    assert spearmint.flush(SECONDS)
    assert account() == {"submitted": 1, "failed": 1}


def test_a_failing_variant_is_logged_once_with_its_exception(caplog) -> None:
    error = ValueError("bad")

    @Spearmint(configs=CONFIGS, strategy=ShadowStrategy).experiment
    def fails(config: Config) -> None:
        if config["n"]:
            raise error

    with caplog.at_level(logging.ERROR, logger="spearmint"):
        fails()
        assert spearmint.flush(SECONDS)
    (record,) = caplog.records
    assert record.message.endswith("fails ended with ValueError")
    assert record.exc_info[1] is error


def test_callback_gets_each_failure_once_before_the_wait_ends() -> None:
    told = []

    @Spearmint(configs=[{"n": n} for n in range(5)], strategy=ShadowStrategy, on_variant_error=told.append).experiment
    def fails(config: Config) -> None:
        if config["n"]:
            raise ValueError(config["n"])

    with Spearmint.run(fails) as runner:
        results = runner()
    assert results.wait(SECONDS)
    assert sorted(error.args[0] for error in told) == [1, 2, 3, 4]
    assert {id(error) for error in told} == {id(one.exception) for one in results.variant_results}


@pytest.mark.parametrize("error", [RuntimeError, SystemExit])
def test_a_callback_that_raises_is_logged_no_more(account, error, caplog) -> None:
    def callback(_: BaseException) -> None:
        raise error

    @Spearmint(configs=CONFIGS, strategy=ShadowStrategy, on_variant_error=callback).experiment
    def fails(config: Config) -> int:
        return 1 // (1 - config["n"])

    with caplog.at_level(logging.ERROR, logger="spearmint"):
        assert fails() == 1
        assert spearmint.flush(SECONDS)
    assert [record.message.split()[0] for record in caplog.records] == ["A", "on_variant_error"]
    assert account() == {"submitted": 1, "failed": 1}


def test_a_handler_of_logging_that_raises_loses_no_variant(account) -> None:
    class Broken(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise SystemExit

    @Spearmint(configs=CONFIGS, strategy=ShadowStrategy).experiment
    def fails(config: Config) -> int:
        return 1 // (1 - config["n"])

    handler = Broken()
    logging.getLogger("spearmint").addHandler(handler)
    try:
        assert fails() == 1
        assert spearmint.flush(SECONDS)
    finally:
        logging.getLogger("spearmint").removeHandler(handler)
    assert account() == {"submitted": 1, "failed": 1}


def test_arguments_are_shared_unless_copies_are_asked_for() -> None:
    seen = []

    def function(items: list[int], config: Config) -> None:
        if config["n"] == 0:
            items.append(99)
        else:
            seen.append((items, list(items)))

    given = [1]
    Spearmint(configs=CONFIGS, strategy=ShadowStrategy).experiment(function)(given)
    assert spearmint.flush(SECONDS)
    (shared, _) = seen.pop()
    assert shared is given

    given = [1]
    Spearmint(configs=CONFIGS, strategy=ShadowStrategy, copy_args=True).experiment(function)(given)
    assert spearmint.flush(SECONDS)
    assert given == [1, 99]
    assert [items for _, items in seen] == [[1]]


def test_a_copy_of_the_arguments_is_each_variants_own() -> None:
    seen = []
    both = threading.Barrier(2)

    @Spearmint(configs=[*CONFIGS, {"n": 2}], strategy=ShadowStrategy, copy_args=True).experiment
    def changes(items: list[int], config: Config) -> None:
        if config["n"]:
            items.append(config["n"])
            both.wait(SECONDS)
            seen.append(items)

    changes([0])
    assert spearmint.flush(SECONDS)
    assert sorted(seen) == [[0, 1], [0, 2]]


class Uncopyable:
    def __init__(self, error: type[BaseException], copies: int) -> None:
        self.error, self.copies = error, copies

    def __deepcopy__(self, memo: object) -> "Uncopyable":
        if not self.copies:
            raise self.error("no copies")
        return Uncopyable(self.error, self.copies - 1)


@pytest.mark.parametrize(("error", "copies"), [(TypeError, 0), (TypeError, 1), (SystemExit, 1)])
def test_arguments_that_cannot_be_copied_fail_only_the_variants(account, error, copies) -> None:
    @Spearmint(configs=CONFIGS, strategy=ShadowStrategy, copy_args=True).experiment
    def takes(thing: Uncopyable, config: Config) -> int:
        return config["n"]

    with Spearmint.run(takes, await_variants=True) as runner:
        main, variant = runner(Uncopyable(error, copies))
    assert main.result == 0
    assert variant.status == "failed"
    assert isinstance(variant.exception, error)
    assert account() == {"submitted": 1, "failed": 1}


def test_variants_see_a_copy_of_the_callers_context_variables() -> None:
    user = ContextVar("user", default="nobody")
    seen = []

    @Spearmint(configs=[*CONFIGS, {"n": 2}], strategy=ShadowStrategy).experiment
    def reads(config: Config) -> None:
        seen.append(user.get())
        user.set(f"variant {config['n']}")

    token = user.set("ann")
    try:
        copy_of_context = copy.copy(user.get())
        reads()
        assert spearmint.flush(SECONDS)
        assert seen[0] == copy_of_context == "ann"
        assert seen[1:] == ["variant 0", "variant 0"]  # Main runs in the caller's own context.
        assert user.get() == "variant 0"
    finally:
        user.reset(token)
    assert experiment_case_var.get() is None


def test_threads_are_bounded_over_ten_thousand_calls(account) -> None:
    spearmint.configure(background={"max_workers": 3})
    most = 0

    @Spearmint(configs=CONFIGS, strategy=ShadowStrategy).experiment
    def quick(config: Config) -> None:
        pass

    before = threading.active_count()
    for _ in range(10_000):
        quick()
        most = max(most, threading.active_count())
    assert most - before <= 3
    assert spearmint.flush(SECONDS)
    counts = account()
    assert counts["submitted"] == 10_000 == counts["finished"] + counts.get("dropped", 0)


def test_run_returns_at_once_or_waits_as_told() -> None:
    gate = threading.Event()

    @Spearmint(configs=CONFIGS, strategy=ShadowStrategy).experiment
    def gated(config: Config) -> int:
        assert config["n"] == 0 or gate.wait(SECONDS)
        return config["n"]

    with Spearmint.run(gated) as runner:
        assert runner().variant_results[0].status == "pending"
    gate.set()
    with Spearmint.run(gated, await_variants=True) as runner:
        assert [one.result for one in runner()] == [0, 1]


def test_a_method_runs_with_its_instance() -> None:
    class Shop:
        @Spearmint(configs=CONFIGS, strategy=ShadowStrategy).experiment
        def price(self, base: int, config: Config) -> tuple["Shop", int]:
            return self, base + config["n"]

    shop = Shop()
    with Spearmint.run(shop.price, await_variants=True) as runner:
        assert [one.result for one in runner(10)] == [(shop, 10), (shop, 11)]


def test_sync_function_in_a_running_loop_does_not_hold_it_up() -> None:
    import asyncio

    gate = threading.Event()

    @Spearmint(configs=CONFIGS, strategy=ShadowStrategy).experiment
    def gated(config: Config) -> int:
        assert config["n"] == 0 or gate.wait(SECONDS)
        return config["n"]

    async def main() -> None:
        assert gated() == 0
        asyncio.get_running_loop().call_soon(gate.set)
        async with Spearmint.arun(gated, await_variants=True) as runner:
            assert [one.result for one in await runner()] == [0, 1]

    asyncio.run(main())
