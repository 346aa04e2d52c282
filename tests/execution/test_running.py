"""A case and a span are current while an execution runs, and never after it, wherever it is interrupted."""

import asyncio
import dis
import sys
from collections.abc import Callable
from typing import Any

import pytest

import spearmint
from spearmint import Config
from spearmint.context import experiment_case_var
from spearmint.execution import running, streams
from spearmint.results import outcome_of
from spearmint.tracing import recorder
from spearmint.tracing.span import UNSAMPLED, span_var

# A coroutine that is interrupted before its first step is never awaited.
pytestmark = [
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

PLACES = ("<spearmint>", *(one.__file__ for one in (running, streams, recorder)))
NOP = dis.opmap["NOP"]
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
        # Where nothing happens, CPython 3.11 leaves gaps in the table of exceptions, and runs no signal handler.
        if event == "opcode" and frame.f_code.co_code[frame.f_lasti] != NOP:
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


@pytest.mark.parametrize("kind", ACTIONS)
def test_case_is_restored_after_any_interruption(kind) -> None:
    action = ACTIONS[kind]
    interrupted_at(0, action)  # What a first call prepares is not what is looked at.
    number = 0
    while True:
        number += 1
        happened = interrupted_at(number, action)
        assert experiment_case_var.get() is None, f"interrupted at bytecode {number}"
        assert span_var.get() is None, f"interrupted at bytecode {number}"
        if not happened:
            break
    assert number > 20


@pytest.mark.parametrize("kind", ["function", "coroutine", "generator", "async generator"])
def test_case_around_is_restored_after_any_interruption(kind) -> None:
    token = experiment_case_var.set(CASE)
    try:
        number = 0
        while True:
            number += 1
            happened = interrupted_at(number, ACTIONS[kind])
            assert experiment_case_var.get() is CASE, f"interrupted at bytecode {number}"
            if not happened:
                break
    finally:
        experiment_case_var.reset(token)
    assert number > 20


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
