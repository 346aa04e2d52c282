"""The SQLite file of a store: made, recognised, and read and written with errors that say what to do."""

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from spearmint.errors import EvaluationError

APPLICATION = 0x5350524D
VERSION = 1
BUSY_SECONDS = [30.0]
"""How long to wait for another process that writes."""

_SCHEMA = (
    """create table runs(
    id integer primary key autoincrement, started real not null, ended real, function text not null, data text not null,
    rows integer not null, repeats integer not null, cases text not null, code text not null, scorers text not null,
    pid integer not null, host text not null)""",
    """create table rows(
    run integer not null, number integer not null, inputs text not null, nth integer not null,
    expectations text not null, content blob, primary key(run, number)) without rowid""",
    """create table cells(
    id integer primary key, run integer not null, "case" integer not null, row integer not null,
    repeat integer not null, attempt integer not null, is_failed integer not null, result text not null,
    output blob)""",
    "create index cells_of_run on cells(run)",
    "create table contents(digest blob primary key, text text not null) without rowid",
)
# One writer per process: threads that write to one file take turns, rather than wait for SQLite's lock.
_writers: dict[str, threading.RLock] = {}
_writers_lock = threading.Lock()


class Database:
    """A connection to the file of a store, for one thread.

    Args:
        path: The file.
        is_made: Whether it is made where there is none.

    Raises:
        EvaluationError: If it is something else, of a later version, or cannot be opened.
    """

    def __init__(self, path: Path, *, is_made: bool = True) -> None:
        self.path = path
        with _writers_lock:
            self._writer = _writers.setdefault(os.path.realpath(path), threading.RLock())
        if path.exists() and not path.is_file():
            raise self.refused("it is no file")
        if not path.exists() and not is_made:
            raise self.refused("there is no such file")
        with self.errors():
            if is_made:
                _touch(path)
            self._connection = sqlite3.connect(path, timeout=BUSY_SECONDS[0], isolation_level=None)
        try:
            with self.errors():
                self._prepare()
        except BaseException:
            self._connection.close()
            raise

    def close(self) -> None:
        """Close it; it may be called twice."""
        self._connection.close()

    def execute(self, statement: str, *values: object) -> sqlite3.Cursor:
        """Run a statement."""
        return self._connection.execute(statement, values)

    def execute_many(self, statement: str, values: Iterator[tuple[object, ...]]) -> None:
        """Run a statement for each of several rows of values."""
        with closing(self._connection.executemany(statement, values)):
            pass

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Write all that is written inside, or nothing."""
        with self._writer, self.errors():
            self.execute("begin immediate")
            try:
                yield
            except BaseException:
                with suppress(sqlite3.Error):
                    self.execute("rollback")
                raise
            self.execute("commit")

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turn errors of SQLite and of the system into ours."""
        try:
            yield
        except sqlite3.OperationalError as error:
            raise self._failed(str(error)) from error
        except sqlite3.DatabaseError as error:
            cause = f"it is no store, or damaged ({error})"
            raise self.refused(cause) from error
        except OSError as error:
            raise self._failed(error.strerror or type(error).__name__) from error

    def refused(self, cause: str) -> EvaluationError:
        """Return the error for a file that is none of ours."""
        return EvaluationError(f"Cannot use {str(self.path)!r} as a store: {cause}. Give another path.")

    def _failed(self, cause: str) -> EvaluationError:
        advice = "What was written before stays. Mend that, and run the same again with cache=True to go on"
        if "locked" in cause or "busy" in cause:
            cause = f"another process has been writing to it for {BUSY_SECONDS[0]:g} s ({cause})"
        return EvaluationError(f"Cannot use the store {str(self.path)!r}: {cause}. {advice}.")

    def _prepare(self) -> None:
        self._check()
        self.execute("pragma journal_mode = wal")  # On a file system that has no WAL, another mode stays.
        self.execute("pragma synchronous = normal")  # Kills lose nothing; a power cut may lose the last results.
        if self._is_new:
            with self.writing():
                self._check()  # Another process may have been faster.
                if self._is_new:
                    for statement in _SCHEMA:
                        self.execute(statement)
                    self.execute(f"pragma application_id = {APPLICATION}")
                    self.execute(f"pragma user_version = {VERSION}")

    @property
    def _is_new(self) -> bool:
        return not self._number("select count(*) from sqlite_master")

    def _check(self) -> None:
        """Refuse a database that is not ours, or of a later version."""
        if self._is_new:
            return
        if self._number("pragma application_id") != APPLICATION:
            raise self.refused("it is a database of something else")
        version = self._number("pragma user_version")
        if version != VERSION:
            cause = f"its format is {version}, and this version of Spearmint reads {VERSION}"
            raise self.refused(cause)

    def _number(self, statement: str) -> int:
        return int(self.execute(statement).fetchone()[0])


def _touch(path: Path) -> None:
    """Make a file that its owner alone can read, and a folder of the same kind where there is none."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
