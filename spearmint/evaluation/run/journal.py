"""The file of a run that can be resumed: each result is written as it comes, and is there after a kill.

A text file that one can read, grep and repair, rather than a database: one process writes it, and lines are only added.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, NoReturn, Protocol, Self

from spearmint.errors import EvaluationError
from spearmint.evaluation.run.cell import Cell, CellResult
from spearmint.evaluation.run.identity import Identity, RowKey
from spearmint.evaluation.usage import CellUsage

_FORMAT = 2
_LONGEST_HEAD = 65_536  # bytes of the first line


@dataclass(frozen=True, slots=True)
class StoredCell:
    """A line of the file.

    Attributes:
        offset: Where the line begins, in bytes.
        case_id: The id of the case.
        case: Digest of its assignment.
        row: The row by content.
        repeat: Which repetition.
        code: The version of the function.
        scorers: From each scorer to its version.
        result: What came of the cell.
    """

    offset: int
    case_id: str
    case: str
    row: RowKey
    repeat: int
    code: str
    scorers: Mapping[str, str]
    result: CellResult


class ResultLog(Protocol):
    """What results are written to and read from."""

    @property
    def path(self) -> Path:
        """The file."""

    def stored(self) -> Iterator[StoredCell]:
        """Yield what is there, in its order; of the results, the attempts at least."""

    def read(self, offset: int) -> StoredCell:
        """Return a whole result."""

    def write(self, identity: Identity, cells: Sequence[Cell], results: Sequence[CellResult]) -> None:
        """Write results."""


def worth_keeping(cells: Sequence[Cell], results: Sequence[CellResult]) -> tuple[list[Cell], list[CellResult]]:
    """Return cells and results without those whose function no service would take; scores may still be missing."""
    pairs = [(cell, one) for cell, one in zip(cells, results, strict=True) if not (one.refusal and one.error)]
    return [cell for cell, _ in pairs], [result for _, result in pairs]


def result_of(entry: Mapping[str, Any]) -> CellResult:
    """Return the result that JSON has made a dict of.

    Raises:
        KeyError: If something is missing.
        TypeError: If its usage is none.
    """
    result = CellResult(**{name: entry[name] for name in CellResult._fields})
    return result._replace(usage=CellUsage.of(result.usage))


class Journal:
    """A JSONL file: a line that says what is evaluated, then one line per run of a cell, of which the last counts.

    A line is one write, so that a kill can tear the last line only; a torn one is cut off when the file is opened.

    Args:
        path: The file; it is made if need be.
        function: Name of the function.

    Raises:
        EvaluationError: If the file is of something else, damaged, full, or in use by another run.
    """

    def __init__(self, path: Path, function: str) -> None:
        self.path = path
        self._head = _head_of(function)
        self._file: IO[bytes] | None = None
        self._reader: IO[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if self.path.exists() and not self.path.is_file():
                self._refuse("it is no file")
            self._file = open(self.path, "a+b", buffering=0, opener=_open_own)
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            self._claim()
            self._begin()
            self._reader = self.path.open("rb")
        except OSError as error:
            self._file.close()
            raise self._unwritable(error) from error
        except BaseException:
            self._file.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._opened.close()
        if self._reader is not None:
            self._reader.close()

    @property
    def _opened(self) -> IO[bytes]:
        assert self._file is not None  # noqa: S101 - it is used inside `with` only
        return self._file

    def stored(self) -> Iterator[StoredCell]:
        """Yield what is there, in the order of the file."""
        with self.path.open("rb") as file:
            offset = len(file.readline())
            for number, line in enumerate(file, start=2):
                yield self._parsed(line, offset, f":{number}")
                offset += len(line)

    def read(self, offset: int) -> StoredCell:
        """Return the result whose line begins at an offset."""
        assert self._reader is not None  # noqa: S101 - it is used inside `with` only
        self._reader.seek(offset)
        return self._parsed(self._reader.readline(), offset, f" at byte {offset}")

    def write(self, identity: Identity, cells: Sequence[Cell], results: Sequence[CellResult]) -> None:
        """Write results; they outlive this process from here on."""
        lines = []
        for cell, result in zip(cells, results, strict=True):
            case, case_id = identity.cases[cell.case], identity.case_ids[cell.case]
            row = identity.rows[cell.row.number]
            told = StoredCell(0, case_id, case, row, cell.repeat, identity.code, identity.scorers, result)
            lines.append(result_line(told, cell.row.number).encode())
        try:
            self._append(b"".join(lines))
        except OSError as error:
            raise self._unwritable(error) from error

    def _append(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            left = left[self._opened.write(left) :]

    def _parsed(self, line: bytes, offset: int, place: str) -> StoredCell:
        try:
            entry = json.loads(line)
            entry = {**_LATER, **entry}
            result = result_of(entry)
            _check_types(entry)
            row = RowKey(entry["inputs"], entry["nth"], entry["expectations"])
            return StoredCell(
                offset, entry["case_id"], entry["case"], row, entry["repeat"], entry["code"], entry["scorers"], result
            )
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            message = f"Cannot resume from {self.path}{place}: the line is no result of a run ({error!r:.200})."
            raise EvaluationError(f"{message} Take the line out, or give another path.") from error

    def _claim(self) -> None:
        """Refuse to share the file with another process that writes to it, where the system can tell."""
        with suppress(ImportError):  # There is no fcntl on Windows.
            import fcntl  # noqa: PLC0415

            try:
                fcntl.flock(self._opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                message = f"Cannot resume from {str(self.path)!r}: another run is writing to it. Give another path."
                raise EvaluationError(message) from error
            except OSError:  # a file system without locks
                return

    def _begin(self) -> None:
        """Read the first line, and write it if there is none; only what is ours is touched."""
        file = self._opened
        file.seek(0)
        first = file.read(_LONGEST_HEAD)
        line, newline, _ = first.partition(b"\n")
        if not newline and _line(self._head).startswith(line):  # new, or torn in its first line
            file.truncate(0)
            self._append(_line(self._head))
            return
        try:
            head = json.loads(line) if newline else None
        except (ValueError, RecursionError):
            head = None
        if not isinstance(head, dict) or head.get("spearmint") != "evaluation":
            self._refuse("it is not the file of a run")
        if head.get("format") != _FORMAT:
            self._refuse(
                f"its format is {head.get('format')!r} and not {_FORMAT}, that of another version of Spearmint"
            )
        if head.get("function") != self._head["function"]:
            was, now = head.get("function"), self._head["function"]
            self._refuse(f"it is of another run, whose function was {was!r} and not {now!r}")
        self._repair()

    def _repair(self) -> None:
        """Cut off a last line that was torn."""
        file = self._opened
        size = end = file.seek(0, os.SEEK_END)
        while end > 0:
            start = max(0, end - 65_536)
            file.seek(start)
            newline = file.read(end - start).rfind(b"\n")
            if newline >= 0:
                end = start + newline + 1
                break
            end = start
        if end < size:
            file.truncate(end)

    def _refuse(self, cause: str) -> NoReturn:
        raise EvaluationError(f"Cannot resume from {str(self.path)!r}: {cause}. Give another path.")

    def _unwritable(self, error: OSError) -> EvaluationError:
        cause = error.strerror or type(error).__name__
        advice = "Give another path"
        if self._file is not None:
            advice = "What was written before stays. Make room, and run the same again to go on"
        return EvaluationError(f"Cannot write {str(self.path)!r}: {cause}. {advice}.")


_LATER: Mapping[str, Any] = {"usage": None, "calls": 1, "refusal": "", "digest": None}
"""What lines of earlier versions do not have."""
_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "case": str,
    "case_id": str,
    "repeat": int,
    "inputs": str,
    "nth": int,
    "expectations": str,
    "code": str,
    "scorers": dict,
    "seconds": (int, float),
    "error": (str, type(None)),
    "scores": dict,
    "scorer_errors": dict,
    "output": (str, type(None)),
    "stored": (str, type(None)),
    "attempt": int,
    "usage": (list, type(None)),
    "calls": int,
    "refusal": str,
}


def _check_types(entry: Mapping[str, Any]) -> None:
    for name, kind in _TYPES.items():
        if not isinstance(entry[name], kind):
            message = f"{name!r} is a {type(entry[name]).__name__}"
            raise TypeError(message)
    for scores in entry["scores"].values():
        if not all(isinstance(value, int | float) for value in scores.values()):
            message = "a score is no number"
            raise TypeError(message)


def head_line(function: str) -> str:
    """Return the first line of the file of a function."""
    return _line(_head_of(function)).decode()


def result_line(one: StoredCell, row: int) -> str:
    """Return the line of a result; ``row`` is where the row stood, for readers."""
    about = {"case": one.case, "case_id": one.case_id, "row": row, "repeat": one.repeat, "inputs": one.row.inputs}
    about |= {"nth": one.row.nth, "expectations": one.row.expectations, "code": one.code, "scorers": one.scorers}
    return _line({**about, **one.result._asdict()}).decode()


def _open_own(path: str, flags: int) -> int:
    """Open a file; one that is made is its owner's alone, since the outputs in it are not masked."""
    return os.open(path, flags, 0o600)


def _head_of(function: str) -> dict[str, Any]:
    return {"spearmint": "evaluation", "format": _FORMAT, "function": function}


def _line(entry: Mapping[str, Any]) -> bytes:
    return json.dumps(entry, default=str).encode() + b"\n"
