"""Where MLflow keeps traces: a database or folder through its own store, or a server, which is not waited for long."""

import gc
import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from tempfile import gettempdir
from typing import Any, Protocol
from urllib.parse import quote, urlsplit

from mlflow.entities import Trace, TraceData
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, RESOURCE_DOES_NOT_EXIST, ErrorCode
from mlflow.protos.service_pb2 import StartTraceV3
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.tracing.client import TracingClient
from mlflow.tracing.constant import SpansLocation, TraceTagKey
from mlflow.tracing.utils.otlp import MLFLOW_EXPERIMENT_ID_HEADER, OTLP_TRACES_PATH, resource_to_otel_proto
from mlflow.tracking.default_experiment import registry as default_experiment
from mlflow.utils.file_utils import ExclusiveFileLock
from mlflow.utils.proto_json_utils import message_to_json
from mlflow.utils.rest_utils import http_request, verify_rest_response
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from sqlalchemy import Engine

from spearmint.tracing.mlflow.batch_insert import Transaction

_TRACES = "/api/3.0/mlflow/traces"
_EXPERIMENTS = "/api/2.0/mlflow/experiments"


class Store(Protocol):
    """Where traces go."""

    def experiment_id(self, name: str) -> str:
        """Return the id of the MLflow experiment of a name, which is made if need be."""

    def default_experiment_id(self) -> str:
        """Return the id of the experiment that MLflow takes when nobody has chosen one in this process."""

    def save(self, experiment_id: str, traces: list[Trace]) -> list[BaseException | None]:
        """Write finished traces, and tell of each what went wrong, or None."""


def open_store(uri: str, timeout: float) -> Store:
    """Return the store of a tracking URI; its schema is made if need be.

    Args:
        uri: As MLflow takes it.
        timeout: Seconds that a server may take to answer one request.
    """
    return _ServerStore(uri, timeout) if urlsplit(uri).scheme in ("http", "https") else _LocalStore(uri)


class _Experiments:
    """Finds experiments by name, each once."""

    def __init__(self) -> None:
        self._ids: dict[str, str] = {}

    def experiment_id(self, name: str) -> str:
        if name not in self._ids:
            found = self._find(name)
            try:
                self._ids[name] = self._make(name) if found is None else found
            except MlflowException as error:
                made_meanwhile = self._find(name) if error.error_code == _ALREADY_EXISTS else None
                if made_meanwhile is None:
                    raise
                self._ids[name] = made_meanwhile
        return self._ids[name]

    def default_experiment_id(self) -> str:
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME")
        if name:
            return self.experiment_id(name)
        return os.environ.get("MLFLOW_EXPERIMENT_ID") or str(default_experiment.get_experiment_id())

    def _find(self, name: str) -> str | None:
        raise NotImplementedError

    def _make(self, name: str) -> str:
        raise NotImplementedError


_ALREADY_EXISTS = ErrorCode.Name(RESOURCE_ALREADY_EXISTS)
_DOES_NOT_EXIST = ErrorCode.Name(RESOURCE_DOES_NOT_EXIST)


class _LocalStore(_Experiments):
    """A database, a folder, or what else MLflow has a store for."""

    def __init__(self, uri: str) -> None:
        super().__init__()
        with _alone(uri):
            self._client = TracingClient(uri)
            self._store = self._client.store
        self._transaction = Transaction(self._store) if isinstance(self._store, SqlAlchemyStore) else None

    def _find(self, name: str) -> str | None:
        found = self._store.get_experiment_by_name(name)
        return None if found is None else str(found.experiment_id)

    def _make(self, name: str) -> str:
        return str(self._store.create_experiment(name))

    def save(self, experiment_id: str, traces: list[Trace]) -> list[BaseException | None]:
        if self._transaction is not None and len(traces) > 1:
            with suppress(Exception):  # One trace may be to blame; the others are written without it.
                self._transaction.save(experiment_id, traces)
                return [None] * len(traces)
        return self._save_one_by_one(experiment_id, traces)

    def _save_one_by_one(self, experiment_id: str, traces: list[Trace]) -> list[BaseException | None]:
        errors: list[BaseException | None] = []
        infos = []
        for trace in traces:
            try:
                infos.append(self._store.start_trace(trace.info))
                errors.append(None)
            except Exception as error:  # noqa: BLE001 - it is told and counted
                infos.append(None)
                errors.append(error)
        begun = [index for index, error in enumerate(errors) if error is None]
        try:
            self._store.log_spans(experiment_id, [span for index in begun for span in traces[index].data.spans])
        except (NotImplementedError, MlflowException) as error:
            for index in begun:
                errors[index] = self._upload(infos[index], traces[index], error)
        return errors

    def _upload(self, info: Any, trace: Trace, error: Exception) -> BaseException | None:
        """Write the spans of one trace as a file, as MLflow does where a store has no room for spans."""
        if not isinstance(error, NotImplementedError):
            return error
        if info.tags.get(TraceTagKey.SPANS_LOCATION) == SpansLocation.TRACKING_STORE.value:
            return None
        try:
            self._client._upload_trace_data(info, trace.data)  # noqa: SLF001 - as MLflow's own exporter does
        except Exception as problem:  # noqa: BLE001 - it is told and counted
            return problem
        return None


