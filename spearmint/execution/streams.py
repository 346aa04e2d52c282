"""Generators and async generators: main's goes to the caller step by step, a variant's is drained in the background."""

from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from dataclasses import replace
from functools import partial
from time import perf_counter
from typing import Any, Protocol

from spearmint.cases.case import ExperimentCase
from spearmint.errors import ExecutionError
from spearmint.execution.call_metrics import call_meter
from spearmint.execution.pool import variant_pool
from spearmint.execution.running import arun, arun_to_outcome, run, run_to_outcome
from spearmint.frames import hide_frames
from spearmint.results import Outcome, Status, outcome_of
from spearmint.tracing.recorder import collect, end_with

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


class ItemLog:
    """The items that a stream has given its reader, for results, traces and comparing.

    Args:
        limit: How many are kept; beyond it none are, as a part would not be the result. None keeps all.
    """

    __slots__ = ("_limit", "items")

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self.items: list[Any] | None = []

    def add(self, item: Any) -> None:
        """Keep one more."""
        if self.items is None:
            return
        if self._limit is not None and len(self.items) >= self._limit:
            self.items = None
        else:
            self.items.append(item)


def stream(
    generator: Generator[Any, Any, Any],
    case: ExperimentCase,
    driver: Driver | None,
    begin: Begin | None = None,
    log: ItemLog | None = None,
) -> Generator[Any, Any, Any]:
    """Hand on a generator whose body sees its case at every step; a delegate as in PEP 380.

    Args:
        generator: What calling the function gave.
        case: The case it runs in.
        driver: Told when the first step is taken and when the stream has ended or is closed; None inside a case.
        begin: Begins to record the stream, when the first step is taken; None where it is not traced.
        log: Where its items are kept; None keeps none, so that they live no longer than without Spearmint.

    Yields:
        What the generator yields; what is sent and thrown in reaches it.
    """
    # A stream that was closed early has no value, and that is no failure.
    ended = partial(_outcome, log, perf_counter())
    outcome = ended("cancelled")
    advance: Callable[[], Any] | None = partial(next, generator)
    given: list[Any] = []  # The item on its way, taken out as it is yielded.
    span = None
    try:
        try:
            span = _begin(driver, begin)
        except BaseException as error:
            outcome = ended(error=error)
            raise
        while advance is not None:
            try:
                given.append(run(case, span, advance, (), {}))
            except StopIteration as stop:
                outcome = ended("success")
                return stop.value
            except BaseException as error:
                outcome = ended(error=error)
                raise
            advance = None  # It holds what was sent or thrown.
            _record(span, log, given[0])
            try:
                sent = yield given.pop()
            except GeneratorExit:
                outcome = ended("cancelled")
                run(case, span, generator.close, (), {})
                raise
            except BaseException as error:  # noqa: BLE001 - it is the generator's to handle
                advance = partial(generator.throw, error)
            else:
                advance = partial(generator.send, sent)
                del sent
    finally:
        try:
            try:
                end_with(span, outcome)
            except BaseException:  # Of a signal handler, which may raise as a function begins.
                end_with(span, outcome)
                raise
            _count(case, outcome)
        finally:  # Variants are to be settled.
            if driver is not None:
                driver.end(outcome)
        del advance, outcome  # The traceback holds this frame, which would hold the exception.


async def astream(
    generator: AsyncGenerator[Any, Any],
    case: ExperimentCase,
    driver: AsyncDriver | None,
    begin: Begin | None = None,
    log: ItemLog | None = None,
) -> AsyncGenerator[Any, Any]:
    """Do for an async generator what `stream` does for a generator."""
    ended = partial(_outcome, log, perf_counter())
    outcome = ended("cancelled")
    advance: Callable[[], Any] | None = generator.__anext__
    given: list[Any] = []
    span = None
    try:
        try:
            span = await _abegin(driver, begin)
        except BaseException as error:
            outcome = ended(error=error)
            raise
        while advance is not None:
            try:
                given.append(await arun(case, span, advance, (), {}))
            except StopAsyncIteration:
                outcome = ended("success")
                return
            except BaseException as error:
                outcome = ended(error=error)
                raise
            advance = None
            _record(span, log, given[0])
            try:
                sent = yield given.pop()
            except GeneratorExit:
                outcome = ended("cancelled")
                await arun(case, span, generator.aclose, (), {})
                raise
            except BaseException as error:  # noqa: BLE001 - it is the generator's to handle
                advance = partial(generator.athrow, error)
            else:
                advance = partial(generator.asend, sent)
                del sent
    finally:
        try:
            try:
                end_with(span, outcome)
            except BaseException:
                end_with(span, outcome)
                raise
            _count(case, outcome)
        finally:
            if driver is not None:
                await driver.end(outcome)
        del advance, outcome


def _begin(driver: Driver | None, begin: Begin | None) -> Any:
    if driver is not None:
        driver.begin()
    return None if begin is None else begin()


async def _abegin(driver: AsyncDriver | None, begin: Begin | None) -> Any:
    if driver is not None:
        await driver.begin()
    return None if begin is None else begin()


def _count(case: ExperimentCase, outcome: Outcome) -> None:
    if call_meter.is_on:
        call_meter.record(case, outcome.duration, outcome.status)


def _record(span: Any, log: ItemLog | None, item: Any) -> None:
    if span is not None:
        collect(span, item)
    if log is not None:
        log.add(item)


def _outcome(
    log: ItemLog | None, started: float, status: Status = "failed", error: BaseException | None = None
) -> Outcome:
    """Return how a stream ended, with the items that its reader got."""
    items = None if log is None else log.items
    seconds = perf_counter() - started
    if error is None:
        return Outcome(status, items, None, seconds)
    return replace(outcome_of(error, seconds, own_frames=2), value=items)


def drain(
    case: ExperimentCase, span: Any, function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Outcome:
    """Run a generator function to its end, within the limits of the background."""
    items: list[Any] = []
    outcome = run_to_outcome(case, span, _read, (items, function, args, kwargs), {}, own_frames=3, is_counted=False)
    return _drained(case, outcome, items)


async def adrain(
    case: ExperimentCase, span: Any, function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Outcome:
    """Do for an async generator function what `drain` does for a generator function."""
    items: list[Any] = []
    outcome = await arun_to_outcome(
        case, span, _aread, (items, function, args, kwargs), {}, own_frames=3, is_counted=False
    )
    return _drained(case, outcome, items)


def _read(
    items: list[Any], function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Outcome | None:
    """Append the items of a stream to a list; return the outcome where a limit cuts it short."""
    started = perf_counter()
    generator = function(*args, **kwargs)
    for item in generator:
        if (cut := _cut(items, perf_counter() - started)) is not None:
            generator.close()
            return cut
        items.append(item)
    return None


async def _aread(
    items: list[Any], function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Outcome | None:
    started = perf_counter()
    generator = function(*args, **kwargs)
    async for item in generator:
        if (cut := _cut(items, perf_counter() - started)) is not None:
            await generator.aclose()
            return cut
        items.append(item)
    return None


def _drained(case: ExperimentCase, outcome: Outcome, items: list[Any]) -> Outcome:
    if outcome.status == "success":
        outcome = replace(outcome, value=items) if outcome.value is None else outcome.value
    _count(case, outcome)
    return outcome


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


hide_frames(globals())
