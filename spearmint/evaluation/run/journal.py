"""The file of a run that can be resumed: each result is written as it comes, and is there after a kill."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from spearmint.config.model import generate_config_id
from spearmint.errors import ConfigError, EvaluationError
from spearmint.evaluation.dataset import Row
from spearmint.evaluation.run.cell import Cell, CellResult

_FORMAT = 1


class Journal:
    """A JSONL file: a line that says what is evaluated, then one line per cell.

    A line is one write, so that a kill can tear the last line only; a torn one is cut off when the file is opened.

    Args:
        path: The file; it is made if need be.
        about: What must be the same for the results to be of use: the function and its scorers.

    Raises:
        EvaluationError: If the file is of something else, damaged, or in use by another run.
    """

    def __init__(self, path: Path, about: Mapping[str, Any]) -> None:
        self._path = path
        self._about = {"spearmint": "evaluation", "format": _FORMAT, **about}
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("a+b")
        except OSError as error:
            raise EvaluationError(f"Cannot write {str(self._path)!r}: {error.strerror}. Give another path.") from error
        try:
            self._claim()
            self._repair()
            self._begin()
        except BaseException:
            self._file.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._opened.close()

    @property
    def _opened(self) -> IO[bytes]:
        assert self._file is not None  # noqa: S101 - it is used inside `with` only
        return self._file

    def results(self) -> Iterator[tuple[str, int, int, str, CellResult]]:
        """Yield what is there: case id, row, repetition, digest of the row, and the result.

        Raises:
            EvaluationError: If a line is no result.
        """
        file = self._opened
        file.seek(0)
        for number, line in enumerate(file, start=1):
            if number == 1:
                continue
            try:
                told = json.loads(line)
                result = CellResult(
                    told["seconds"], told["error"], told["scores"], told["scorer_errors"], told["output"]
                )
                yield told["case"], told["row"], told["repeat"], told["digest"], result
            except (ValueError, TypeError, KeyError) as error:
                message = f"Cannot resume from {self._path}:{number}: the line is no result of a run ({error!r})."
                raise EvaluationError(f"{message} Take the line out, or give another path.") from error
        file.seek(0, os.SEEK_END)

    def write(self, case_ids: Sequence[str], cells: Sequence[Cell], results: Sequence[CellResult]) -> None:
        """Write results; they outlive this process from here on."""
        lines = []
        row, row_digest = None, ""
        for cell, result in zip(cells, results, strict=True):
            if cell.row is not row:  # All cells of a row come one after another.
                row, row_digest = cell.row, digest(cell.row)
            told = {"case": case_ids[cell.case], "row": cell.row.number, "repeat": cell.repeat}
            lines.append(_line({**told, "digest": row_digest, **result._asdict()}))
        self._opened.write(b"".join(lines))
        self._opened.flush()

    def _claim(self) -> None:
        """Refuse to share the file with another process that writes to it, where the system can tell."""
        with suppress(ImportError):  # There is no fcntl on Windows.
            import fcntl  # noqa: PLC0415

            try:
                fcntl.flock(self._opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                message = f"Cannot resume from {str(self._path)!r}: another run is writing to it. Give another path."
                raise EvaluationError(message) from error
            except OSError:  # a file system without locks
                return

    def _repair(self) -> None:
        """Cut off a last line that was torn."""
        file = self._opened
        size = file.seek(0, os.SEEK_END)
        end = size
        while end > 0:
            start = max(0, end - 65_536)
            file.seek(start)
            block = file.read(end - start)
            newline = block.rfind(b"\n")
            if newline >= 0:
                end = start + newline + 1
                break
            end = start
        if end < size:
            file.truncate(end)
        file.seek(0, os.SEEK_END)

    def _begin(self) -> None:
        file = self._opened
        file.seek(0)
        first = file.readline()
        if not first:
            file.write(_line(self._about))
            file.flush()
            return
        try:
            told = json.loads(first)
        except ValueError:
            told = None
        if not isinstance(told, dict) or told.get("spearmint") != "evaluation":
            message = f"Cannot resume from {str(self._path)!r}: it is not the file of a run. Give another path."
            raise EvaluationError(message)
        for key, value in self._about.items():
            if told.get(key) != value:
                cause = f"it is of another run, whose {key} was {told.get(key)!r} and not {value!r}"
                raise EvaluationError(f"Cannot resume from {str(self._path)!r}: {cause}. Give another path.")


def digest(row: Row) -> str:
    """Return a digest of a row, by which a result is recognised as that of the same data.

    Raises:
        EvaluationError: If a value in it has no form that is the same in every process.
    """
    try:
        return generate_config_id({"inputs": row.inputs, "expectations": row.expectations})
    except ConfigError as error:
        message = f"Cannot resume with the row at {row.place}, which could not be recognised: {error}"
        raise EvaluationError(message) from error


def _line(told: Mapping[str, Any]) -> bytes:
    return json.dumps(told, default=str).encode() + b"\n"
