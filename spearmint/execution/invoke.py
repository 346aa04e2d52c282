"""How each kind of function is called under a case: the one mapping that drivers and evaluation use."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
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
) -> Outcome:
    """Run an experiment's function under a case to its end, whatever its kind.

    Args:
        experiment: The experiment.
        case: What is current meanwhile.
        span: What is recorded of it; None where it is not traced.
        args: Positional arguments, the config's values in their places.
        kwargs: Keyword arguments.

    Returns:
        The outcome. An async function has run on Spearmint's own loop; of a stream it is the list of items.
    """
    invocation = INVOCATIONS[experiment.kind]
    made = invocation.to_outcome(case, span, experiment.function, args, kwargs)
    outcome: Outcome = background_loop.run(made) if invocation.is_async else made
    return outcome
