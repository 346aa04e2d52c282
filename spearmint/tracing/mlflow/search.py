"""Reads back from MLflow what executions did."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import mlflow
from mlflow.entities import ViewType
from mlflow.tracking import MlflowClient

from spearmint.tracing.marks import CONFIG, PREFIX
from spearmint.tracing.mlflow.readable import require_store

_PAGE = 500


@dataclass(frozen=True, slots=True)
class TracedExecution:
    """What MLflow has of one execution.

    Attributes:
        trace_id: The id of its trace.
        experiment: ``"module:qualified.name"`` of the function.
        config_id: The config it ran under.
        case_id: The case it ran in: the ids of the configs of all experiments that vary.
        role: ``"main"`` or ``"variant"``.
        call_id: What it has in common with main or with the variants.
        status: How it ended.
        equal: ``"true"``, ``"false"`` or ``"error"``, where it was compared with main; else None.
        seconds: How long it took.
        request: The beginning of its inputs, as JSON.
        response: The beginning of its output, as JSON.
        began_ms: When it began, in milliseconds since the epoch.
        nested: From the name of each other experiment of the case to the id of its config.
        parameters: The values of the case's configs that vary, by path, as far as they had room.
        is_ok: Whether MLflow has its trace as one that went well.
    """

    trace_id: str
    experiment: str
    config_id: str
    case_id: str
    role: str
    call_id: str
    status: str
    equal: str | None
    seconds: float
    request: str
    response: str
    began_ms: int = 0
    nested: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    is_ok: bool = False

    @property
    def is_error(self) -> bool:
        """Whether it ended otherwise than it should; a stream may be closed by its reader at any time."""
        return self.status != "success" and not (self.status == "cancelled" and self.is_ok)


@dataclass(frozen=True, slots=True)
class TracedCall:
    """What MLflow has of the arguments and the result of one execution.

    Attributes:
        trace_id: The id of its trace.
        inputs: What the caller passed, by parameter; without what a config fills.
        has_output: Whether there is an output.
        output: What it returned.
        lost_inputs: Of inputs that are not there as they were, whether they are ``"masked"``, ``"cut"`` or ``"text"``.
        lost_output: The same of the output.
        expectations: What people and judges have said of it: feedback and expectations, by name.
    """

    trace_id: str
    inputs: Mapping[str, Any]
    has_output: bool
    output: Any
    lost_inputs: Mapping[str, str]
    lost_output: str | None
    expectations: Mapping[str, Any]


class TraceReader:
    """Finds executions in an MLflow store.

    Args:
        tracking_uri: As MLflow takes it; None for what MLflow is set to.
        experiments: Names of MLflow experiments; none for all that are active.

    Raises:
        LookupError: If there is no store at the URI or no server answers, or no MLflow experiment of such a name.
    """

    def __init__(self, tracking_uri: str | None, experiments: Sequence[str]) -> None:
        uri = tracking_uri or str(mlflow.get_tracking_uri())
        require_store(uri)
        self._client = MlflowClient(uri)
        if experiments:
            self._places = [self._place(name) for name in experiments]
        else:
            found = self._client.search_experiments(view_type=ViewType.ACTIVE_ONLY)
            self._places = [one.experiment_id for one in found]

    def _place(self, name: str) -> str:
        found = self._client.get_experiment_by_name(name)
        if found is None:
            message = f"Cannot read MLflow experiment {name!r}: there is none of that name. Leave it out to read all."
            raise LookupError(message)
        place: str = found.experiment_id
        return place

    def find(
        self,
        *,
        config_id: str | None = None,
        case_id: str | None = None,
        since_ms: int | None = None,
        call_id: str | None = None,
        where: str | None = None,
    ) -> Iterator[TracedExecution]:
        """Yield executions, the latest first.

        Args:
            config_id: Only those in whose case some experiment runs under this config.
            case_id: Only those of this case.
            since_ms: Only those that began since, in milliseconds since the epoch.
            call_id: Only those of this call.
            where: Only those that a filter of MLflow's holds for.
        """
        filters = [f"tags.`{PREFIX}experiment` LIKE '%:%'"]
        if config_id is not None:
            filters.append(f"tags.`{PREFIX}config_ids` LIKE '%{_pattern(config_id)}%'")
        if case_id is not None:
            filters.append(f"tags.`{PREFIX}case_id` LIKE '{_pattern(case_id)}'")
        if call_id is not None:
            filters.append(f"tags.`{PREFIX}call_id` = '{call_id}'")
        if where:
            filters.append(where)
        if since_ms is not None:
            filters.append(f"timestamp_ms >= {since_ms}")
        token = None
        while True:
            page = self._client.search_traces(
                locations=self._places,
                filter_string=" AND ".join(filters),
                max_results=_PAGE,
                order_by=["timestamp_ms DESC"],
                page_token=token,
                include_spans=False,
            )
            for trace in page:
                found = _execution(trace.info)
                is_config = config_id in (None, found.config_id, *found.nested.values())
                if is_config and case_id in (None, found.case_id):
                    yield found
            token = page.token
            if not token:
                return

    def differing_calls(self, *, since_ms: int | None = None) -> set[str]:
        """Return the ids of the calls of which the result of a variant was not main's."""
        found = self.find(since_ms=since_ms, where=f"tags.`{PREFIX}equal` = 'false'")
        return {one.call_id for one in found}

    def call(self, execution: TracedExecution) -> TracedCall | None:
        """Return the arguments and the result of an execution; None where MLflow has no span of it any more."""
        trace = self._client.get_trace(execution.trace_id)
        span = next((one for one in trace.data.spans if _attribute(one, "call_id") == execution.call_id), None)
        if span is None:
            return None
        lost = _attribute(span, "lost") or {}
        filled = _attribute(span, "filled") or ()
        given = {name: value for name, value in (span.inputs or {}).items() if name not in filled}
        said = (one for one in trace.info.assessments if one.valid is not False and one.error is None)
        return TracedCall(
            trace_id=execution.trace_id,
            inputs=given,
            has_output=execution.status == "success",
            output=span.outputs,
            lost_inputs={name: way for name, way in lost.get("inputs", {}).items() if name in given},
            lost_output=lost.get("output"),
            expectations={one.name: one.value for one in said},
        )

    def with_response(self, execution: TracedExecution) -> TracedExecution:
        """Return an execution with its output, also where its trace is the user's, who may have left it without one."""
        if execution.response or execution.status != "success":
            return execution
        for span in self._client.get_trace(execution.trace_id).data.spans:
            if _attribute(span, "call_id") == execution.call_id:
                return replace(execution, response=json.dumps(span.outputs, ensure_ascii=False))
        return execution


