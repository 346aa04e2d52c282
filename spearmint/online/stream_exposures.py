"""Exposures of streams, which have run nothing until their first step."""

from collections.abc import Callable, Mapping
from typing import Any

from spearmint.cases.case import ExperimentCase
from spearmint.online.exposures import Exposure, exposures
from spearmint.online.scoring import output_scorer
from spearmint.registry.experiment import ExperimentFunction
from spearmint.results import Outcome
from spearmint.strategies.split import Assignment


class _StreamExposure:
    """Tells of a stream when it takes its first step and when it ends.

    Args:
        assignment: The unit and arm of the call.
        case: The case that it runs in.
        begin: Begins to record it; None where it is not traced.
        call: The experiment, its positional and its keyword arguments.
    """

    def __init__(
        self,
        assignment: Assignment,
        case: ExperimentCase,
        begin: Callable[[], Any] | None,
        call: tuple[ExperimentFunction, tuple[Any, ...], Mapping[str, Any]],
    ) -> None:
        self._assignment = assignment
        self._case = case
        self._begin = begin
        self._call = call
        self._told: Exposure | None = None

    def open(self) -> Any:
        """Tell the exposure, and return the span of the stream."""
        span = None if self._begin is None else self._begin()
        self._told = exposures.expose(self._assignment, self._case, span)
        return span

    def _take_end(self, outcome: Outcome) -> None:
        if self._told is not None:
            exposures.measure_outcome(self._told, outcome)
            output_scorer.take_outcome(self._told, self._call[0], self._call, outcome)


class StreamExposure(_StreamExposure):
    """Tells of a stream as a `spearmint.execution.streams.Driver` does."""

    def begin(self) -> None:
        """Do nothing: `open` comes next."""

    def end(self, outcome: Outcome) -> None:
        """Take the end of the stream into account."""
        self._take_end(outcome)


class AsyncStreamExposure(_StreamExposure):
    """Tells of an async stream as a `spearmint.execution.streams.AsyncDriver` does."""

    async def begin(self) -> None:
        """Do nothing: `open` comes next."""

    async def end(self, outcome: Outcome) -> None:
        """Take the end of the stream into account."""
        self._take_end(outcome)
