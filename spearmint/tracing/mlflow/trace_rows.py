"""The rows of traces in MLflow's tables, made without its classes, and the check that MLflow makes the same."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from mlflow.entities import Trace
from mlflow.entities.span import Span
from mlflow.entities.trace_state import TraceState
from mlflow.store.tracking.dbmodels.models import SqlTraceInfo
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.tracing.constant import SpanAttributeKey as Key
from mlflow.tracing.constant import SpansLocation, TraceMetadataKey, TraceTagKey
from mlflow.tracing.otel.translation import translate_span_when_storing
from mlflow.utils.mlflow_tags import MLFLOW_ARTIFACT_LOCATION
from mlflow.utils.uri import append_to_uri_path
from sqlalchemy import Table, select

Rows = dict[Table, list[dict[str, Any]]]

_model: Any = SqlTraceInfo
_tables: Mapping[str, Table] = _model.metadata.tables
_INFO, _TAGS, _METADATA = (_tables[name] for name in ("trace_info", "trace_tags", "trace_request_metadata"))
_SPANS = _tables["spans"]
_ORDER = (_INFO, _TAGS, _METADATA, _SPANS)
WRITTEN = frozenset(table.name for table in _ORDER)

_MILLISECOND = 1_000_000
_ID = "trace-id"  # Stands for the id of a trace in the path of its artifacts.
_LONGEST_NAME = 250
_TWICE = ('"[', '"{', '"\\', '" ')  # How JSON begins that is a text, in which JSON stands.
_DERIVED = {TraceMetadataKey.TOKEN_USAGE, TraceMetadataKey.COST, TraceMetadataKey.TRACE_SESSION}
# What `attributes_of` gives, and the writer adds; MLflow reads more out of attributes of other names.
_OURS = frozenset(
    {Key.REQUEST_ID, Key.EXPERIMENT_ID, Key.SPAN_TYPE, Key.FUNCTION_NAME, Key.INPUTS, Key.OUTPUTS}
    | {f"spearmint.{name}" for name in ("config", "config_id", "experiment", "role", "call_id", "status")}
    | {"spearmint.filled", "spearmint.lost"}
)
_encode = json.JSONEncoder(ensure_ascii=False).encode


def says_only_ours(trace: Trace) -> bool:
    """Tell whether a trace says only what Spearmint says by itself, of which MLflow derives little."""
    info = trace.info
    return (
        not info.assessments
        and info.client_request_id is None
        and info.state in (TraceState.OK, TraceState.ERROR)
        and info.execution_duration is not None
        and len(info.tags[TraceTagKey.TRACE_NAME]) <= _LONGEST_NAME
        and _DERIVED.isdisjoint(info.trace_metadata)
        and all(_is_ours(span) for span in trace.data.spans)
    )


def _is_ours(span: Span) -> bool:
    inner = span._span  # noqa: SLF001 - as MLflow's own store reads it
    is_ours = _OURS.issuperset(inner.attributes or ())
    return is_ours and not inner.links and not inner.resource.attributes and span.end_time_ns is not None


def table_rows(traces: Iterable[Trace], experiment: Any) -> Rows:
    """Return the rows of plain traces, table by table in the order in which they can be inserted.

    Args:
        traces: Each is plain by `says_only_ours`.
        experiment: The MLflow experiment that they belong to.
    """
    folder: str = append_to_uri_path(  # type: ignore[no-untyped-call]
        experiment.artifact_location, SqlAlchemyStore.TRACE_FOLDER_NAME, _ID, SqlAlchemyStore.ARTIFACTS_FOLDER_NAME
    )
    start, _, end = folder.rpartition(_ID)
    rows: Rows = {table: [] for table in _ORDER}
    experiment_id = int(experiment.experiment_id)
    for trace in traces:
        trace_id = trace.info.trace_id
        rows[_INFO].append(_info_row(trace, experiment_id))
        tags = {
            **trace.info.tags,
            MLFLOW_ARTIFACT_LOCATION: f"{start}{trace_id}{end}",
            TraceTagKey.SPANS_LOCATION: SpansLocation.TRACKING_STORE.value,
        }
        del tags[TraceTagKey.TRACE_NAME]
        metadata = {**trace.info.trace_metadata, TraceMetadataKey.TRACE_INFO_FINALIZED: "true"}
        rows[_TAGS] += [{"request_id": trace_id, "key": key, "value": value} for key, value in tags.items()]
        rows[_METADATA] += [{"request_id": trace_id, "key": key, "value": value} for key, value in metadata.items()]
        rows[_SPANS] += [_span_row(span, trace_id, experiment_id) for span in trace.data.spans]
    return rows


def _info_row(trace: Trace, experiment_id: int) -> dict[str, Any]:
    info, spans = trace.info, trace.data.spans
    # MLflow stretches the time of a trace over its spans, each rounded to milliseconds by itself.
    started = min(info.request_time, min(span.start_time_ns for span in spans) // _MILLISECOND)
    ends = [span.end_time_ns or 0 for span in spans]
    ended = max(info.request_time + (info.execution_duration or 0), max(ends) // _MILLISECOND)
    return {
        "request_id": info.trace_id,
        "experiment_id": experiment_id,
        "timestamp_ms": started,
        "execution_time_ms": ended - started,
        "status": info.state.value,
        "request_preview": info.request_preview,
        "response_preview": info.response_preview,
        "db_payload_generation": 1,
        "trace_name": info.tags[TraceTagKey.TRACE_NAME],
    }


def _span_row(span: Span, trace_id: str, experiment_id: int) -> dict[str, Any]:
    content = span.to_dict()
    content["attributes"] = attributes = stored_attributes(span, content["attributes"])
    model = attributes.get(Key.MODEL)
    return {
        "trace_id": trace_id,
        "experiment_id": experiment_id,
        "span_id": span.span_id,
        "parent_span_id": span.parent_id,
        "name": span.name,
        "type": span.span_type,
        "status": span.status.status_code.value,
        "start_time_unix_nano": span.start_time_ns,
        "end_time_unix_nano": span.end_time_ns,
        "content": _encode(content),
        "model_name": model and json.loads(model)[:500],
    }


def stored_attributes(span: Span, attributes: dict[str, Any]) -> dict[str, Any]:
    """Return attributes of a plain span as MLflow stores them."""
    if any(text.startswith(_TWICE) for text in attributes.values()):
        translated: dict[str, Any] = translate_span_when_storing(span)["attributes"]
        return translated
    for key in (Key.INPUTS, Key.OUTPUTS):
        text = attributes.get(key, "")
        model = _model_in(json.loads(text)) if '"model"' in text else None
        if model:
            return {**attributes, Key.MODEL: _encode(model)} if isinstance(model, str) else attributes
    return attributes


def _model_in(value: Any) -> Any:
    return value.get("model") if isinstance(value, dict) else None


def differing_tables(session: Any, traces: list[Trace], experiment: Any) -> list[str]:
    """Return in which tables the rows that MLflow has written of plain traces differ from those of `table_rows`.

    Args:
        session: A session of the database, in which the rows are.
        traces: The traces.
        experiment: The MLflow experiment that they belong to.
    """
    try:
        expected = table_rows(traces, experiment)
    except Exception as error:  # noqa: BLE001 - whatever a later MLflow does not have
        return [repr(error)]
    trace_ids = [trace.info.trace_id for trace in traces]
    found: list[str] = []
    for table in _tables.values():
        column = next((one for one in table.columns if _names_traces(one)), None)
        if column is None:
            continue
        held = session.connection().execute(select(table).where(column.in_(trace_ids))).mappings().all()
        if _comparable(table, held) != _comparable(table, expected.get(table, ())):
            found.append(table.name)
    return found


def _names_traces(column: Any) -> bool:
    return column is _INFO.c.request_id or any(key.column is _INFO.c.request_id for key in column.foreign_keys)


def _comparable(table: Table, rows: Iterable[Mapping[str, Any]]) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Return rows by primary key, without what is null or computed."""
    names = [column.name for column in table.columns if column.computed is None]
    found: dict[tuple[Any, ...], dict[str, Any]] = defaultdict(dict)
    for row in rows:
        unknown = row.keys() - set(table.columns.keys())
        kept = {name: row[name] for name in names if row.get(name) is not None}
        found[tuple(row[column.name] for column in table.primary_key)] = kept | dict.fromkeys(unknown, "no column")
    return found
