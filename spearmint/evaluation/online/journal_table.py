"""Journals of many processes and hosts, read once into a table, and asked in SQL."""

import glob
import importlib
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from spearmint.errors import EvaluationError

JournalPath = str | os.PathLike[str]
_MEMORY = "3GB"
_ENDINGS = (".jsonl", ".jsonl.gz")
_SQL_STRING = "VARCHAR"
# From a column to the key that records have, and its type.
_COLUMNS = {
    "time": ("time", "BIGINT"),
    "experiment": ("feature_flag.key", _SQL_STRING),
    "arm": ("feature_flag.result.variant", _SQL_STRING),
    "version": ("feature_flag.version", _SQL_STRING),
    "unit": ("feature_flag.context.id", _SQL_STRING),
    "main": ("spearmint.main", _SQL_STRING),
    "propensity": ("spearmint.propensity", "DOUBLE"),
    "name": ("name", _SQL_STRING),
    "value": ("value", "DOUBLE"),
    "count": ("count", "BIGINT"),
}
# Of these, few combinations occur: each has a number, and a line has that number alone.
_LABELS = ("experiment", "arm", "version", "main", "name")
_LABEL_NUMBER = f"hash({', '.join(_LABELS)})"
_FIRST_LINES = 5000  # of which labels are known before all lines are read
# The same of the few records that are accounts, which have one column together.
_ACCOUNT = {
    "process": _SQL_STRING,
    "account": _SQL_STRING,
    "is_last": "BOOLEAN",
    "lines": "BIGINT",
    "repeated": "BIGINT",
    "dropped": "BIGINT",
    "failed": "BIGINT",
    "missing_unit": "BIGINT",
}
_TYPE = """
    CASE type
        WHEN 'exposure' THEN CASE WHEN experiment IS NOT NULL AND arm IS NOT NULL AND unit IS NOT NULL
            AND time IS NOT NULL THEN 'exposure' END
        WHEN 'outcome' THEN CASE WHEN name IS NOT NULL AND value IS NOT NULL AND time IS NOT NULL THEN 'outcome' END
        WHEN 'account' THEN CASE WHEN process IS NOT NULL THEN 'account' END
        WHEN 'shadow' THEN CASE WHEN experiment IS NOT NULL AND arm IS NOT NULL AND unit IS NOT NULL THEN 'shadow' END
    END::ENUM ('exposure', 'outcome', 'account', 'shadow')
"""
_GROUPS = """
    CREATE TABLE groups AS
    SELECT * EXCLUDE (label) FROM (
        SELECT type, label, file, count IS NOT NULL AS has_count, unit IS NOT NULL AS has_unit, count(*) AS records,
            min(time) AS first, max(time) AS last, min(propensity) AS lowest, max(propensity) AS highest,
            count(*) FILTER (type = 'exposure' AND NOT coalesce(propensity > 0 AND propensity <= 1, false)) AS unknown
        FROM numbered GROUP BY ALL
    ) JOIN labels USING (label)
"""