def _execution(info: Any) -> TracedExecution:
    tags = info.tags
    config_id = tags.get(f"{PREFIX}config_id", "")
    is_ok = str(info.state) == "OK"
    return TracedExecution(
        trace_id=info.trace_id,
        experiment=tags[f"{PREFIX}experiment"],
        config_id=config_id,
        case_id=tags.get(f"{PREFIX}case_id", config_id),
        role=tags.get(f"{PREFIX}role", "main"),
        call_id=tags.get(f"{PREFIX}call_id", ""),
        status=tags.get(f"{PREFIX}status", "success" if is_ok else "failed"),
        equal=tags.get(f"{PREFIX}equal"),
        seconds=(info.execution_duration or 0) / 1000,
        request=info.request_preview or "",
        response=info.response_preview or "",
        began_ms=info.request_time,
        nested={name.removeprefix(CONFIG): text for name, text in tags.items() if name.startswith(CONFIG)},
        parameters=json.loads(tags.get(f"{PREFIX}parameters", "{}")),
        is_ok=is_ok,
    )


def _attribute(span: Any, name: str) -> Any:
    return span.attributes.get(f"{PREFIX}{name}")


def _pattern(text: str) -> str:
    """Return a pattern for LIKE that a text matches, and others may: MLflow's filters know no escape of a quote."""
    return text.replace("'", "_")
