"""Where MLflow keeps traces: a database or folder through its own store, or a server."""

import errno
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from tempfile import gettempdir
from typing import Any, Protocol
from urllib.parse import urlsplit

from mlflow.entities import Trace
from mlflow.exceptions import MlflowException
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.tracing.client import TracingClient
from mlflow.tracing.constant import SpansLocation, TraceTagKey
from mlflow.utils.file_utils import ExclusiveFileLock
from sqlalchemy import Engine, make_url

from spearmint.redaction import redactor
from spearmint.tracing.mlflow.batch_insert import Transaction
from spearmint.tracing.mlflow.experiment_ids import ExperimentIds
from spearmint.tracing.mlflow.server_store import ServerStore, missing_or


class Store(Protocol):
    """Where traces go."""

    def experiment_id(self, name: str) -> str:
        """Return the id of the MLflow experiment of a name, which is made if need be."""

    def default_experiment_id(self) -> str:
        """Return the id of the experiment that MLflow takes when none was chosen in this process."""

    def save(self, experiment_id: str, traces: list[Trace]) -> list[BaseException | None]:
        """Write finished traces, and tell of each what went wrong, or None."""

    def assess(self, assessments: list[Any]) -> list[BaseException | None]:
        """Write assessments of traces, and tell of each what went wrong, or None."""


def open_store(uri: str, timeout: float) -> Store:
    """Return the store of a tracking URI; its schema is made if need be. A server may take ``timeout`` seconds."""
    return ServerStore(uri, timeout) if urlsplit(uri).scheme in ("http", "https") else _LocalStore(uri)


class _LocalStore(ExperimentIds):
    """A database, a folder, or what else MLflow has a store for."""

    def __init__(self, uri: str) -> None:
        super().__init__()
        self._uri = uri
        with _alone(uri):
            self._client = _open(uri)
            self._store = self._client.store
        self._transaction = Transaction(self._store) if isinstance(self._store, SqlAlchemyStore) else None

    def _find(self, name: str) -> str | None:
        found = self._store.get_experiment_by_name(name)
        return None if found is None else str(found.experiment_id)

    def _make(self, name: str) -> str:
        return str(self._store.create_experiment(name))

    def save(self, experiment_id: str, traces: list[Trace]) -> list[BaseException | None]:
        """Write finished traces, in one transaction where the store has some."""
        return [error and _explained(error, self._uri) for error in self._save(experiment_id, traces)]

    def _save(self, experiment_id: str, traces: list[Trace]) -> list[BaseException | None]:
        if self._transaction is not None:
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

    def assess(self, assessments: list[Any]) -> list[BaseException | None]:
        """Write assessments of traces, and tell of each what went wrong, or None."""
        errors: list[BaseException | None] = []
        for assessment in assessments:
            try:
                self._store.create_assessment(assessment)
                errors.append(None)
            except Exception as error:  # noqa: BLE001 - it is told and counted
                errors.append(_explained(missing_or(error, assessment.trace_id), self._uri))
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


def _open(uri: str) -> TracingClient:
    """Open a store, its tables made if need be; take back a new file whose tables could not all be made."""
    file = sqlite_file(uri)
    is_new = file is not None and (not file.exists() or not file.stat().st_size)
    try:
        return TracingClient(uri)
    except Exception as error:
        if is_new and file is not None:  # Half of the tables would be in the way of the next attempt.
            _discard_engine(uri)
            with suppress(OSError):
                file.unlink(missing_ok=True)
        explained = _explained(error, uri)
        if explained is error:
            raise
        raise explained from error


def sqlite_file(uri: str) -> Path | None:
    """Return the file of an SQLite database; None where a URI names something else."""
    if not urlsplit(uri).scheme.startswith("sqlite"):
        return None
    database = make_url(uri).database
    return None if database in (None, "", ":memory:") else Path(database)


def _explained(error: BaseException, uri: str) -> BaseException:
    """Return an error that names its cause, where MLflow's names a consequence of it or shows statements only."""
    text = str(error)
    place = redactor().hide(uri)
    if "disk is full" in text:
        message = f"Cannot write traces to {place!r}: the disk is full. Make room, or set another tracking_uri"
        return OSError(errno.ENOSPC, message)
    if sqlite_file(uri) is not None and "already exists" in text and "table" in text:
        message = (
            f"Cannot write traces to {place!r}: it has only some of MLflow's tables, as after a full disk or a kill "
            "while they were made. Move the file away, and it is made anew"
        )
        return OSError(errno.EEXIST, message)
    return error


@contextmanager
def _alone(uri: str) -> Iterator[None]:
    """Let no other process of this user open the same store meanwhile: two that make its tables at once spoil them."""
    with ExitStack() as stack:
        name = sha256(f"{uri} {Path.cwd()}".encode()).hexdigest()[:16]
        with suppress(Exception):  # On Windows, or without a folder to write to, it is opened without a lock.
            stack.enter_context(ExclusiveFileLock(f"{gettempdir()}/spearmint-{os.getuid()}-{name}.lock"))
        yield


# MLflow keeps the engines of its stores, one for each database, nowhere else.
_engines: dict[str, Engine] = SqlAlchemyStore._engine_map  # noqa: SLF001


def _discard_engine(uri: str) -> None:
    """Close the connections to a database that is taken back."""
    if engine := _engines.pop(uri, None):
        engine.dispose()


def forget_connections() -> None:
    """Leave the database connections of a fork's parent alone, and let new ones be made."""
    for engine in tuple(_engines.values()):
        engine.dispose(close=False)