@contextmanager
def _alone(uri: str) -> Iterator[None]:
    """Let no other process of this user open the same store meanwhile: two that make its tables at once spoil them."""
    with ExitStack() as stack:
        name = sha256(f"{uri} {Path.cwd()}".encode()).hexdigest()[:16]
        with suppress(Exception):  # On Windows, or without a folder to write to, it is opened without a lock.
            stack.enter_context(ExclusiveFileLock(f"{gettempdir()}/spearmint-{os.getuid()}-{name}.lock"))
        yield


class _ServerStore(_Experiments):
    """An MLflow server. MLflow's own client tries for minutes where there is no answer; this one does not."""

    def __init__(self, uri: str, timeout: float) -> None:
        super().__init__()
        self._creds = TracingClient(uri).store.get_host_creds
        self._timeout = timeout

    def _request(self, method: str, endpoint: str, **body: Any) -> Any:
        response = http_request(  # type: ignore[no-untyped-call]
            self._creds(), endpoint, method, max_retries=0, timeout=self._timeout, raise_on_status=False, **body
        )
        return verify_rest_response(response, endpoint)

    def _find(self, name: str) -> str | None:
        try:
            found = self._request("GET", f"{_EXPERIMENTS}/get-by-name?experiment_name={quote(name, safe='')}").json()
        except MlflowException as error:
            if error.error_code == _DOES_NOT_EXIST:
                return None
            raise
        return str(found["experiment"]["experiment_id"])

    def _make(self, name: str) -> str:
        return str(self._request("POST", f"{_EXPERIMENTS}/create", json={"name": name}).json()["experiment_id"])

    def save(self, experiment_id: str, traces: list[Trace]) -> list[BaseException | None]:
        errors: list[BaseException | None] = []
        gone: Exception | None = None
        for trace in traces:
            problem = gone
            if problem is None:
                try:
                    self._start(trace)
                except Exception as error:  # noqa: BLE001 - it is told and counted
                    problem = error
                    if _is_unreachable(error):
                        gone = error  # The others of the batch need not wait as long.
            errors.append(problem)
        begun = [trace for trace, error in zip(traces, errors, strict=True) if error is None]
        try:
            if begun:
                self._log_spans(experiment_id, begun)
        except Exception as error:  # noqa: BLE001 - as above
            errors = [one or error for one in errors]
        return errors

    def _start(self, trace: Trace) -> None:
        body = message_to_json(StartTraceV3(trace=Trace(trace.info, TraceData([])).to_proto()))  # type: ignore[no-untyped-call]
        self._request("POST", _TRACES, json=json.loads(body))

    def _log_spans(self, experiment_id: str, traces: list[Trace]) -> None:
        request = ExportTraceServiceRequest()
        block = request.resource_spans.add()
        block.resource.CopyFrom(resource_to_otel_proto(None))
        block.scope_spans.add().spans.extend(span.to_otel_proto() for trace in traces for span in trace.data.spans)
        headers = {"Content-Type": "application/x-protobuf", MLFLOW_EXPERIMENT_ID_HEADER: experiment_id}
        self._request("POST", OTLP_TRACES_PATH, data=request.SerializeToString(), extra_headers=headers)


def _is_unreachable(error: Exception) -> bool:
    """Tell whether a server gave no answer, rather than refusing one trace."""
    return isinstance(error, MlflowException) and type(error) is MlflowException and "API request to" in str(error)


def forget_connections() -> None:
    """Leave the database connections of a fork's parent alone, and let new ones be made."""
    for engine in [one for one in gc.get_objects() if type(one) is Engine]:
        engine.dispose(close=False)
