"""Streams as steps: one is run to its end before its first item is given, so that others can have it."""

from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Mapping
from functools import partial
from time import perf_counter
from typing import Any

from spearmint.cases.case import ExperimentCase
from spearmint.evaluation.sharing.step_call import CellContext, StepCall, await_equal, wait_for_equal
from spearmint.execution.pool import variant_pool
from spearmint.execution.running import arun, run
from spearmint.execution.streams import astream, stream
from spearmint.frames import hide_frames
from spearmint.registry.experiment import ExperimentFunction


class _Replay:
    """A stream that gives items which are there, then what comes after them.

    A reader who sends or throws something gets a stream of its own from there on, as what was there was made without.

    Args:
        items: What comes first.
        rest: Gives what comes after; None if nothing does.
        result: What the stream returned in the end.
        error: What it raised then; None if nothing.
        anew: Makes a stream of the reader's own, as far as the reader has got.
    """

    def __init__(
        self,
        items: list[Any],
        anew: Callable[[int], Any],
        *,
        rest: Any = None,
        result: Any = None,
        error: BaseException | None = None,
    ) -> None:
        self._items = iter(items)
        self._anew = anew
        self._rest = rest
        self._result = result
        self._error = error
        self._count = 0
        self._is_own = False

    def __next__(self) -> Any:
        for item in self._items:
            self._count += 1
            return item
        if self._error is not None:
            raise self._error
        if self._rest is None:
            raise StopIteration(self._result)
        self._is_own = True
        return next(self._rest)

    def send(self, sent: Any) -> Any:
        """Give the next item to a reader who sends something."""
        if sent is None and not self._is_own:
            return next(self)
        return self._own().send(sent)

    def throw(self, error: BaseException) -> Any:
        """Give the next item to a reader who throws something."""
        return self._own().throw(error)

    def close(self) -> None:
        """End it."""
        if self._rest is not None:
            self._rest.close()

    def _own(self) -> Any:
        if not self._is_own:
            self._rest, self._is_own = self._anew(self._count), True
        return self._rest


class _AsyncReplay(_Replay):
    """The same for an async stream."""

    async def __anext__(self) -> Any:
        """Give the next item."""
        for item in self._items:
            self._count += 1
            return item
        if self._error is not None:
            raise self._error
        if self._rest is None:
            raise StopAsyncIteration
        self._is_own = True
        return await anext(self._rest)

    async def asend(self, sent: Any) -> Any:
        """Give the next item to a reader who sends something."""
        if sent is None and not self._is_own:
            return await anext(self)
        return await (await self._aown()).asend(sent)

    async def athrow(self, error: BaseException) -> Any:
        """Give the next item to a reader who throws something."""
        return await (await self._aown()).athrow(error)

    async def aclose(self) -> None:
        """End it."""
        if self._rest is not None:
            await self._rest.aclose()

    async def _aown(self) -> Any:
        if not self._is_own:
            self._rest, self._is_own = await self._anew(self._count), True
        return self._rest


class _Opening:
    """An async stream that is made as its first item is asked for.

    Args:
        make: Makes it.
    """

    def __init__(self, make: Callable[[], Coroutine[Any, Any, _AsyncReplay]]) -> None:
        self._make = make
        self._made: _AsyncReplay | None = None

    async def __anext__(self) -> Any:
        """Give the next item."""
        if self._made is None:
            self._made = await self._make()
        return await anext(self._made)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._made, name)


def shared_stream(cell: CellContext, experiment: ExperimentFunction, *given: Any) -> Generator[Any, Any, Any]:
    """Run a stream, or give the items of an equal one."""
    return (yield from stream(_filled(cell, experiment, *given), given[0], None))


