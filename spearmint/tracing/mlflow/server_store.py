"""An MLflow server as the store of traces: it is not waited for long, and only MLflow's own answers are believed."""

import json
from typing import Any
from urllib.parse import quote

from mlflow.entities import Trace, TraceData
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode
from mlflow.protos.service_pb2 import CreateAssessment, StartTraceV3
from mlflow.tracing.client import TracingClient
from mlflow.tracing.utils.otlp import MLFLOW_EXPERIMENT_ID_HEADER, OTLP_TRACES_PATH, resource_to_otel_proto
from mlflow.utils.proto_json_utils import message_to_json
from mlflow.utils.rest_utils import http_request, verify_rest_response
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from spearmint.errors import SpearmintError
from spearmint.redaction import redactor
from spearmint.tracing.mlflow.concurrently import for_each
from spearmint.tracing.mlflow.experiment_ids import ExperimentIds
from spearmint.tracing.trace_feedback import MissingTraceError

_TRACES = "/api/3.0/mlflow/traces"
_EXPERIMENTS = "/api/2.0/mlflow/experiments"
_AT_ONCE = 4  # requests, as many as `mlflow server` has workers
_DOES_NOT_EXIST = ErrorCode.Name(RESOURCE_DOES_NOT_EXIST)


class NotMlflowError(SpearmintError, ConnectionError):
    """What answers at a tracking URI is no MLflow server."""


