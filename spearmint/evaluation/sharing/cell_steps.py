"""Runs the steps of a cell: the first of equal calls runs, and the others get its result."""

from collections.abc import Callable, Mapping
from typing import Any

from spearmint.cases.case import ExperimentCase
from spearmint.evaluation.sharing.step_call import CellContext, StepCall, await_equal, wait_for_equal
from spearmint.evaluation.sharing.step_streams import shared_astream, shared_stream
from spearmint.execution.running import arun, run
from spearmint.frames import hide_frames
from spearmint.registry.callables import Kind
from spearmint.registry.experiment import ExperimentFunction


def call_step(
    cell: CellContext,
    experiment: ExperimentFunction,
    case: ExperimentCase,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
) -> Any:
    """Do what a call of an experiment inside a case does: an async one is to be awaited, a stream to be iterated."""
    return _DRIVERS[experiment.kind](cell, experiment, case, args, kwargs)


def _call(cell: CellContext, experiment: ExperimentFunction, *given: Any) -> Any:
    step = StepCall(cell, experiment, *given)
    wait_for_equal(step)
    if step.claim == "reuse":
        return step.reuse()
    case, span, args, kwargs = step.begin()
    try:
        value = run(case, span, experiment.function, args, kwargs)
    except BaseException as error:
        step.fail(error)
        raise
    step.finish(value)
    return value


async def _acall(cell: CellContext, experiment: ExperimentFunction, *given: Any) -> Any:
    step = StepCall(cell, experiment, *given)
    await await_equal(step)
    if step.claim == "reuse":
        return step.reuse()
    case, span, args, kwargs = step.begin()
    try:
        value = await arun(case, span, experiment.function, args, kwargs)
    except BaseException as error:
        step.fail(error)
        raise
    step.finish(value)
    return value


_DRIVERS: Mapping[Kind, Callable[..., Any]] = {
    "function": _call,
    "coroutine": _acall,
    "generator": shared_stream,
    "async_generator": shared_astream,
}


hide_frames(globals())
