"""What main raises reaches the caller as it is, with little of ours around it and nothing of ours behind it."""

import asyncio
import gc
import threading
import time
import traceback
import weakref
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import spearmint
from spearmint import Spearmint
from spearmint.proxy.codegen import FILENAME
from spearmint.strategies import MultiBranchStrategy, RoundRobinStrategy, ShadowStrategy, SingleConfigStrategy

PACKAGE = str(Path(spearmint.__file__).parent)
SECONDS = 10


def custom(configs):
    return configs[0], configs[1:]


STRATEGIES = {
    "single": SingleConfigStrategy,
    "shadow": ShadowStrategy,
    "with_main": ShadowStrategy(start="with_main"),
    "round_robin": RoundRobinStrategy,
    "custom": custom,
}


class Boom(Exception):
    """What main raises; unlike a builtin exception, one can refer to it weakly."""


class Argument:
    """What main is given."""


class Sample:
    """The same failing function in every shape, under one strategy."""

    def __init__(self, strategy: Any) -> None:
        self.raised: list[BaseException] = []
        mint = Spearmint(strategy=strategy, configs=[{"limit": 1}, {"limit": 2}])

        def fail(config):
            if config.limit == 1:
                raise self.raised[0]

        @mint.experiment
        def function(argument, config):
            fail(config)

        @mint.experiment
        async def coroutine(argument, config):
            fail(config)

        @mint.experiment
        def stream(argument, config):
            yield 1
            fail(config)

        @mint.experiment
        async def astream(argument, config):
            yield 1
            fail(config)

        class Holder:
            @mint.experiment
            def method(self, argument, config):
                fail(config)

        self.function, self.coroutine, self.stream, self.astream = function, coroutine, stream, astream
        self.method = Holder().method


def call_function(sample: Sample, argument: Any) -> None:
    sample.function(argument)


def call_method(sample: Sample, argument: Any) -> None:
    sample.method(argument)


def call_stream(sample: Sample, argument: Any) -> None:
    for _ in sample.stream(argument):
        pass


def run_function(sample: Sample, argument: Any) -> None:
    Spearmint.run(sample.function, await_variants=True)(argument)


def run_method(sample: Sample, argument: Any) -> None:
    Spearmint.run(sample.method)(argument)


def run_coroutine(sample: Sample, argument: Any) -> None:
    Spearmint.run(sample.coroutine, await_variants=True)(argument)


def run_stream(sample: Sample, argument: Any) -> None:
    for _ in Spearmint.run(sample.stream)(argument).main_result.result:
        pass


async def call_coroutine(sample: Sample, argument: Any) -> None:
    await sample.coroutine(argument)


async def call_astream(sample: Sample, argument: Any) -> None:
    async for _ in sample.astream(argument):
        pass


async def arun_function(sample: Sample, argument: Any) -> None:
    await Spearmint.arun(sample.function, await_variants=True)(argument)


async def arun_coroutine(sample: Sample, argument: Any) -> None:
    await Spearmint.arun(sample.coroutine, await_variants=True)(argument)


async def arun_astream(sample: Sample, argument: Any) -> None:
    stream = (await Spearmint.arun(sample.astream)(argument)).main_result.result
    async for _ in stream:
        pass


SYNC: list[Callable[[Sample, Any], None]] = [
    call_function,
    call_method,
    call_stream,
    run_function,
    run_method,
    run_coroutine,
    run_stream,
]
ASYNC: list[Callable[[Sample, Any], Awaitable[None]]] = [
    call_coroutine,
    call_astream,
    arun_function,
    arun_coroutine,
    arun_astream,
]

every_strategy = pytest.mark.parametrize("strategy", STRATEGIES.values(), ids=STRATEGIES)
every_way = pytest.mark.parametrize("way", [*SYNC, *ASYNC], ids=lambda way: way.__name__)


def caught_from(way: Callable[[Sample, Any], Any], sample: Sample) -> BaseException:
    """What a call raises; `raises` of pytest is for exceptions alone."""

    async def catch() -> BaseException:
        try:
            await way(sample, "argument")
        except BaseException as error:
            return error
        raise AssertionError

    if way in ASYNC:
        return asyncio.run(catch())
    try:
        way(sample, "argument")
    except BaseException as error:
        return error
    raise AssertionError


def frames_of_ours(error: BaseException) -> list[str]:
    files = [frame.f_code.co_filename for frame, _ in traceback.walk_tb(error.__traceback__)]
    return [file for file in files if file == FILENAME or file.startswith(PACKAGE)]


@every_strategy
@every_way
def test_main_raises_the_same_object_with_its_context_and_cause(way, strategy) -> None:
    sample = Sample(strategy)
    context, cause = ValueError("context"), ValueError("cause")
    error = Boom("main")
    error.__context__, error.__cause__ = context, cause
    sample.raised.append(error)
    caught = caught_from(way, sample)
    assert caught is error
    assert caught.args == ("main",)
    assert caught.__context__ is context
    assert caught.__cause__ is cause
    assert not hasattr(caught, "__notes__")


@every_strategy
@every_way
def test_an_exception_without_a_context_gets_none(way, strategy) -> None:
    sample = Sample(strategy)
    sample.raised.append(Boom())
    caught = caught_from(way, sample)
    assert caught.__context__ is None
    assert caught.__cause__ is None
    assert not caught.__suppress_context__


