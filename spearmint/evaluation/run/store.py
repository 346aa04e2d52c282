"""A store of runs: results of every attempt, and whole outputs once per content, in one SQLite file."""

import json
import os
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from spearmint.evaluation.dataset import Dataset
from spearmint.evaluation.run.case_names import EvaluatedCase
from spearmint.evaluation.run.cell import Cell, CellResult
from spearmint.evaluation.run.identity import Identity, RowKey
from spearmint.evaluation.run.journal import StoredCell, result_of
from spearmint.evaluation.run.store_database import Database
from spearmint.evaluation.run.stored_output import encode_output, output_digest_of

_INSERT_RUN = """insert into runs(started, function, data, rows, repeats, cases, code, scorers, pid, host)
    values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_INSERT_CELL = """insert into cells(run, "case", row, repeat, attempt, is_failed, result, output)
    values (?, ?, ?, ?, ?, ?, ?, ?)"""
_INSERT_CONTENT = "insert or ignore into contents(digest, text) values (?, ?)"
_CELLS = 'select id, "case", row, repeat, attempt from cells where run = ? order by id'
_ONE_CELL = """select run, "case", row, repeat, result, text from cells left join contents on digest = output
    where id = ?"""


class RunHead(NamedTuple):
    """What was evaluated in a run.

    Attributes:
        id: Its number.
        cases: For each case its id, the digest of its assignment, and its configs.
        code: The version of the function.
        scorers: From each scorer to its version.
        rows: For each row number what it is recognised by.
    """

    id: int
    cases: Sequence[Mapping[str, Any]]
    code: str
    scorers: Mapping[str, str]
    rows: Mapping[int, RowKey]


class RunReader:
    """The results of all runs of a function.

    Args:
        database: The store.
        function: Name of the function.
    """

    def __init__(self, database: Database, function: str) -> None:
        self._function = function
        self._database = database
        self._heads: dict[int, RunHead] = {}

    def stored(self) -> Iterator[StoredCell]:
        """Yield what earlier runs of the function have, the oldest first; of results, the attempt alone."""
        with self._database.errors():
            ids = self._database.execute("select id from runs where function = ? order by id", self._function)
            for (run,) in ids.fetchall():
                head = self._head(run)
                for cell, case, row, repeat, attempt in self._database.execute(_CELLS, run):
                    yield _stored_cell(
                        head, cell, case, row, repeat, CellResult(0.0, None, {}, {}, None, attempt=attempt)
                    )

    def read(self, offset: int) -> StoredCell:
        """Return the result of a cell by its number."""
        with self._database.errors():
            run, case, row, repeat, result, text = self._database.execute(_ONE_CELL, offset).fetchone()
            head = self._head(run)
        made = result_of(json.loads(result))._replace(stored=text)
        return _stored_cell(head, offset, case, row, repeat, made)

    def _head(self, run: int) -> RunHead:
        if run not in self._heads:
            self._heads[run] = head_of(self._database, run)
        return self._heads[run]


class RunStore(RunReader):
    """The results of one run, written as they come, beside those of earlier runs of the same function.

    Args:
        path: The file; it is made if need be.
        function: Name of the function.

    Raises:
        EvaluationError: If the file is of something else, damaged, full, or held by another process.
    """

    def __init__(self, path: Path, function: str) -> None:
        super().__init__(Database(path), function)
        self.path = path
        self._run = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if error is None and self._run:
                with self._database.writing():
                    self._database.execute("update runs set ended = ? where id = ?", time.time(), self._run)
        finally:
            self._database.close()

    def begin(self, identity: Identity, cases: Sequence[EvaluatedCase], dataset: Dataset, repeats: int) -> None:
        """Begin a run; its rows are stored with it, so that outputs can be scored without the data."""
        told = [
            {"case_id": case.case_id, "digest": digest, "configs": encode_output(_configs(case))}
            for case, digest in zip(cases, identity.cases, strict=True)
        ]
        values = [time.time(), self._function, dataset.name, len(identity.rows), repeats, json.dumps(told)]
        values += [identity.code, json.dumps(dict(identity.scorers)), os.getpid(), socket.gethostname()]
        with self._database.writing():
            self._run = self._database.execute(_INSERT_RUN, *values).lastrowid or 0
            for row, key in zip(dataset.rows(), identity.rows, strict=False):
                text = encode_output({"inputs": dict(row.inputs), "expectations": dict(row.expectations)})
                content = None if text is None else self._kept(text)
                place = (self._run, row.number, key.inputs, key.nth, key.expectations, content)
                self._database.execute("insert into rows values (?, ?, ?, ?, ?, ?)", *place)

    def write(self, identity: Identity, cells: Sequence[Cell], results: Sequence[CellResult]) -> None:  # noqa: ARG002 - as the journal's
        """Write results; they outlive this process from here on."""
        digests = [None if one.stored is None else one.output_digest or output_digest_of(one.stored) for one in results]
        texts = {digest: one.stored for digest, one in zip(digests, results, strict=True) if digest}
        rows = (
            (
                *(self._run, cell.case, cell.row.number, cell.repeat, result.attempt, result.error is not None),
                *(json.dumps(result._replace(stored=None, digest=None)._asdict()), digest),
            )
            for cell, result, digest in zip(cells, results, digests, strict=True)
        )
        with self._database.writing():
            self._database.execute_many(_INSERT_CONTENT, iter(texts.items()))
            self._database.execute_many(_INSERT_CELL, rows)

    def _kept(self, text: str) -> bytes:
        digest = output_digest_of(text)
        self._database.execute(_INSERT_CONTENT, digest, text)
        return digest


def head_of(database: Database, run: int) -> RunHead:
    """Return what was evaluated in a run."""
    cases, code, scorers = database.execute("select cases, code, scorers from runs where id = ?", run).fetchone()
    found = database.execute("select number, inputs, nth, expectations from rows where run = ?", run)
    rows = {number: RowKey(*key) for number, *key in found}
    return RunHead(run, json.loads(cases), code, json.loads(scorers), rows)


def _stored_cell(head: RunHead, cell: int, case: int, row: int, repeat: int, result: CellResult) -> StoredCell:  # noqa: PLR0917
    told = head.cases[case]
    return StoredCell(cell, told["case_id"], told["digest"], head.rows[row], repeat, head.code, head.scorers, result)


def _configs(case: EvaluatedCase) -> dict[str, Any]:
    return {name: [config_id, dict(case.case.get_config(name))] for name, config_id in case.assignment.items()}
