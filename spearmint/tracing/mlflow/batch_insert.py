"""Many traces in one transaction: MLflow's store by itself takes one for each, and waits for the disk each time."""

import copy
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mlflow.entities import Trace
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from sqlalchemy import inspect


class Transaction:
    """Writes traces through a copy of MLflow's store whose every session is that of one transaction.

    Args:
        store: MLflow's store, which others use too and which stays as it is.
    """

    def __init__(self, store: SqlAlchemyStore) -> None:
        self._store: Any = store
        self._shared: Any = copy.copy(self._store)
        vars(self._shared).update(ManagedSessionMaker=self._session, get_experiment=self._experiment)
        self._current: Any = None
        self._experiments: dict[str, Any] = {}

    def save(self, experiment_id: str, traces: list[Trace]) -> None:
        """Write traces, all or none."""
        self._experiments.clear()
        with self._store.ManagedSessionMaker(read_only=False) as session:
            self._current = made = _CollectingSession(session)
            try:
                for trace in traces:
                    self._shared.start_trace(trace.info)
                made.insert()
                self._shared.log_spans(experiment_id, [span for trace in traces for span in trace.data.spans])
                made.insert()
            finally:
                self._current = None

    @contextmanager
    def _session(self, read_only: bool = True) -> Iterator[Any]:  # noqa: ARG002, FBT001, FBT002 - as MLflow has it
        yield self._current

    def _experiment(self, experiment_id: str) -> Any:
        """Return an MLflow experiment, looked up once in a transaction instead of once for each trace."""
        if experiment_id not in self._experiments:
            find: Any = SqlAlchemyStore.get_experiment
            self._experiments[experiment_id] = find(self._shared, experiment_id)
        return self._experiments[experiment_id]


class _CollectingSession:
    """A session that keeps the rows that are added, to be inserted together: a statement for each table, not each row.

    Args:
        session: The session of the transaction, which does all else.
    """

    def __init__(self, session: Any) -> None:
        self._session = session
        self._rows: dict[tuple[type, Any], Any] = {}
        self._inserted: set[tuple[type, Any]] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def add(self, trace: Any) -> None:
        """Keep a row of ``trace_info``, and those of other tables that hang from it."""
        for row in (trace, *trace.tags, *trace.request_metadata, *trace.assessments):
            self._keep(row)

    def merge(self, row: Any) -> None:
        """Keep a row that takes the place of an equal one; where that is inserted already, it is changed at once."""
        if _key(row) in self._inserted:
            self._session.merge(row)
        else:
            self._keep(row)

    def flush(self) -> None:
        """Insert nothing yet."""

    def insert(self) -> None:
        """Insert all rows that are kept, in the order of their tables."""
        by_table: dict[type, list[Any]] = defaultdict(list)
        for row in self._rows.values():
            by_table[type(row)].append(row)
        for rows in by_table.values():
            self._session.bulk_save_objects(rows)
        self._inserted.update(self._rows)
        self._rows.clear()

    def _keep(self, row: Any) -> None:
        key = _key(row)
        self._rows[key if None not in key[1] else (type(row), id(row))] = row


def _key(row: Any) -> tuple[type, Any]:
    """Return the table of a row and its primary key."""
    return type(row), tuple(inspect(type(row)).primary_key_from_instance(row))
