"""What is said of a trace once its call has ended: a number, and where it belongs."""

from collections.abc import Mapping
from time import monotonic, time_ns
from typing import Any, Final

from spearmint.tracing.mlflow.state import TraceDestination

_PATIENCE_SECONDS = 30.0  # A call may tell of itself before its trace is written, which another process may do.


class MissingTraceError(LookupError):
    """MLflow has no trace of an id, or none yet."""


class Feedback:
    """A number about a trace.

    Args:
        trace_id: The trace.
        name: What it is.
        value: The number, or a truth value.
        attributes: What else is to be told, without secrets.
        place: Where MLflow is set to write.

    Attributes:
        time: When it became known, in nanoseconds.
        is_taken: Whether it has been queued, or counted as lost.
    """

    __slots__ = ("_deadline", "attributes", "is_taken", "name", "place", "time", "trace_id", "value")

    generation: Final = None

    def __init__(
        self, trace_id: str, name: str, value: float, attributes: Mapping[str, Any], place: TraceDestination
    ) -> None:
        self.trace_id = trace_id
        self.name = name
        self.value = value
        self.attributes = attributes
        self.place = place
        self.time = time_ns()
        self.is_taken = False
        self._deadline: float | None = None

    def may_wait(self) -> bool:
        """Tell whether its trace may still come, of which the first look was not long ago."""
        now = monotonic()
        if self._deadline is None:  # Not before: MLflow may take long to be imported.
            self._deadline = now + _PATIENCE_SECONDS
        return now < self._deadline
