"""Async experiments where the caller has no loop."""

import asyncio
import inspect
import threading
from contextvars import ContextVar

import pytest

import spearmint
from spearmint import Config, Spearmint
from spearmint.errors import ExecutionError
from spearmint.execution.event_loop import background_loop
from spearmint.native import Waiter
from spearmint.strategies import MultiBranchStrategy, ShadowStrategy

pytestmark = pytest.mark.usefixtures("account")

CONFIGS = [{"n": 0}, {"n": 1}]
SECONDS = 10


def test_the_variants_of_a_run_outlive_the_call(account) -> None:
    gates = {}

    @Spearmint(configs=CONFIGS, strategy=ShadowStrategy).experiment
    async def gated(config: Config) -> int:
        if config["n"]:
            gate = gates["gate"] = asyncio.Event()
            gates["begun"].set()
            await gate.wait()
        return config["n"]

    gates["begun"] = threading.Event()
    with Spearmint.run(gated) as runner:
        results = runner()
    assert results.main_result.result == 0
    assert gates["begun"].wait(SECONDS)
    assert results.variant_results[0].status == "pending"
    assert not spearmint.flush(0)
    background_loop._loop.call_soon_threadsafe(gates["gate"].set)
    assert results.wait(SECONDS)
    assert results.variant_results[0].result == 1
    assert account() == {"submitted": 1, "finished": 1}


@pytest.mark.parametrize("strategy", [ShadowStrategy, MultiBranchStrategy])
def test_an_awaited_run_returns_when_its_variants_have_ended(strategy) -> None:
    @Spearmint(configs=CONFIGS, strategy=strategy).experiment
    async def quick(config: Config) -> int:
        await asyncio.sleep(0)
        return config["n"]

    with Spearmint.run(quick, await_variants=True) as runner:
        assert [one.result for one in runner()] == [0, 1]


def test_all_runs_share_one_daemon_thread() -> None:
    threads = set()

    @Spearmint(configs=CONFIGS, strategy=ShadowStrategy).experiment
    async def where(config: Config) -> None:
        threads.add(threading.current_thread())

    for _ in range(3):
        with Spearmint.run(where, await_variants=True) as runner:
            runner()
    (thread,) = threads
    assert thread.daemon
    assert thread.name == "spearmint-loop"
    assert thread is not threading.current_thread()


@pytest.mark.parametrize("error", [KeyError, SystemExit, KeyboardInterrupt])
def test_mains_exception_reaches_the_caller_and_the_loop_goes_on(error) -> None:
    original = error("orig")

    @spearmint.experiment(configs=CONFIGS[:1])
    async def fails(config: Config) -> None:
        raise original

    for _ in range(2):
        with Spearmint.run(fails) as runner, pytest.raises(error) as caught:
            runner()
        assert caught.value is original


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_what_a_variant_raises_does_not_end_the_loop(account, error) -> None:
    @Spearmint(configs=CONFIGS, strategy=ShadowStrategy).experiment
    async def fails(config: Config) -> int:
        if config["n"]:
            raise error
        return 3

    for _ in range(2):
        with Spearmint.run(fails, await_variants=True) as runner:
            main, variant = runner()
        assert main.result == 3
        assert type(variant.exception) is error
    assert account() == {"submitted": 2, "failed": 2}


def test_an_interrupted_wait_cancels_main_and_its_variants(account, monkeypatch) -> None:
    has_begun, has_ended = threading.Event(), threading.Event()

    @Spearmint(configs=CONFIGS, strategy=ShadowStrategy).experiment
    async def waits(config: Config) -> None:
        has_begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            has_ended.set()

    def interrupted(_: object) -> None:
        assert has_begun.wait(SECONDS)
        raise KeyboardInterrupt

    monkeypatch.setattr(Waiter, "wait", interrupted)
    runner = Spearmint.run(waits)
    with pytest.raises(KeyboardInterrupt):
        runner()
    monkeypatch.undo()
    assert has_ended.wait(SECONDS)

    @spearmint.experiment(configs=CONFIGS[:1])
    async def after(config: Config) -> int:
        return 4

    assert Spearmint.run(after)().main_result.result == 4
    assert [one.status for one in runner.results] == ["cancelled", "cancelled"]
    assert account() == {"submitted": 1, "cancelled": 1}


def test_a_run_sees_the_callers_context_variables() -> None:
    user = ContextVar("user", default="nobody")

    @Spearmint(configs=CONFIGS, strategy=MultiBranchStrategy).experiment
    async def reads(config: Config) -> str:
        return user.get()

    token = user.set("ann")
    try:
        with Spearmint.run(reads) as runner:
            assert [one.result for one in runner()] == ["ann", "ann"]
    finally:
        user.reset(token)


def test_a_run_of_an_async_function_is_refused_in_a_running_loop() -> None:
    @spearmint.experiment(configs=CONFIGS[:1])
    async def quick(config: Config) -> int:
        return 4

    async def main() -> None:
        with Spearmint.run(quick) as runner, pytest.raises(ExecutionError, match="is async, and waiting for it would"):
            runner()
        async with Spearmint.arun(quick) as again:
            assert (await again()).main_result.result == 4

    asyncio.run(main())


def test_many_threads_may_run_at_once(account) -> None:
    @Spearmint(configs=CONFIGS, strategy=MultiBranchStrategy).experiment
    async def quick(x: int, config: Config) -> tuple[int, int]:
        await asyncio.sleep(0)
        return x, config["n"]

    found = {}

    def call(x: int) -> None:
        with Spearmint.run(quick) as runner:
            found[x] = [one.result for one in runner(x)]

    threads = [threading.Thread(target=call, args=(x,)) for x in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert found == {x: [(x, 0), (x, 1)] for x in range(8)}
    assert account() == {"submitted": 8, "finished": 8}


@pytest.mark.parametrize("begins", [True, False])
def test_an_interrupt_as_the_coroutine_begins_ends_it_too(monkeypatch, begins) -> None:
    loop = background_loop._started()
    schedule = loop.call_soon_threadsafe
    interrupts = iter([KeyboardInterrupt])

    def interrupted(callback, *args):
        interrupt = next(interrupts, None)
        if begins or interrupt is None:
            schedule(callback, *args)
        if interrupt is not None:
            raise interrupt

    async def waits():
        await asyncio.Event().wait()

    monkeypatch.setattr(loop, "call_soon_threadsafe", interrupted)
    coroutine = waits()
    with pytest.raises(KeyboardInterrupt):
        background_loop.run(coroutine)

    async def turns():
        while inspect.getcoroutinestate(coroutine) != inspect.CORO_CLOSED:  # noqa: ASYNC110 - nothing else tells that it is
            await asyncio.sleep(0)

    asyncio.run_coroutine_threadsafe(turns(), loop).result(SECONDS)
