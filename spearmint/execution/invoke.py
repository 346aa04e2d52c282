"""How each kind of function is called under a case: the one mapping that drivers and evaluation use."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from spearmint.cases.case import ExperimentCase
from spearmint.execution.event_loop import background_loop
from spearmint.execution.running import arun_to_outcome, run_to_outcome
from spearmint.execution.streams import adrain, drain
from spearmint.registry.callables import Kind
from spearmint.registry.experiment import ExperimentFunction
from spearmint.results import Outcome


@dataclass(frozen=True, slots=True)
class Invocation:
    """How functions of one kind are called.

    Attributes:
        to_outcome: Takes a case, a span, the function, its positional and its keyword arguments, and returns the
            outcome; a stream is drained.
        is_async: Whether that is to be awaited.
        is_stream: Whether calling the function gives a generator.
    """

    to_outcome: Callable[..., Any]
    is_async: bool
    is_stream: bool


INVOCATIONS: Mapping[Kind, Invocation] = {
    "function": Invocation(run_to_outcome, is_async=False, is_stream=False),
    "generator": Invocation(drain, is_async=False, is_stream=True),
    "coroutine": Invocation(arun_to_outcome, is_async=True, is_stream=False),
    "async_generator": Invocation(adrain, is_async=True, is_stream=True),
}


def invoke_blocking(
    experiment: ExperimentFunction,
    case: ExperimentCase,
    span: Any,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    *,
    timeout: float | None = None,
) -> Outcome:
    """Run an experiment's function under a case to its end; an async one on Spearmint's own loop, within a timeout."""
    invocation = INVOCATIONS[experiment.kind]
    made = invocation.to_outcome(case, span, experiment.function, args, kwargs)
    if not invocation.is_async:
        outcome: Outcome = made
    elif timeout is None:
        outcome = background_loop.run(made)
    else:
        outcome = background_loop.run(_cancelled_after(timeout, made))
    return outcome


async def _cancelled_after(timeout: float, running: Coroutine[Any, Any, Outcome]) -> Outcome:
    started = perf_counter()
    task = asyncio.ensure_future(running)
    try:
        done, _ = await asyncio.wait([task], timeout=timeout)
    finally:
        task.cancel()  # nothing, once it has ended
    return task.result() if done else Outcome("timed_out", None, None, perf_counter() - started)
