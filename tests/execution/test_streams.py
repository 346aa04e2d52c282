"""Generators and async generators: main's is handed on, a variant's is drained in the background."""

import asyncio
import gc
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Generator
from typing import Any

import pytest

import spearmint
from spearmint import Config, Spearmint
from spearmint.context import experiment_case_var
from spearmint.errors import ExecutionError
from spearmint.execution import streams
from spearmint.strategies import MultiBranchStrategy, ShadowStrategy

pytestmark = pytest.mark.usefixtures("account")

CONFIGS = [{"n": 0}, {"n": 1}]
SECONDS = 10


def delegate(generator: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
    """What the proxied stream is to be like."""
    return (yield from generator)


def single(function: Callable[..., Any]) -> Any:
    return spearmint.experiment(function, configs=CONFIGS[:1])


def shadowed(function: Callable[..., Any]) -> Any:
    return Spearmint(configs=CONFIGS, strategy=ShadowStrategy).experiment(function)


def conversation(log: list[Any]) -> Generator[Any, Any, str]:
    """Answer what is sent and what is thrown."""
    said: Any = "hello"
    try:
        while said != "bye":
            try:
                said = yield ("got", said)
            except KeyError as error:
                said = ("caught", error.args[0])
    except GeneratorExit:
        log.append("closed")
        raise
    finally:
        log.append("finally")
    return "done"


@pytest.mark.parametrize("choose", [delegate, single, shadowed], ids=["yield from", "single", "shadowed"])
def test_a_stream_is_spoken_to_as_pep_380_says(choose) -> None:
    log: list[Any] = []
    if choose is delegate:
        stream = delegate(conversation(log))
    else:

        def function(log: list[Any], config: Config) -> Generator[Any, Any, str]:
            return (yield from conversation(log if config["n"] == 0 else []))

        stream = choose(function)(log)
    assert next(stream) == ("got", "hello")
    assert stream.send(1) == ("got", 1)
    assert stream.throw(KeyError("x")) == ("got", ("caught", "x"))
    assert next(stream) == ("got", None)
    with pytest.raises(StopIteration) as stopped:
        stream.send("bye")
    assert stopped.value.value == "done"
    assert log == ["finally"]
    assert list(stream) == []


@pytest.mark.parametrize("choose", [single, shadowed])
def test_what_is_thrown_in_and_not_caught_comes_out_as_it_is(choose) -> None:
    @choose
    def stream(config: Config) -> Generator[int, None, None]:
        yield 1

    running = stream()
    next(running)
    error = ValueError("mine")
    with pytest.raises(ValueError, match="mine") as caught:
        running.throw(error)
    assert caught.value is error


@pytest.mark.parametrize("choose", [single, shadowed])
def test_a_closed_stream_runs_its_finally(choose) -> None:
    log: list[Any] = []

    @choose
    def stream(config: Config) -> Generator[Any, Any, str]:
        return (yield from conversation(log if config["n"] == 0 else []))

    running = stream()
    next(running)
    running.close()
    assert log == ["closed", "finally"]


def test_stream_that_yields_while_closed_is_an_error() -> None:
    @shadowed
    def stubborn(config: Config) -> Generator[int, None, None]:
        try:
            yield 1
        except GeneratorExit:
            yield 2

    running = stubborn()
    next(running)
    with pytest.raises(RuntimeError, match="generator ignored GeneratorExit"):
        running.close()


@pytest.mark.parametrize("choose", [single, shadowed])
def test_dropped_stream_is_closed_at_once_without_the_collector(choose) -> None:
    log: list[Any] = []

    @choose
    def stream(config: Config) -> Generator[Any, Any, str]:
        return (yield from conversation(log if config["n"] == 0 else []))

    running = stream()
    next(running)
    gc.disable()
    try:
        del running
        assert log == ["closed", "finally"]
    finally:
        gc.enable()


def test_a_failed_stream_leaves_no_cycle_behind() -> None:
    class Marker(Exception):
        pass

    @shadowed
    def stream(config: Config) -> Generator[int, None, None]:
        yield 1
        if config["n"] == 0:
            raise Marker

    def consume() -> weakref.ref[Marker]:
        try:
            list(stream())
        except Marker as error:
            return weakref.ref(error)
        raise AssertionError

    gc.disable()
    try:
        gone = consume()
        assert spearmint.flush(SECONDS)
        assert gone() is None
    finally:
        gc.enable()


def test_stream_body_sees_its_case_and_the_consumer_never() -> None:
    seen = []

    @shadowed
    def stream(config: Config) -> Generator[int, Any, None]:
        try:
            while True:
                case = experiment_case_var.get()
                seen.append(case is not None and case.config == config)
                yield config["n"]
        finally:
            seen.append(experiment_case_var.get() is not None)

    running = stream()
    for _ in range(3):
        assert next(running) == 0
        assert experiment_case_var.get() is None
    assert running.send(None) == 0
    assert experiment_case_var.get() is None
    spearmint.configure(background={"stream_items": 2})
    running.close()
    assert experiment_case_var.get() is None
    assert seen == [True] * 5


def test_two_streams_may_be_read_in_turns() -> None:
    @spearmint.experiment(configs=CONFIGS[:1])
    def inner(config: Config) -> Generator[int, None, None]:
        for n in range(3):
            assert experiment_case_var.get().config == {"n": 0}
            yield n

    assert list(zip(inner(), inner(), strict=True)) == [(0, 0), (1, 1), (2, 2)]


def test_variants_are_drained_from_the_moment_the_stream_ends(account) -> None:
    drained = threading.Event()

    @shadowed
    def stream(config: Config) -> Generator[int, None, None]:
        yield from range(3)
        if config["n"]:
            drained.set()

    running = stream()
    assert [next(running) for _ in range(3)] == [0, 1, 2]
    assert account() == {}
    assert list(running) == []
    assert drained.wait(SECONDS)
    assert spearmint.flush(SECONDS)
    assert account() == {"submitted": 1, "finished": 1}


@pytest.mark.parametrize("end", ["close", "drop"])
def test_a_stream_that_is_closed_early_starts_its_variants(account, end) -> None:
    @shadowed
    def stream(config: Config) -> Generator[int, None, None]:
        yield from range(3)

    running = stream()
    next(running)
    if end == "close":
        running.close()
    del running
    assert spearmint.flush(SECONDS)
    assert account() == {"submitted": 1, "finished": 1}


def test_stream_in_a_cycle_starts_its_variants_when_collected(account) -> None:
    @shadowed
    def stream(config: Config) -> Generator[int, None, None]:
        yield from range(3)

    cycle: list[Any] = [stream()]
    next(cycle[0])
    cycle.append(cycle)
    del cycle
    gc.collect()
    assert spearmint.flush(SECONDS)
    assert account() == {"submitted": 1, "finished": 1}


def test_stream_that_is_not_iterated_runs_nothing(account) -> None:
    ran = []

    @shadowed
    def stream(config: Config) -> Generator[int, None, None]:
        ran.append(config["n"])
        yield 1

    stream().close()
    del ran[:]
    running = stream()
    del running
    gc.collect()
    with Spearmint.run(stream, await_variants=True) as runner:
        results = runner()
    assert results.main_result.status == "pending"
    del results, runner
    gc.collect()
    assert ran == []
    assert account() == {}


def test_a_stream_that_fails_starts_its_variants(account) -> None:
    original = ValueError("mine")

    @shadowed
    def stream(config: Config) -> Generator[int, None, None]:
        yield 1
        if config["n"] == 0:
            raise original

    with pytest.raises(ValueError, match="mine") as caught:
        list(stream())
    assert caught.value is original
    assert spearmint.flush(SECONDS)
    assert account() == {"submitted": 1, "finished": 1}


def test_an_interrupted_stream_cancels_its_variants(account) -> None:
    @shadowed
    def stream(config: Config) -> Generator[int, None, None]:
        yield 1
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(stream())
    assert account() == {"submitted": 1, "cancelled": 1}


def test_variants_that_start_with_main_start_with_its_first_step(account) -> None:
    @Spearmint(configs=CONFIGS, strategy=ShadowStrategy(start="with_main")).experiment
    def stream(config: Config) -> Generator[int, None, None]:
        yield config["n"]

    running = stream()
    assert account() == {}
    next(running)
    assert spearmint.flush(SECONDS)
    assert account() == {"submitted": 1, "finished": 1}


def test_a_run_gives_the_stream_and_its_variants_items() -> None:
    @shadowed
    def stream(config: Config) -> Generator[str, None, None]:
        yield from (f"{config['n']}{letter}" for letter in "ab")

    with Spearmint.run(stream, await_variants=True) as runner:
        results = runner()
        assert results.is_streaming
        assert not results.wait(0)
        assert list(results.main_result.result) == ["0a", "0b"]
    main, variant = results
    assert main.status == "success"
    assert variant.result == ["1a", "1b"]


def test_multi_branch_drains_every_stream() -> None:
    @Spearmint(configs=CONFIGS, strategy=MultiBranchStrategy).experiment
    def stream(config: Config) -> Generator[int, None, None]:
        yield from range(config["n"] + 1)

    assert [one.result for one in stream()] == [[0], [0, 1]]


def test_a_variants_stream_is_cut_after_so_many_items(account) -> None:
    spearmint.configure(background={"stream_items": 3})
    closed = threading.Event()

    @shadowed
    def stream(items: int, config: Config) -> Generator[int, None, None]:
        try:
            yield from range(items if config["n"] else 1)
        finally:
            if config["n"]:
                closed.set()

    with Spearmint.run(stream) as runner:
        results = runner(4)
        list(results.main_result.result)
    assert results.wait(SECONDS)
    (variant,) = results.variant_results
    assert closed.is_set()
    assert variant.status == "cancelled"
    assert variant.result == [0, 1, 2]
    assert isinstance(variant.exception, ExecutionError)
    assert str(variant.exception).startswith("Cannot drain more than 3 items of a variant's stream;")
    list(stream(3))
    assert spearmint.flush(SECONDS)
    assert account() == {"submitted": 2, "cancelled": 1, "finished": 1}


def test_a_variants_stream_is_cut_after_so_many_seconds(account) -> None:
    spearmint.configure(background={"stream_seconds": 0.02, "stream_items": 10**9})

    @shadowed
    def stream(config: Config) -> Generator[int, None, None]:
        yield 0
        while config["n"]:
            yield 1

    list(stream())
    assert spearmint.flush(SECONDS)
    assert account() == {"submitted": 1, "timed_out": 1}


def test_a_variants_stream_that_hangs_between_items_times_out(account) -> None:
    spearmint.configure(background={"stream_seconds": 0.02})
    gate = threading.Event()

    @shadowed
    def stream(config: Config) -> Generator[int, None, None]:
        yield 0
        assert config["n"] == 0 or gate.wait(SECONDS)

    with Spearmint.run(stream) as runner:
        results = runner()
        list(results.main_result.result)
    assert results.wait(SECONDS)
    assert results.variant_results[0].status == "timed_out"
    gate.set()
    assert account() == {"submitted": 1, "timed_out": 1}


def test_main_result_is_the_stream_and_then_its_items() -> None:
    @shadowed
    def stream(config: Config) -> Generator[int, None, str]:
        yield from range(2)
        return "done"

    with Spearmint.run(stream, await_variants=True) as runner:
        results = runner()
        opened = results.main_result.result
        assert isinstance(opened, Generator)
        assert list(opened) == [0, 1]
    assert [one.result for one in results] == [[0, 1], [0, 1]]


def test_stream_closed_early_is_cancelled_with_the_items_given() -> None:
    @shadowed
    def stream(config: Config) -> Generator[int, None, None]:
        yield from range(9)

    with Spearmint.run(stream) as runner:
        results = runner()
        opened = results.main_result.result
        next(opened)
        next(opened)
        opened.close()
    main = results.main_result
    assert (main.status, main.result, main.exception) == ("cancelled", [0, 1], None)
    assert results.wait(SECONDS)


def test_failed_stream_keeps_the_items_given() -> None:
    @single
    def stream(config: Config) -> Generator[int, None, None]:
        yield 0
        message = "mine"
        raise ValueError(message)

    results = Spearmint.run(stream)()
    with pytest.raises(ValueError, match="mine"):
        list(results.main_result.result)
    assert (results.main_result.status, results.main_result.result) == ("failed", [0])


class Item:
    """Something that can be referenced weakly."""


@pytest.mark.parametrize("choose", [delegate, single, shadowed], ids=["yield from", "single", "shadowed"])
def test_item_lives_no_longer_than_without_spearmint(choose) -> None:
    received: list[weakref.ref[Item]] = []

    def function(config: Config) -> Generator[Item, Any, None]:
        while (given := (yield Item())) is not None:
            received.append(weakref.ref(given))
            del given

    stream = delegate(function(Config())) if choose is delegate else choose(function)()
    gc.disable()
    try:
        item = weakref.ref(next(stream))
        assert item() is None
        item = weakref.ref(stream.send(Item()))
        assert item() is None
        assert received[0]() is None
    finally:
        gc.enable()
    stream.close()
    assert spearmint.flush(SECONDS)


@pytest.mark.parametrize("choose", [single, shadowed])
def test_async_item_lives_no_longer_than_without_spearmint(choose) -> None:
    @choose
    async def stream(config: Config) -> Any:
        for _ in range(2):
            yield Item()

    async def main() -> None:
        opened = stream()
        gc.disable()
        try:
            item = weakref.ref(await anext(opened))
            assert item() is None
        finally:
            gc.enable()
        await opened.aclose()
        assert await spearmint.aflush(SECONDS)

    asyncio.run(main())


# The same for async generators.


async def collected(stream: AsyncIterator[Any]) -> list[Any]:
    return [item async for item in stream]


def test_an_async_stream_is_spoken_to_as_any_other() -> None:
    log: list[Any] = []

    @shadowed
    async def stream(config: Config) -> Any:
        said: Any = "hello"
        try:
            while said != "bye":
                try:
                    said = yield ("got", said)
                except KeyError as error:
                    said = ("caught", error.args[0])
                if config["n"]:
                    return
        finally:
            log.append(("finally", config["n"], experiment_case_var.get() is not None))

    async def main() -> None:
        running = stream()
        assert await anext(running) == ("got", "hello")
        assert await running.asend(1) == ("got", 1)
        assert await running.athrow(KeyError("x")) == ("got", ("caught", "x"))
        assert experiment_case_var.get() is None
        with pytest.raises(StopAsyncIteration):
            await running.asend("bye")
        assert await spearmint.aflush(SECONDS)

    asyncio.run(main())
    assert log == [("finally", 0, True), ("finally", 1, True)]


def test_the_body_of_an_async_stream_sees_its_case_at_every_step() -> None:
    seen = []

    @shadowed
    async def stream(config: Config) -> Any:
        for n in range(3):
            await asyncio.sleep(0)
            seen.append(experiment_case_var.get().config == config)
            yield n

    async def main() -> None:
        async for _ in stream():
            assert experiment_case_var.get() is None
        assert await spearmint.aflush(SECONDS)

    asyncio.run(main())
    assert seen == [True] * 6


@pytest.mark.parametrize("end", ["exhaust", "close", "drop"])
def test_an_async_stream_starts_its_variants_when_it_ends(account, end) -> None:
    @shadowed
    async def stream(config: Config) -> Any:
        for n in range(3):
            yield n

    async def main() -> None:
        running = stream()
        await anext(running)
        assert account() == {}
        if end == "exhaust":
            assert await collected(running) == [1, 2]
        elif end == "close":
            await running.aclose()
        del running
        for _ in range(5):
            await asyncio.sleep(0)
        assert await spearmint.aflush(SECONDS)

    asyncio.run(main())
    assert account() == {"submitted": 1, "finished": 1}


def test_async_stream_that_is_not_iterated_starts_nothing(account) -> None:
    @shadowed
    async def stream(config: Config) -> Any:
        yield 1

    async def main() -> None:
        running = stream()
        await running.aclose()
        stream()
        async with Spearmint.arun(stream, await_variants=True) as runner:
            await runner()

    asyncio.run(main())
    assert account() == {}


def test_async_stream_closed_by_the_loop_counts_lost_variants(account, caplog) -> None:
    @shadowed
    async def stream(config: Config) -> Any:
        yield 1
        await asyncio.Event().wait()

    kept = []

    async def main() -> None:
        kept.append(stream())
        await anext(kept[0])

    asyncio.run(main())
    assert spearmint.flush(SECONDS)
    gc.collect()
    assert account() == {"submitted": 1, "cancelled": 1}
    assert [record.name for record in caplog.records] == ["spearmint"]


def test_a_run_gives_the_async_stream_and_its_variants_items() -> None:
    @shadowed
    async def stream(config: Config) -> Any:
        for letter in "ab":
            yield f"{config['n']}{letter}"

    async def main() -> None:
        async with Spearmint.arun(stream, await_variants=True) as runner:
            results = await runner()
            assert not await results.await_variants(0)
            assert await collected(results.main_result.result) == ["0a", "0b"]
        assert results.variant_results[0].result == ["1a", "1b"]

    asyncio.run(main())


def test_multi_branch_drains_every_async_stream() -> None:
    @Spearmint(configs=CONFIGS, strategy=MultiBranchStrategy).experiment
    async def stream(config: Config) -> Any:
        for n in range(config["n"] + 1):
            yield n

    async def main() -> None:
        assert [one.result for one in await stream()] == [[0], [0, 1]]

    asyncio.run(main())


def test_an_async_variants_stream_is_cut_at_its_limits(account) -> None:
    spearmint.configure(background={"stream_items": 3, "stream_seconds": 0.05})
    closed = []

    @shadowed
    async def stream(hangs: bool, config: Config) -> Any:
        try:
            for n in range(9 if config["n"] else 1):
                yield n
                if hangs and config["n"]:
                    await asyncio.Event().wait()
        finally:
            closed.append(config["n"])

    async def main() -> None:
        for hangs, status in ((False, "cancelled"), (True, "timed_out")):
            async with Spearmint.arun(stream, await_variants=True) as runner:
                results = await runner(hangs)
                await collected(results.main_result.result)
            assert results.variant_results[0].status == status
        await asyncio.sleep(0)

    asyncio.run(main())
    assert closed == [0, 1, 0, 1]
    assert account() == {"submitted": 2, "cancelled": 1, "timed_out": 1}


def test_a_run_of_an_async_stream_needs_a_loop() -> None:
    @shadowed
    async def stream(config: Config) -> Any:
        yield 1

    with (
        Spearmint.run(stream) as runner,
        pytest.raises(ExecutionError, match="the event loop of the code that iterates it"),
    ):
        runner()


@pytest.mark.parametrize("is_async", [False, True])
def test_stream_interrupted_at_its_end_settles_variants(account, monkeypatch, is_async) -> None:
    ends = []

    def interrupted(*_: Any) -> None:
        ends.append(1)
        if len(ends) == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(streams, "end_with", interrupted)

    @shadowed
    def numbers(config: Config) -> Generator[int, None, None]:
        yield config["n"]

    @shadowed
    async def anumbers(config: Config) -> AsyncIterator[int]:
        yield config["n"]

    async def read() -> list[int]:
        try:
            return [one async for one in anumbers()]
        finally:
            assert await spearmint.aflush(SECONDS)

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(read()) if is_async else list(numbers())
    assert spearmint.flush(SECONDS)
    assert account() == {"submitted": 1, "finished": 1}
