"""A case and a span are current while an execution runs, and never after it, wherever it is interrupted."""

import asyncio
import contextlib
import dis
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import spearmint
from spearmint import Config
from spearmint.context import experiment_case_var
from spearmint.execution import running, streams
from spearmint.proxy.codegen import FILENAME
from spearmint.results import outcome_of
from spearmint.tracing import recorder
from spearmint.tracing.span import UNSAMPLED, span_var

# A coroutine that is interrupted before its first step is never awaited.
pytestmark = [
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

PLACES = (
    FILENAME,
    *(one.__code__.co_filename for one in (running.run, streams.stream, recorder.enter)),
)
# Where nothing happens, CPython leaves gaps in the table of exceptions, and runs no signal handler.
IDLE = {dis.opmap["NOP"], dis.opmap.get("NOT_TAKEN")}
CONFIGS = [{"n": 1}]


class Interruption(BaseException):
    """What a signal handler raises."""


def interrupted_at(number: int, action: Callable[[], object]) -> bool:
    """Raise before the bytecode of that number where cases are entered; tell whether there were so many."""
    left = number

    def trace(frame: Any, event: str, _: object) -> Any:
        nonlocal left
        if frame.f_code.co_filename not in PLACES:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode" and frame.f_code.co_code[frame.f_lasti] not in IDLE:
            left -= 1
            if left == 0:
                raise Interruption
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        action()
    except Interruption:
        pass
    finally:
        sys.settrace(before)
    return left <= 0


@spearmint.experiment(configs=CONFIGS)
def function(config: Config) -> int:
    return config["n"]


@spearmint.experiment(configs=CONFIGS)
def failing(config: Config) -> int:
    raise Interruption


@spearmint.experiment(configs=CONFIGS)
def generator(config: Config) -> Any:
    yield config["n"]
    yield 2


@spearmint.experiment(configs=CONFIGS)
async def coroutine(config: Config) -> int:
    await asyncio.sleep(0)
    return config["n"]


@spearmint.experiment(configs=CONFIGS)
async def agenerator(config: Config) -> Any:
    yield config["n"]
    await asyncio.sleep(0)
    yield 2


def read() -> None:
    list(generator())


def hang_up() -> None:
    opened = generator()
    next(opened)
    opened.close()


def finished(make: Callable[[], Any]) -> None:
    """Run a coroutine that waits for nothing, in this very context."""
    made = make()
    try:
        while True:
            made.send(None)
    except StopIteration:
        pass


async def aread() -> None:
    async for _ in agenerator():
        pass


async def ahang_up() -> None:
    opened = agenerator()
    await anext(opened)
    await opened.aclose()


def nested() -> None:
    """Call within a case, which is current again afterwards."""
    running.run(outer_case(), None, function, (), {})


def outer_case() -> Any:
    found = []

    @spearmint.experiment(configs=[{"n": 3}])
    def outer(config: Config) -> None:
        found.append(experiment_case_var.get())

    outer()
    return found[0]


CASE = outer_case()
ACTIONS: dict[str, Callable[[], object]] = {
    "function": function,
    "failing function": failing,
    "function in a case": nested,
    "generator": read,
    "closed generator": hang_up,
    "coroutine": lambda: finished(coroutine),
    "async generator": lambda: finished(aread),
    "closed async generator": lambda: finished(ahang_up),
    "recorded function": lambda: running.run(CASE, UNSAMPLED, int, (), {}),
    "recorded coroutine": lambda: finished(lambda: running.arun(CASE, UNSAMPLED, asyncio.sleep, (0,), {})),
}


def leftovers(action: Callable[[], object], around: Any = None) -> tuple[int, list[int]]:
    """Interrupt an action before each bytecode in turn; return how many there are, and after which a case is left.

    On a thread of its own, since an interruption in the middle of a handler leaves a trace in the thread's state.
    """
    left = []

    def interrupt() -> int:
        experiment_case_var.set(around)
        number = 0
        while True:
            number += 1
            happened = interrupted_at(number, action)
            if experiment_case_var.get() is not around or span_var.get() is not None:
                left.append(number)
                experiment_case_var.set(around)
                span_var.set(None)
            if not happened:
                return number

    with contextlib.suppress(Interruption):  # What a first call prepares is not what is looked at.
        action()
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(interrupt).result(), left


@pytest.mark.parametrize("kind", ACTIONS)
def test_case_is_restored_after_any_interruption(kind) -> None:
    leftovers(ACTIONS[kind])  # CPython 3.12 tells the first tracer of a process of no bytecodes.
    count, left = leftovers(ACTIONS[kind])
    assert left == []
    assert count > 20


@pytest.mark.parametrize("kind", ["function", "coroutine", "generator", "async generator"])
def test_case_around_is_restored_after_any_interruption(kind) -> None:
    count, left = leftovers(ACTIONS[kind], around=CASE)
    assert left == []
    assert count > 20


def test_traceback_of_an_outcome_begins_in_the_function() -> None:
    def fails() -> None:
        message = "mine"
        raise ValueError(message)

    outcome = running.run_to_outcome(CASE, None, fails, (), {})
    assert outcome.status == "failed"
    assert outcome.exception is not None
    assert outcome.exception.__traceback__ is not None
    assert outcome.exception.__traceback__.tb_frame.f_code is fails.__code__


def test_arguments_that_do_not_fit_leave_no_traceback() -> None:
    outcome = running.run_to_outcome(CASE, None, lambda: None, (1,), {})
    assert isinstance(outcome.exception, TypeError)
    assert outcome.exception.__traceback__ is None
    assert outcome_of(ValueError(), 0.0).status == "failed"