@every_strategy
@every_way
def test_at_most_two_frames_of_the_traceback_are_ours(way, strategy) -> None:
    sample = Sample(strategy)
    sample.raised.append(Boom())
    caught = caught_from(way, sample)
    names = [frame.f_code.co_name for frame, _ in traceback.walk_tb(caught.__traceback__)]
    assert names[-1] == "fail"
    assert names[-2] in {"function", "coroutine", "stream", "astream", "method"}
    assert len(frames_of_ours(caught)) <= 2


@pytest.mark.parametrize("strategy", [SingleConfigStrategy, RoundRobinStrategy, ShadowStrategy])
def test_wrong_arguments_leave_no_frame_of_ours(strategy) -> None:
    with pytest.raises(
        TypeError, match=r"function\(\) takes from 1 to 2 positional arguments but 3 were given$"
    ) as caught:
        Sample(strategy).function(1, 2, 3)
    assert frames_of_ours(caught.value) == []


# In a task, asyncio itself ends the loop with it.
@every_strategy
@pytest.mark.parametrize("way", SYNC, ids=lambda way: way.__name__)
@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_an_interruption_of_main_passes_unchanged(interruption, way, strategy) -> None:
    sample = Sample(strategy)
    sample.raised.append(interruption("stop"))
    caught = caught_from(way, sample)
    assert caught is sample.raised[0]
    assert type(caught) is interruption


@every_strategy
@pytest.mark.parametrize("way", ASYNC, ids=lambda way: way.__name__)
def test_a_cancelled_main_stays_cancelled(way, strategy) -> None:
    sample = Sample(strategy)
    sample.raised.append(asyncio.CancelledError("stop"))
    caught = caught_from(way, sample)
    assert caught is sample.raised[0]


@every_strategy
def test_cancelling_the_task_of_main_cancels_what_it_awaits(strategy) -> None:
    states = []

    @Spearmint(strategy=strategy, configs=[{"limit": 1}, {"limit": 2}]).experiment
    async def wait(started, config):
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            states.append("ended")

    async def cancel():
        started = asyncio.Event()
        task = asyncio.ensure_future(wait(started))
        await started.wait()
        task.cancel("enough")
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        assert caught.value.args == ("enough",)
        assert task.cancelled()
        assert "ended" in states

    asyncio.run(cancel())


def test_multi_branch_gives_mains_exception_as_an_outcome() -> None:
    sample = Sample(MultiBranchStrategy)
    sample.raised.append(Boom())
    results = sample.function("argument")
    assert [one.status for one in results] == ["failed", "success"]
    assert results.main_result.exception is sample.raised[0]


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit])
def test_multi_branch_is_interrupted_with_its_main(interruption) -> None:
    sample = Sample(MultiBranchStrategy)
    sample.raised.append(interruption("stop"))
    assert caught_from(call_function, sample) is sample.raised[0]


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def remains_of(way: Callable[[Sample, Any], Any], sample: Sample) -> list[str]:
    """What is alive once the caller of a failing call has let go of everything."""
    argument, error = Argument(), Boom()
    references = {"argument": weakref.ref(argument), "exception": weakref.ref(error)}
    sample.raised.append(error)
    del error

    # What a loop of asyncio keeps of a task that failed is asyncio's own, so the exception ends inside the task.
    async def catch(argument: Any) -> None:
        try:
            await way(sample, argument)
        except Boom:
            sample.raised.clear()

    async def outlive(argument: Any) -> list[str]:
        await catch(argument)
        del argument
        return await asettled()

    async def asettled() -> list[str]:
        assert await spearmint.aflush(SECONDS)
        return alive()

    def alive() -> list[str]:
        # A worker counts its variant as ended just before it lets go of it.
        deadline = time.monotonic() + 0.5
        while True:
            found = [name for name, reference in references.items() if reference() is not None]
            if not found or time.monotonic() > deadline:
                return found
            threading.Event().wait(0.001)

    if way in ASYNC:
        coroutine = outlive(argument)
        del argument
        return asyncio.run(coroutine)
    try:
        way(sample, argument)
    except Boom:
        sample.raised.clear()
    del argument
    assert spearmint.flush(SECONDS)
    return alive()


RUNS = [run_function, run_method, run_coroutine, arun_function, arun_coroutine]
STREAMS = [run_stream, arun_astream]


# A runner keeps its results for its caller, and with them the exception, whose traceback holds the runner.
DIRECT = [way for way in [*SYNC, *ASYNC] if way not in {*RUNS, *STREAMS}]


@every_strategy
@pytest.mark.parametrize("way", DIRECT, ids=lambda way: way.__name__)
def test_nothing_keeps_the_exception_or_the_arguments_alive(way, strategy, no_collector) -> None:
    assert remains_of(way, Sample(strategy)) == []


@every_strategy
def test_nothing_keeps_the_arguments_of_a_successful_call_alive(strategy, no_collector) -> None:
    @Spearmint(strategy=strategy, configs=[{"limit": 1}, {"limit": 2}]).experiment
    def function(argument, config):
        return config.limit

    argument = Argument()
    reference = weakref.ref(argument)
    function(argument)
    del argument
    assert spearmint.flush(SECONDS)
    assert reference() is None


@every_strategy
def test_calls_from_many_threads_at_once_are_kept_apart(strategy) -> None:
    barrier = threading.Barrier(8)
    found: dict[int, list[Any]] = {}

    @Spearmint(strategy=strategy, configs=[{"limit": 1}, {"limit": 2}]).experiment
    def function(number, config):
        return number, config.limit in (1, 2)

    def call(number):
        barrier.wait(SECONDS)
        found[number] = [function(number) for _ in range(50)]

    threads = [threading.Thread(target=call, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert found == {number: [(number, True)] * 50 for number in range(8)}
    assert spearmint.flush(SECONDS)
