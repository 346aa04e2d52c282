"""Writes traces into MLflow's store, in batches and without its queues; the worker's thread opens this module.

MLflow's own exporter takes three transactions per trace, gives a loss no number, and its ``atexit`` waits without end.
"""

import json
from collections import defaultdict
from typing import Any

import mlflow
from mlflow.entities import Trace, TraceData
from mlflow.entities.span import Span as MlflowSpan
from mlflow.entities.trace_info import TraceInfo
from mlflow.entities.trace_location import TraceLocation
from mlflow.entities.trace_state import TraceState
from mlflow.tracing.constant import TRACE_SCHEMA_VERSION, TRACE_SCHEMA_VERSION_KEY, TraceMetadataKey, TraceTagKey
from mlflow.tracing.constant import SpanAttributeKey as Key
from mlflow.tracing.utils.environment import resolve_env_metadata
from mlflow.tracing.utils.truncation import set_request_response_preview
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import SpanContext, Status, StatusCode, TraceFlags

from spearmint.tracing import span as records
from spearmint.tracing.attributes import Description, attributes_of, describe
from spearmint.tracing.equality import compare_to_main
from spearmint.tracing.mlflow.experiment_ids import import_providers
from spearmint.tracing.mlflow.stores import Store, open_store
from spearmint.tracing.options import TracingOptions

_PREVIEW = 250  # As MLflow cuts what it shows of inputs and outputs in its table.
_RESOURCE = Resource.get_empty()
_encode = json.JSONEncoder(ensure_ascii=False).encode
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)


class MlflowWriter:
    """Writes batches of traces."""

    def __init__(self) -> None:
        self._stores: dict[tuple[str, float], Store] = {}
        self._has_imported = False

    def open(self, traces: list[records.Trace], options: TracingOptions) -> None:
        """Make databases ready that have no tables yet, and MLflow ready to write; servers are not asked for anything.

        A fork waits for this to its end, and for the writing itself half a second: of a module that a thread of the
        parent was importing, the child would wait for ever.
        """
        if not self._has_imported:
            self._has_imported = True
            import_providers()
            resolve_env_metadata()
        for uri in {_uri(trace, options) for trace in traces}:
            self._store(uri, options)

    def write(self, traces: list[records.Trace], options: TracingOptions) -> list[BaseException | None]:
        """Write traces, and tell of each what went wrong, or None."""
        errors: list[BaseException | None] = [None] * len(traces)
        batches: dict[tuple[str, str], list[tuple[int, Trace]]] = defaultdict(list)
        broken: dict[str, Exception] = {}
        experiment_ids: dict[tuple[str, Any], str] = {}  # for this batch: the next may find another default
        for index, trace in enumerate(traces):
            uri = _uri(trace, options)
            if uri in broken:
                errors[index] = broken[uri]
                continue
            try:
                store = self._store(uri, options)
            except Exception as error:  # noqa: BLE001 - it is told and counted
                errors[index] = broken[uri] = error
                continue
            try:
                experiment_id = experiment_ids.get((uri, trace.place)) or _experiment_id(store, trace.place, options)
                experiment_ids[uri, trace.place] = experiment_id
                made = _mlflow_trace(trace, experiment_id, options)
                batches[uri, experiment_id].append((index, made))
            except Exception as error:  # noqa: BLE001 - as above
                errors[index] = error
        for (uri, experiment_id), batch in batches.items():
            found = self._store(uri, options).save(experiment_id, [made for _, made in batch])
            for (index, _), problem in zip(batch, found, strict=True):
                errors[index] = problem
        return errors

    def _store(self, uri: str, options: TracingOptions) -> Store:
        key = (uri, options.timeout)
        if key not in self._stores:
            self._stores[key] = open_store(uri, options.timeout)
        return self._stores[key]


def _uri(trace: records.Trace, options: TracingOptions) -> str:
    place = trace.place
    return options.tracking_uri or (place and place.tracking_uri) or str(mlflow.get_tracking_uri())


