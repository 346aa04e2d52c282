"""Calls of a proxy performed: chosen for, run, and their outcome raised."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

from spearmint.cases.case import ExperimentCase
from spearmint.cases.plan import Plan
from spearmint.execution import task_driver as tasks
from spearmint.execution import thread_driver as threads
from spearmint.execution.call import Call, begin_call
from spearmint.execution.streams import astream, stream
from spearmint.frames import hide_frames
from spearmint.registry.experiment import ExperimentFunction
from spearmint.results import Outcome

Selection = tuple[ExperimentCase, Plan | None]


def performer_of(experiment: ExperimentFunction) -> Callable[..., Any]:
    """Return what runs calls of an experiment that have variants."""
    if experiment.kind in ("generator", "async_generator") and not experiment.collects:
        return begin_stream
    return aperform if experiment.kind in ("coroutine", "async_generator") else perform_call


def perform_call(
    experiment: ExperimentFunction, args: tuple[Any, ...], kwargs: Mapping[str, Any], choice: Selection
) -> Any:
    """Run a call that has variants, and give the caller what is the caller's."""
    call = begin_call(experiment, args, kwargs, choice)
    outcome = threads.run_in_thread(call)
    if outcome.exception is None or _is_collected(experiment, outcome):
        return call.results if experiment.collects else outcome.value
    release_callers(outcome.exception)
    try:
        raise outcome.exception
    finally:
        del call, outcome  # The traceback holds this frame, which would hold the exception.


async def aperform(
    experiment: ExperimentFunction, args: tuple[Any, ...], kwargs: Mapping[str, Any], choice: Selection
) -> Any:
    """Do for an async function what `perform_call` does for a function."""
    call = begin_call(experiment, args, kwargs, choice)
    outcome = await tasks.run_in_task(call)
    if outcome.exception is None or _is_collected(experiment, outcome):
        return call.results if experiment.collects else outcome.value
    release_callers(outcome.exception)
    try:
        raise outcome.exception
    finally:
        del call, outcome


def _is_collected(experiment: ExperimentFunction, outcome: Outcome) -> bool:
    """Tell whether main's exception is one outcome among others, rather than an interruption of the whole call."""
    return experiment.collects and isinstance(outcome.exception, Exception)


def release_callers(error: BaseException | None) -> None:
    """Empty the finished frames of Spearmint behind an exception: they hold the call, whose results hold the exception.

    A traceback keeps the frame that raised, and that one keeps, since CPython 3.11, the frames that called it.
    """
    trace = None if error is None else error.__traceback__
    frame = None if trace is None else trace.tb_frame.f_back
    while frame is not None and str(frame.f_globals.get("__name__")).startswith("spearmint."):
        try:
            frame.clear()
        except RuntimeError:  # It is still running.
            return
        frame = frame.f_back


def begin_stream(
    experiment: ExperimentFunction, args: tuple[Any, ...], kwargs: Mapping[str, Any], choice: Selection
) -> Any:
    """Return main's stream, whose end starts the variants."""
    return open_stream(begin_call(experiment, args, kwargs, choice))


def open_stream(call: Call) -> Any:
    """Create main's stream, which runs nothing until it is iterated."""
    args, kwargs = call.main_arguments
    made = call.experiment.function(*args, **kwargs)
    is_told = call.decision is not None or call.assignment is not None
    begin_main = functools.partial(call.begin_main, args, kwargs) if is_told else None
    if call.experiment.kind == "async_generator":
        return astream(made, call.main, tasks.TaskDriver(call), begin_main, call.item_log())
    return stream(made, call.main, threads.ThreadDriver(call), begin_main, call.item_log())


hide_frames(globals())
