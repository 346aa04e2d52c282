"""Many traces in one transaction: MLflow's store by itself takes one for each, and waits for the disk each time."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mlflow.entities import Trace
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore


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
            self._current = session
            try:
                for trace in traces:
                    self._shared.start_trace(trace.info)
                self._shared.log_spans(experiment_id, [span for trace in traces for span in trace.data.spans])
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