def _experiment_id(store: Store, place: Any, options: TracingOptions) -> str:
    if options.experiment is not None:
        return store.experiment_id(options.experiment)
    if place is not None and place.experiment_id:
        return str(place.experiment_id)
    return store.default_experiment_id()


def _mlflow_trace(trace: records.Trace, experiment_id: str, options: TracingOptions) -> Trace:
    """Return a recorded trace as MLflow has it."""
    described, marks = describe(trace, options)
    root = trace.spans[0]
    spans = _spans(trace, described, experiment_id)
    marks["spearmint.status"] = described[0].status
    metadata = {
        **resolve_env_metadata(),
        TRACE_SCHEMA_VERSION_KEY: str(TRACE_SCHEMA_VERSION),
        **(trace.made.info.trace_metadata if trace.made else {}),
        TraceMetadataKey.INPUTS: _preview(spans[0], Key.INPUTS),
        TraceMetadataKey.OUTPUTS: _preview(spans[0], Key.OUTPUTS),
        **marks,
    }
    if trace.place is not None and trace.place.run_id:
        metadata[TraceMetadataKey.SOURCE_RUN] = trace.place.run_id
    equality = compare_to_main(trace)
    tags = {**(trace.made.info.tags if trace.made else {}), TraceTagKey.TRACE_NAME: described[0].name, **marks}
    if equality is not None:
        tags["spearmint.equal"] = equality
    info = TraceInfo(
        trace_id=trace.trace_id,
        trace_location=TraceLocation.from_experiment_id(experiment_id),
        request_time=root.started // 1_000_000,
        execution_duration=(root.ended - root.started) // 1_000_000,
        state=TraceState.ERROR if root.is_error else TraceState.OK,
        trace_metadata=metadata,
        tags=tags,
    )
    data = TraceData(spans)
    set_request_response_preview(info, data)
    return Trace(info, data)


def _spans(trace: records.Trace, described: list[Description], experiment_id: str) -> list[MlflowSpan]:
    """Return all spans, the root first; where it was live, those of others are among them as MLflow has them."""
    ours = {f"{span.number:016x}": (span, one) for span, one in zip(trace.spans, described, strict=True)}
    if trace.made is None:
        return [
            _span(trace, span, one, None if span.parent is None else span.parent.number, experiment_id)
            for span, one in ours.values()
        ]
    spans = []
    for made in trace.made.data.spans:
        span, one = ours.get(made.span_id, (None, None))
        if span is None or one is None:
            spans.append(made)
        else:
            parent = None if made.parent_id is None else int(made.parent_id, 16)
            spans.append(_span(trace, span, one, parent, experiment_id))
    return sorted(spans, key=lambda one: (one.parent_id is not None, one.start_time_ns))


def _span(
    trace: records.Trace, span: records.Span, described: Description, parent_number: int | None, experiment_id: str
) -> MlflowSpan:
    context = SpanContext(trace.number, span.number, is_remote=False, trace_flags=_SAMPLED)
    parent = None
    if parent_number is not None:
        parent = SpanContext(trace.number, parent_number, is_remote=False, trace_flags=_SAMPLED)
    attributes = {
        Key.REQUEST_ID: trace.trace_id,
        Key.EXPERIMENT_ID: experiment_id,
        **attributes_of(span, described),
    }
    events = []
    if described.failure is not None:
        events.append(Event("exception", described.failure, span.ended))
    status = Status(StatusCode.ERROR, described.problem) if described.is_error else Status(StatusCode.OK)
    return MlflowSpan(
        ReadableSpan(
            described.name,
            context,
            parent,
            _RESOURCE,
            {name: _encode(value) for name, value in attributes.items()},
            events,
            status=status,
            start_time=span.started,
            end_time=span.ended,
        )
    )


def _preview(span: MlflowSpan, key: str) -> str:
    text = (span._span.attributes or {}).get(key) or ""  # noqa: SLF001 - as MLflow's own processor reads it
    return str(text)[:_PREVIEW]
