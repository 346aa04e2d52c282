"""Generators and async generators: main's is handed on step by step, a variant's is drained in the background."""

from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import suppress
from functools import partial
from time import perf_counter
from typing import Any, Protocol

from spearmint.cases.case import ExperimentCase
from spearmint.context.current import experiment_case_var
from spearmint.errors import ExecutionError
from spearmint.execution.pool import variant_pool
from spearmint.results import Outcome, outcome_of
from spearmint.tracing.recorder import collect, end_with, enter, leave

# Begins to record a stream, and returns what is current while a step of it runs.
Begin = Callable[[], Any]


class Driver(Protocol):
    """What does the steps before and after main."""

    def begin(self) -> None:
        """Do everything that comes before main."""

    def end(self, outcome: Outcome) -> None:
        """Do everything that comes after main."""


class AsyncDriver(Protocol):
    """The same for an async generator."""

    async def begin(self) -> None:
        """Do everything that comes before main."""

    async def end(self, outcome: Outcome) -> None:
        """Do everything that comes after main."""


def stream(  # noqa: C901 - a delegate has as many cases as PEP 380 names
    generator: Generator[Any, Any, Any], case: ExperimentCase, driver: Driver | None, begin: Begin | None = None
) -> Generator[Any, Any, Any]:
    """Hand on a generator whose body sees its case at every step; a delegate as in PEP 380.

    Args:
        generator: What calling the function gave.
        case: The case it runs in.
        driver: Told when the first step is taken and when the stream has ended or is closed; None inside a case.
        begin: Begins to record the stream, when the first step is taken; None where it is not traced.

    Yields:
        What the generator yields; what is sent and thrown in reaches it.
    """
    # A stream that was closed early has no value, and nobody is to blame for it.
    outcome = Outcome("cancelled")
    started = perf_counter()
    advance = partial(next, generator)
    if driver is not None:
        driver.begin()
    span = None if begin is None else begin()
    try:
        while True:
            token = experiment_case_var.set(case)
            traced = None if span is None else enter(span)
            try:
                item = advance()
            except StopIteration as stop:
                outcome = Outcome("success", stop.value, None, perf_counter() - started)
                return stop.value
            except BaseException as error:
                outcome = outcome_of(error, perf_counter() - started)
                raise
            finally:
                experiment_case_var.reset(token)
                if traced is not None:
                    leave(traced)
            if span is not None:
                collect(span, item)
            try:
                sent = yield item
            except GeneratorExit:
                outcome = Outcome("cancelled", duration=perf_counter() - started)
                _close(generator, case)
                raise
            except BaseException as error:  # noqa: BLE001 - it is the generator's to handle
                advance = partial(generator.throw, error)
            else:
                advance = partial(generator.send, sent)
    finally:
        end_with(span, outcome)
        if driver is not None:
            driver.end(outcome)
        del advance, outcome  # The traceback holds this frame, which would hold the exception.


def _close(generator: Generator[Any, Any, Any], case: ExperimentCase) -> None:
    token = experiment_case_var.set(case)
    try:
        generator.close()
    finally:
        experiment_case_var.reset(token)


async def astream(  # noqa: C901 - as `stream`
    generator: AsyncGenerator[Any, Any], case: ExperimentCase, driver: AsyncDriver | None, begin: Begin | None = None
) -> AsyncGenerator[Any, Any]:
    """Do for an async generator what `stream` does for a generator."""
    outcome = Outcome("cancelled")
    started = perf_counter()
    advance: Callable[[], Any] = generator.__anext__
    if driver is not None:
        await driver.begin()
    span = None if begin is None else begin()
    try:
        while True:
            token = experiment_case_var.set(case)
            traced = None if span is None else enter(span)
            try:
                item = await advance()
            except StopAsyncIteration:
                outcome = Outcome("success", None, None, perf_counter() - started)
                return
            except BaseException as error:
                outcome = outcome_of(error, perf_counter() - started)
                raise
            finally:
                with suppress(ValueError):  # The collector may end a suspended step in another context.
                    experiment_case_var.reset(token)
                if traced is not None:
                    leave(traced)
            if span is not None:
                collect(span, item)
            try:
                sent = yield item
            except GeneratorExit:
                outcome = Outcome("cancelled", duration=perf_counter() - started)
                await _aclose(generator, case)
                raise
            except BaseException as error:  # noqa: BLE001 - it is the generator's to handle
                advance = partial(generator.athrow, error)
            else:
                advance = partial(generator.asend, sent)
    finally:
        end_with(span, outcome)
        if driver is not None:
            await driver.end(outcome)
        del advance, outcome


async def _aclose(generator: AsyncGenerator[Any, Any], case: ExperimentCase) -> None:
    token = experiment_case_var.set(case)
    try:
        await generator.aclose()
    finally:
        with suppress(ValueError):
            experiment_case_var.reset(token)


def drain(
    case: ExperimentCase, function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], span: Any
) -> Outcome:
    """Run a generator function to its end, within the limits of the background.

    Returns:
        The list of its items; ``timed_out`` or ``cancelled``, with the items so far, where a limit cut it short.
    """
    items: list[Any] = []
    traced = None if span is None else enter(span)
    started = perf_counter()
    token = experiment_case_var.set(case)
    try:
        generator = function(*args, **kwargs)
        for item in generator:
            cut = _cut(items, perf_counter() - started)
            if cut is not None:
                generator.close()
                return cut
            items.append(item)
    except BaseException as error:  # noqa: BLE001 - an outcome is data until one place raises it
        return outcome_of(error, perf_counter() - started)
    else:
        return Outcome("success", items, None, perf_counter() - started)
    finally:
        experiment_case_var.reset(token)
        if traced is not None:
            leave(traced)


async def adrain(
    case: ExperimentCase, function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], span: Any
) -> Outcome:
    """Do for an async generator function what `drain` does for a generator function."""
    items: list[Any] = []
    traced = None if span is None else enter(span)
    started = perf_counter()
    token = experiment_case_var.set(case)
    try:
        generator = function(*args, **kwargs)
        async for item in generator:
            cut = _cut(items, perf_counter() - started)
            if cut is not None:
                await generator.aclose()
                return cut
            items.append(item)
    except BaseException as error:  # noqa: BLE001 - an outcome is data until one place raises it
        return outcome_of(error, perf_counter() - started)
    else:
        return Outcome("success", items, None, perf_counter() - started)
    finally:
        with suppress(ValueError):
            experiment_case_var.reset(token)
        if traced is not None:
            leave(traced)


def _cut(items: list[Any], seconds: float) -> Outcome | None:
    """Return the outcome of a stream that has yielded one more item than a limit lets in, else None."""
    limits = variant_pool.limits
    advice = "configure(background={'stream_items': ..., 'stream_seconds': ...}) sets the limits"
    if seconds >= limits.stream_seconds:
        message = f"the stream of a variant was closed after {limits.stream_seconds:g} s; {advice}"
        return Outcome("timed_out", items, TimeoutError(message), seconds)
    if len(items) >= limits.stream_items:
        message = f"Cannot drain more than {limits.stream_items} items of a variant's stream; {advice}."
        return Outcome("cancelled", items, ExecutionError(message), seconds)
    return None
