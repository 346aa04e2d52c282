"""The counts of executions as metrics of OpenTelemetry, whose exporter asks for them when it is to send them."""

import importlib
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from typing import Any

from spearmint.execution.call_metrics import CallMetrics, call_meter

_COUNTS: dict[str, tuple[str, Callable[[CallMetrics], float]]] = {
    "spearmint.calls": ("1", lambda row: row.calls),
    "spearmint.call.errors": ("1", lambda row: row.errors),
    "spearmint.calls.cancelled": ("1", lambda row: row.cancelled),
    "spearmint.call.seconds": ("s", lambda row: row.seconds),
}


class OtelMetrics:
    """What offers the counts, once, where OpenTelemetry's API is installed; before its SDK is set up, too."""

    def __init__(self) -> None:
        self._is_offered = False

    def offer(self) -> None:
        """Offer them; a second time does nothing."""
        if self._is_offered:
            return
        self._is_offered = True
        try:
            otel = importlib.import_module("opentelemetry.metrics")
        except ImportError:
            return
        meter = otel.get_meter("spearmint")
        for name, (unit, value_of) in _COUNTS.items():
            observe = partial(_observations, otel.Observation, value_of)
            meter.create_observable_counter(name, [observe], unit=unit)
        # The API has no histogram that is asked for, only one that is told of each value.
        buckets = partial(_bucket_observations, otel.Observation)
        meter.create_observable_counter("spearmint.call.seconds.bucket", [buckets], unit="1")


def _observations(observation: Any, value_of: Callable[[CallMetrics], float], _options: Any) -> Iterator[Any]:
    for row in call_meter.metrics():
        yield observation(value_of(row), _labels(row))


def _bucket_observations(observation: Any, _options: Any) -> Iterator[Any]:
    metrics = call_meter.metrics()
    for row in metrics:
        for bound, count in zip(chain(metrics.bounds, ["+Inf"]), chain(row.buckets, [row.calls]), strict=True):
            yield observation(count, {**_labels(row), "le": str(bound)})


def _labels(row: CallMetrics) -> dict[str, str]:
    return {"experiment": row.experiment, "config_id": row.config_id, "role": row.role}


otel_metrics = OtelMetrics()