class ServerStore(ExperimentIds):
    """An MLflow server. MLflow's own client tries for minutes where there is no answer; this one does not."""

    def __init__(self, uri: str, timeout: float) -> None:
        super().__init__()
        self._uri = uri
        self._creds = TracingClient(uri).store.get_host_creds
        self._timeout = timeout

    def _request(self, method: str, endpoint: str, **body: Any) -> Any:
        response = http_request(  # type: ignore[no-untyped-call]
            self._creds(), endpoint, method, max_retries=0, timeout=self._timeout, raise_on_status=False, **body
        )
        return verify_rest_response(response, endpoint)

    def _ask(self, method: str, endpoint: str, *path: str, **body: Any) -> Any:
        """Return what stands at a path in MLflow's answer, which is the proof that MLflow gave it.

        Raises:
            NotMlflowError: If the answer is none of MLflow's, as a login page is.
        """
        response = self._request(method, endpoint, **body)
        try:
            found = response.json()
            for key in path:
                found = found[key]
        except (ValueError, LookupError, TypeError) as error:
            raise self._not_mlflow(response, endpoint) from error
        return found

    def _not_mlflow(self, response: Any, endpoint: str) -> "NotMlflowError":
        kind = response.headers.get("Content-Type") or "no content type"
        place = redactor().hide(self._uri) + endpoint.partition("?")[0]
        start = redactor().hide(response.text[:80]).replace("\n", " ")
        cause = f"it answered {response.status_code} with what is no answer of MLflow's ({kind}: {start!r})"
        return NotMlflowError(f"Cannot use {place}: {cause}. Check the tracking URI, and whether a login is asked for")

    def ask_for_proof(self) -> None:
        """Make sure that an MLflow server answers, of whatever the answer says of MLflow's first experiment.

        Raises:
            NotMlflowError: If something else does.
            MlflowException: If nothing does, or the server refuses.
        """
        self._find("Default")

    def _find(self, name: str) -> str | None:
        try:
            endpoint = f"{_EXPERIMENTS}/get-by-name?experiment_name={quote(name, safe='')}"
            return str(self._ask("GET", endpoint, "experiment", "experiment_id"))
        except MlflowException as error:
            if error.error_code == _DOES_NOT_EXIST:
                return None
            raise

    def _make(self, name: str) -> str:
        return str(self._ask("POST", f"{_EXPERIMENTS}/create", "experiment_id", json={"name": name}))

    def save(self, experiment_id: str, traces: list[Trace]) -> list[BaseException | None]:
        """Write finished traces, and tell of each what went wrong, or None."""
        errors: list[BaseException | None] = [None] * len(traces)
        gone: list[Exception] = []

        def start(index: int) -> None:
            if gone:
                errors[index] = gone[0]  # It need not wait as long as the first that got no answer.
                return
            try:
                self._start(traces[index])
            except Exception as error:  # noqa: BLE001 - it is told and counted
                errors[index] = error
                if _is_unreachable(error):
                    gone.append(error)

        # No server of MLflow's takes many traces in one request; the spans of all of them it does.
        for_each(start, range(len(traces)), _AT_ONCE)
        begun = [trace for trace, error in zip(traces, errors, strict=True) if error is None]
        try:
            if begun:
                self._log_spans(experiment_id, begun)
        except Exception as error:  # noqa: BLE001 - as above
            errors = [one or error for one in errors]
        return errors

    def assess(self, assessments: list[Any]) -> list[BaseException | None]:
        """Write assessments of traces, and tell of each what went wrong, or None."""
        errors: list[BaseException | None] = []
        gone: Exception | None = None
        for assessment in assessments:
            problem = gone
            if problem is None:
                try:
                    self._assess(assessment)
                except Exception as error:  # noqa: BLE001 - it is told and counted
                    problem = missing_or(error, assessment.trace_id)
                    gone = error if _is_unreachable(error) else None
            errors.append(problem)
        return errors

    def _assess(self, assessment: Any) -> None:
        body = json.loads(message_to_json(CreateAssessment(assessment=assessment.to_proto())))
        endpoint = f"{_TRACES}/{quote(assessment.trace_id, safe='')}/assessments"
        self._ask("POST", endpoint, "assessment", "assessment_id", json=body)

    def _start(self, trace: Trace) -> None:
        body = message_to_json(StartTraceV3(trace=Trace(trace.info, TraceData([])).to_proto()))  # type: ignore[no-untyped-call]
        headers = {"Content-Type": "application/json"}
        self._ask("POST", _TRACES, "trace", "trace_info", "trace_id", data=body.encode(), extra_headers=headers)

    def _log_spans(self, experiment_id: str, traces: list[Trace]) -> None:
        request = ExportTraceServiceRequest()
        block = request.resource_spans.add()
        block.resource.CopyFrom(resource_to_otel_proto(None))
        block.scope_spans.add().spans.extend(span.to_otel_proto() for trace in traces for span in trace.data.spans)
        headers = {"Content-Type": "application/x-protobuf", MLFLOW_EXPERIMENT_ID_HEADER: experiment_id}
        response = self._request("POST", OTLP_TRACES_PATH, data=request.SerializeToString(), extra_headers=headers)
        rejected = self._rejected_spans(response)
        if rejected:
            message = f"the server rejected {rejected} spans of {len(traces)} traces"
            raise MlflowException(message)

    def _rejected_spans(self, response: Any) -> int:
        """Return how many spans the server did not take, by its answer in OpenTelemetry's protocol."""
        kind = (response.headers.get("Content-Type") or "").partition(";")[0].strip().lower()
        try:
            if kind == "application/json":
                return int(response.json().get("partialSuccess", {}).get("rejectedSpans", 0))
            if kind in ("application/x-protobuf", ""):
                content = b"" if response.content == b"{}" else response.content  # What MLflow makes of an empty one.
                return int(ExportTraceServiceResponse.FromString(content).partial_success.rejected_spans)
        except Exception as error:
            raise self._not_mlflow(response, OTLP_TRACES_PATH) from error
        raise self._not_mlflow(response, OTLP_TRACES_PATH)


def missing_or(error: Exception, trace_id: str) -> Exception:
    """Return the error that says so where MLflow has no trace of an id; else the error itself."""
    # Older versions of MLflow do not look, and the database refuses a trace's id that it does not have.
    is_missing = isinstance(error, MlflowException) and (
        error.error_code == _DOES_NOT_EXIST or "IntegrityError" in str(error)
    )
    if is_missing:
        made = MissingTraceError(f"MLflow has no trace {trace_id!r}: was it written to another tracking URI?")
        made.__cause__ = error
        return made
    return error


def _is_unreachable(error: Exception) -> bool:
    """Tell whether a server gave no answer, rather than refusing one trace."""
    if isinstance(error, NotMlflowError):
        return True
    return type(error) is MlflowException and "API request to" in str(error)
