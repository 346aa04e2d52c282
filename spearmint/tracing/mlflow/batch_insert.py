"""Many traces in one transaction: MLflow's store by itself takes one for each, and waits for the disk each time."""

import copy
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from inspect import signature
from typing import Any

from mlflow.entities import Trace
from mlflow.entities.lifecycle_stage import LifecycleStage
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from sqlalchemy import event, insert, inspect

from spearmint.tracing.mlflow.trace_rows import WRITTEN, differing_tables, says_only_ours, table_rows


class Transaction:
    """Writes traces through a copy of MLflow's store whose every session is that of one transaction.

    The first batch is written by MLflow's own code. Where its rows are those that `table_rows` gives, later ones are
    inserted without that code, which takes several times as long; else all are written as the first.

    Args:
        store: MLflow's store, which others use too and which stays as it is.

    Attributes:
        is_direct: Whether rows are inserted without MLflow's code; None as long as that is not known.
    """

    def __init__(self, store: SqlAlchemyStore) -> None:
        self._store: Any = store
        # Only there, MLflow escapes what is not ASCII.
        self.is_direct: bool | None = False if self._store.db_type == "mssql" else None
        maker = self._store.ManagedSessionMaker
        # Earlier versions of MLflow do not ask.
        writes = {"read_only": False} if "read_only" in signature(maker).parameters else {}
        self._begin: Callable[[], AbstractContextManager[Any]] = partial(maker, **writes)
        self._shared: Any = copy.copy(self._store)
        vars(self._shared).update(ManagedSessionMaker=self._session, get_experiment=self._experiment)
        self._current: Any = None
        self._experiments: dict[str, Any] = {}

    def save(self, experiment_id: str, traces: list[Trace]) -> None:
        """Write traces, all or none."""
        self._experiments.clear()
        plain = [trace for trace in traces if says_only_ours(trace)] if self.is_direct is not False else []
        is_direct = self.is_direct
        with self._begin() as session:
            self._current = _CollectingSession(session)
            try:
                if is_direct and plain and self._is_active(experiment_id):
                    self._insert(session, experiment_id, plain)
                    by_id = {trace.info.trace_id for trace in plain}
                    self._save(experiment_id, [trace for trace in traces if trace.info.trace_id not in by_id])
                elif is_direct is None and plain:
                    is_direct = self._save_and_compare(session, experiment_id, traces, plain)
                else:
                    self._save(experiment_id, traces)
            finally:
                self._current = None
        self.is_direct = is_direct

    def _insert(self, session: Any, experiment_id: str, traces: list[Trace]) -> None:
        connection = session.connection()
        for table, rows in table_rows(traces, self._experiment(experiment_id)).items():
            connection.execute(insert(table), rows)

    def _save(self, experiment_id: str, traces: list[Trace]) -> None:
        """Write traces by MLflow's own code."""
        if not traces:
            return
        made = self._current
        for trace in traces:
            self._shared.start_trace(trace.info)
        made.insert()
        self._shared.log_spans(experiment_id, [span for trace in traces for span in trace.data.spans])
        made.insert()

    def _save_and_compare(self, session: Any, experiment_id: str, traces: list[Trace], plain: list[Trace]) -> bool:
        """Write traces by MLflow's own code, and tell whether plain ones could have been inserted without it."""
        tables: set[str | None] = set()

        def note(_connection: Any, _cursor: Any, _statement: str, _parameters: Any, context: Any, _many: bool) -> None:  # noqa: FBT001 - as SQLAlchemy calls it
            if context is not None and (context.isinsert or context.isupdate or context.isdelete):
                tables.add(context.compiled.statement.table.name if context.compiled else None)

        connection = session.connection()
        event.listen(connection, "before_cursor_execute", note)
        try:
            self._save(experiment_id, traces)
        finally:
            event.remove(connection, "before_cursor_execute", note)
        return tables <= WRITTEN and not differing_tables(session, plain, self._experiment(experiment_id))

    def _is_active(self, experiment_id: str) -> bool:
        """Tell whether an experiment takes traces; where it does not, MLflow's own code says why."""
        return bool(self._experiment(experiment_id).lifecycle_stage == LifecycleStage.ACTIVE)

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
        self._keep(trace)
        for relation in inspect(type(trace)).relationships:
            for row in getattr(trace, relation.key) if relation.uselist else ():
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
