"""The MLflow trace of a cell, for scorers that take one."""

import uuid
from collections.abc import Callable, Mapping
from typing import Any

from spearmint.results import Outcome
from spearmint.warn import warn


def traced(name: str, inputs: Mapping[str, Any], call: Callable[[], Outcome]) -> tuple[Outcome, Any]:
    """Make a call under a live span, and return its outcome and MLflow's trace; None, with a warning, without one."""
    import mlflow  # noqa: PLC0415 - it takes seconds, and few scorers take traces
    from mlflow.pyfunc.context import Context, set_prediction_context  # noqa: PLC0415

    outcome: Outcome | None = None
    try:
        # MLflow writes traces in the background, but at once where it evaluates: the scorer needs it now.
        with set_prediction_context(Context(request_id=uuid.uuid4().hex, is_evaluate=True)):
            with mlflow.start_span(name=name) as span:
                span.set_inputs(dict(inputs))
                outcome = call()
                if outcome.exception is None:
                    span.set_outputs(outcome.value)
                else:
                    span.record_exception(str(outcome.exception))
            return outcome, mlflow.get_trace(span.trace_id)
    except Exception as error:  # noqa: BLE001 - no harm comes to a call from its trace
        message = f"A trace for scorers could not be made: {type(error).__name__}: {error}. They get None."
        warn(message)
        return (call() if outcome is None else outcome), None