class JournalTable:
    """All records of journals, in a database of which what does not fit into memory is on disk.

    Args:
        connection: Of DuckDB. It has the tables ``lines``, whose ``type`` is nothing for a line that is no record,
            ``groups`` of what lines have in common, with their number, ``accounts`` and ``files``.
        files: The files that were read.
    """

    def __init__(self, connection: Any, files: Sequence[str]) -> None:
        self._connection = connection
        self.files = tuple(files)

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        """Run a statement."""
        self._connection.execute(sql, list(parameters))

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows that a query gives."""
        found: list[tuple[Any, ...]] = self._connection.execute(sql, list(parameters)).fetchall()
        return found

    def arrays(self, sql: str, parameters: Sequence[Any] = ()) -> dict[str, Any]:
        """Return the columns that a query gives, as arrays."""
        found: dict[str, Any] = self._connection.execute(sql, list(parameters)).fetchnumpy()
        return found


@contextmanager
def open_journals(journal: JournalPath | Iterable[JournalPath]) -> Iterator[JournalTable]:
    """Read journals into a table, which is gone when the context ends; what does not fit stays on disk.

    Args:
        journal: Folders, which are read with all folders in them, files, and patterns of files.

    Raises:
        EvaluationError: If there is no journal, or DuckDB is not installed.
    """
    files = journal_files(journal)
    try:
        duckdb: Any = importlib.import_module("duckdb")
    except ModuleNotFoundError as error:
        advice = "Install it with: pip install 'spearmint-experiments[online]'"
        raise EvaluationError(f"Cannot read journals: {error}. {advice}.") from error
    with tempfile.TemporaryDirectory(prefix="spearmint-report-") as folder:
        settings = {
            "memory_limit": _MEMORY,
            "temp_directory": folder,
            "preserve_insertion_order": "false",
            "autoinstall_known_extensions": "false",
        }
        # A database on disk would be compressed, which takes longer than all that is asked of it.
        with duckdb.connect(config=settings) as connection:
            table = JournalTable(connection, files)
            try:
                _load(table)
            except duckdb.Error as error:
                cause = str(error).partition("\n")[0]
                raise EvaluationError(f"Cannot read the journal {files[0]!r}: {cause}. Give journals alone.") from error
            yield table


def _load(table: JournalTable) -> None:
    kinds = {"type": _SQL_STRING, **dict(_COLUMNS.values()), **_ACCOUNT}
    keys = ", ".join(f"'{key}': '{kind}'" for key, kind in kinds.items())
    names = ", ".join(f'"{key}" AS "{name}"' for name, (key, _) in _COLUMNS.items())
    files = [glob.escape(file) for file in table.files]
    source = f"""(
        SELECT type, {names}, {", ".join(_ACCOUNT)}, hash(filename) AS file
        FROM read_json(?, format = 'newline_delimited', ignore_errors = true, filename = true, columns = {{{keys}}})
    )"""  # noqa: S608 - names of our own
    labels = ", ".join(_LABELS)
    table.run(
        f"""
        CREATE TABLE labels AS SELECT DISTINCT {_LABEL_NUMBER} AS label, {labels} FROM (
            SELECT {labels} FROM (SELECT {labels} FROM {source} LIMIT {_FIRST_LINES})
            UNION ALL SELECT {", ".join(["NULL"] * len(_LABELS))}
        )
        """,  # noqa: S608 - as above
        [files],
    )
    known = ", ".join(str(number) for (number,) in table.rows("SELECT label FROM labels LIMIT 1000"))
    # A text for each line takes a tenth of the time, so that what few lines have is one text.
    account, others = (", ".join(f"'{name}': {name}" for name in names) for names in (_ACCOUNT, _LABELS))
    numbers = ", ".join(name for name in _COLUMNS if name not in _LABELS)
    table.run(
        f"""
        CREATE TABLE numbered AS SELECT {_TYPE} AS type, {numbers}, file, {_LABEL_NUMBER} AS label,
            CASE WHEN type = 'account' THEN to_json({{{account}}})::VARCHAR END AS account,
            CASE WHEN label NOT IN ({known}) THEN to_json({{{others}}})::VARCHAR END AS unknown
        FROM {source}
        """,  # noqa: S608 - as above
        [files],
    )
    told = ", ".join(f"unknown->>'{name}'" for name in _LABELS)
    table.run(f"INSERT INTO labels SELECT DISTINCT label, {told} FROM numbered WHERE unknown IS NOT NULL")  # noqa: S608
    table.run("CREATE VIEW lines AS SELECT * FROM numbered JOIN labels USING (label)")
    table.run("CREATE TABLE files AS SELECT unnest(?) AS path, hash(unnest(?)) AS file", [[*table.files]] * 2)
    table.run(_GROUPS)
    told = ", ".join(f"(account->>'{name}')::{kind} AS {name}" for name, kind in _ACCOUNT.items())
    table.run(f"CREATE TABLE accounts AS SELECT {told} FROM numbered WHERE type = 'account'")  # noqa: S608


def journal_files(journal: JournalPath | Iterable[JournalPath]) -> list[str]:
    """Return the files of journals, each once.

    Raises:
        EvaluationError: If one of them has none.
    """
    asked = [journal] if isinstance(journal, str | os.PathLike) else list(journal)
    if not asked:
        raise EvaluationError("Cannot read journals: none is named. Give the folder that online: journal names.")
    found: dict[str, None] = {}
    for one in asked:
        files = _files_of(Path(one))
        if not files:
            advice = "Give the folder that `online: journal` names, or its files"
            raise EvaluationError(f"Cannot read the journal {os.fspath(one)!r}: it has no .jsonl file. {advice}.")
        found |= dict.fromkeys(files)
    return list(found)


def _files_of(path: Path) -> list[str]:
    if path.is_dir():
        return sorted(str(file.resolve()) for file in path.rglob("*") if file.name.endswith(_ENDINGS))
    if path.is_file():
        return [str(path.resolve())]
    matches = glob.glob(str(path), recursive=True)  # noqa: PTH207 - a pattern may be absolute
    return sorted(file for match in matches for file in _files_of(Path(match)))


def process_of(file: str) -> str:
    """Return the process that has written a file: what its name begins with."""
    name = re.split(r"[/\\]", file)[-1]
    return re.sub(r"(\.\d{4,})?\.jsonl(\.gz)?$", "", name)
