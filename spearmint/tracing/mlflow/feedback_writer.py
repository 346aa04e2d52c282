"""Writes feedback into MLflow's store as assessments of traces; the thread of feedback opens this module."""

from typing import Any

import mlflow
from mlflow.entities import AssessmentSource
from mlflow.entities import Feedback as MlflowFeedback

from spearmint.tracing.mlflow.stores import Store, open_store
from spearmint.tracing.options import TracingOptions
from spearmint.tracing.trace_feedback import Feedback

_SOURCE = AssessmentSource(source_type="CODE", source_id="spearmint.track")


class MlflowFeedbackWriter:
    """Writes batches of feedback."""

    def __init__(self) -> None:
        self._stores: dict[tuple[str, float], Store] = {}

    def open(self, batch: list[Feedback], options: TracingOptions) -> None:
        """Make databases ready that have no tables yet; servers are not asked for anything."""
        for uri in {_uri(one, options) for one in batch}:
            self._store(uri, options)

    def write(self, batch: list[Feedback], options: TracingOptions) -> list[BaseException | None]:
        """Write feedback, and tell of each what went wrong, or None."""
        errors: list[BaseException | None] = [None] * len(batch)
        by_uri: dict[str, list[int]] = {}
        for index, one in enumerate(batch):
            by_uri.setdefault(_uri(one, options), []).append(index)
        for uri, indexes in by_uri.items():
            try:
                found = self._store(uri, options).assess([_assessment(batch[index]) for index in indexes])
            except Exception as error:  # noqa: BLE001 - it is told and counted
                found = [error] * len(indexes)
            for index, problem in zip(indexes, found, strict=True):
                errors[index] = problem
        return errors

    def _store(self, uri: str, options: TracingOptions) -> Store:
        key = (uri, options.timeout)
        if key not in self._stores:
            self._stores[key] = open_store(uri, options.timeout)
        return self._stores[key]


def _uri(one: Feedback, options: TracingOptions) -> str:
    return options.tracking_uri or one.place.tracking_uri or str(mlflow.get_tracking_uri())


def _assessment(one: Feedback) -> Any:
    milliseconds = one.time // 1_000_000
    return MlflowFeedback(
        name=one.name,
        value=one.value,
        source=_SOURCE,
        trace_id=one.trace_id,
        metadata={f"spearmint.attribute.{name}": str(value) for name, value in one.attributes.items()},
        create_time_ms=milliseconds,
        last_update_time_ms=milliseconds,
    )