def _filled(cell: CellContext, experiment: ExperimentFunction, *given: Any) -> Any:
    step = StepCall(cell, experiment, *given)
    wait_for_equal(step)
    replay = partial(_Replay, anew=partial(_anew, experiment, *given))
    made, case, span, own = _opened(step, experiment, replay, stream)
    if made is not None:
        return made
    items: list[Any] = []
    try:
        is_whole, result = run(case, span, _drain, (own, items), {})
    except BaseException as error:  # noqa: BLE001 - it is raised where the reader gets to it
        step.fail(error)
        return replay(items, error=error)
    if not is_whole:
        step.fail()
        return replay(items, rest=stream(own, case, None))
    step.finish((items, result))
    return replay(items, result=result)


def _opened(
    step: StepCall, experiment: ExperimentFunction, replay: Callable[..., Any], hand_on: Callable[..., Any]
) -> tuple[Any, Any, Any, Any]:
    """Open a stream.

    Returns:
        What replays an equal stream, or hands on one that is not shared; else None, and with it the case, the span and
        the stream that is to be drained.
    """
    if step.claim == "reuse":
        items, result = step.reuse()
        return replay(items, result=result), None, None, None
    case, span, args, kwargs = step.begin()
    try:
        own = experiment.function(*args, **kwargs)
    except BaseException as error:
        step.fail(error)
        raise
    if step.claim == "alone":
        step.count()
        own = replay([], rest=hand_on(own, case, None, None if span is None else lambda: span))
        return own, None, None, None
    return None, case, span, own


def _drain(own: Generator[Any, Any, Any], items: list[Any]) -> tuple[bool, Any]:
    """Append the items of a stream to a list; return whether these were all, and what it returned."""
    limits, started = variant_pool.limits, perf_counter()
    while len(items) < limits.stream_items and perf_counter() - started < limits.stream_seconds:
        try:
            items.append(next(own))
        except StopIteration as stop:
            return True, stop.value
    return False, None


def _anew(
    experiment: ExperimentFunction,
    case: ExperimentCase,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    count: int,
) -> Generator[Any, Any, Any]:
    """Return a stream of the reader's own, as far as the reader has got."""
    args, kwargs = experiment.binder.fill(case.values, args, kwargs)
    own = stream(experiment.function(*args, **kwargs), case, None)
    for _ in range(count):
        next(own)
    return own


def shared_astream(cell: CellContext, experiment: ExperimentFunction, *given: Any) -> AsyncGenerator[Any, Any]:
    """Do for an async stream what `shared_stream` does for a stream."""
    opening: Any = _Opening(partial(_afilled, cell, experiment, *given))
    return astream(opening, given[0], None)


async def _afilled(cell: CellContext, experiment: ExperimentFunction, *given: Any) -> Any:
    step = StepCall(cell, experiment, *given)
    await await_equal(step)
    replay = partial(_AsyncReplay, anew=partial(_aanew, experiment, *given))
    made, case, span, own = _opened(step, experiment, replay, astream)
    if made is not None:
        return made
    items: list[Any] = []
    try:
        is_whole = await arun(case, span, _adrain, (own, items), {})
    except BaseException as error:  # noqa: BLE001 - it is raised where the reader gets to it
        step.fail(error)
        return replay(items, error=error)
    if not is_whole:
        step.fail()
        return replay(items, rest=astream(own, case, None))
    step.finish((items, None))
    return replay(items)


async def _adrain(own: AsyncGenerator[Any, Any], items: list[Any]) -> bool:
    limits, started = variant_pool.limits, perf_counter()
    while len(items) < limits.stream_items and perf_counter() - started < limits.stream_seconds:
        try:
            items.append(await anext(own))
        except StopAsyncIteration:
            return True
    return False


async def _aanew(
    experiment: ExperimentFunction,
    case: ExperimentCase,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    count: int,
) -> AsyncGenerator[Any, Any]:
    args, kwargs = experiment.binder.fill(case.values, args, kwargs)
    own = astream(experiment.function(*args, **kwargs), case, None)
    for _ in range(count):
        await anext(own)
    return own


hide_frames(globals())
