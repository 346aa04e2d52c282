"""What a store holds, run by run; runs out of it; and runs and outputs taken out that are not needed any more."""

import os
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from spearmint.errors import EvaluationError
from spearmint.evaluation.run.journal import head_line, result_line
from spearmint.evaluation.run.store import RunReader
from spearmint.evaluation.run.store_database import Database

_RUNS = """select id, started, ended, function, data, json_array_length(cases), rows, pid, host,
    (select count(*) from cells where run = runs.id), (select total(is_failed) from cells where run = runs.id)
    from runs order by id"""
_UNUSED = """delete from contents where digest not in (select output from cells where output is not null)
    and digest not in (select content from rows where content is not null)"""
_DAY = 86_400


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run in a store.

    Attributes:
        id: Its number.
        started: When it began, in seconds since 1970.
        function: Name of the function.
        data: What its rows are called.
        configs: How many cases it compared.
        rows: How many rows.
        cells: How many results are there, of every attempt.
        failed: How many of them failed.
        state: ``"ended"``, ``"running"``, or ``"interrupted"``; on another machine ``"open"``, as that cannot be told.
    """

    id: int
    started: float
    function: str
    data: str
    configs: int
    rows: int
    cells: int
    failed: int
    state: str


@dataclass(frozen=True, slots=True)
class Removed:
    """What was taken out of a store: how many runs, cells, and outputs and rows, and how many bytes."""

    runs: int
    cells: int
    contents: int
    bytes: int


def list_runs(path: Path) -> list[StoredRun]:
    """Return the runs in a store, the oldest first.

    Raises:
        EvaluationError: If it is no store.
    """
    with closing(Database(path, is_made=False)) as database:
        return list(_runs(database))


def remove_runs(path: Path, *, keep: int | None = None, days: float | None = None) -> Removed:
    """Take runs out of a store, and what no run has any more.

    Args:
        path: The file.
        keep: How many runs of each function stay, the last ones; None for all.
        days: Runs that began longer ago are taken out; None for none.

    Raises:
        EvaluationError: If it is no store, or another process writes to it for too long.
    """
    before = path.stat().st_size if path.is_file() else 0
    with closing(Database(path, is_made=False)) as database:
        with database.writing():
            chosen = [run.id for run in _superfluous(list(_runs(database)), keep, days)]
            cells = 0
            for run in chosen:
                cells += database.execute("delete from cells where run = ?", run).rowcount
                database.execute("delete from rows where run = ?", run)
                database.execute("delete from runs where id = ?", run)
            contents = database.execute(_UNUSED).rowcount
        with database.errors():
            database.execute("vacuum")
            database.execute("pragma wal_checkpoint(truncate)")
    return Removed(len(chosen), cells, contents, before - path.stat().st_size)


def export_lines(path: Path, run: int) -> Iterator[str]:
    """Yield the lines of a run in the form that ``resume=`` reads.

    Raises:
        EvaluationError: If it is no store, or there is no such run.
    """
    with closing(Database(path, is_made=False)) as database:
        function = function_of(database, run)
        yield head_line(function)
        reader = RunReader(database, function)
        for offset, row in database.execute("select id, row from cells where run = ? order by id", run).fetchall():
            yield result_line(reader.read(offset), row)


def function_of(database: Database, run: int) -> str:
    """Return the name of the function of a run.

    Raises:
        EvaluationError: If there is no such run.
    """
    found = database.execute("select function from runs where id = ?", run).fetchone()
    if found is None:
        known = ", ".join(str(one.id) for one in _runs(database)) or "none"
        raise EvaluationError(f"Cannot find run {run} in {str(database.path)!r}: there are {known}. Give one of them.")
    return str(found[0])


def _runs(database: Database) -> Iterator[StoredRun]:
    with database.errors():
        found = database.execute(_RUNS).fetchall()
    for run, started, ended, function, data, configs, rows, pid, host, cells, failed in found:
        state = "ended" if ended is not None else _state(pid, host)
        yield StoredRun(run, started, function, data, configs, rows, cells, int(failed), state)


def _superfluous(runs: list[StoredRun], keep: int | None, days: float | None) -> Iterator[StoredRun]:
    of_function: dict[str, int] = {}
    for run in reversed(runs):
        later = of_function.get(run.function, 0)
        of_function[run.function] = later + 1
        is_old = days is not None and time.time() - run.started > days * _DAY
        is_beyond = keep is not None and later >= keep
        if (is_old or is_beyond) and run.state not in ("running", "open"):
            yield run


def _state(pid: int, host: str) -> str:
    """Say what became of a run that has not ended properly."""
    if host != socket.gethostname():
        return "open"
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return "interrupted"
    except OSError:  # It belongs to another user.
        return "running"
    return "running"
