"""The journal: JSONL files of one process, of which every complete line is a record."""

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from itertools import accumulate
from pathlib import Path
from time import time_ns
from typing import Any

Taken = tuple[int, BaseException | None]
"""How many records, from the first on, were taken, and what kept the others from it."""

_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | getattr(os, "O_CLOEXEC", 0)


class RecordJournal:
    """The files that one process appends its records to. Nothing is made before the first record.

    Args:
        folder: Where the files stand.
        rotate_bytes: Size from which on the next file begins.

    Attributes:
        process: What the names of its files begin with: host, process id, and what no other process has.
        lines: How many lines it has written.
    """

    def __init__(self, folder: str, rotate_bytes: int) -> None:
        self.process = f"{_host()}-{os.getpid()}-{time_ns():x}{os.urandom(2).hex()}"
        self.lines = 0
        self._folder = Path(folder).absolute()  # The program may change its working directory.
        self._rotate_bytes = rotate_bytes
        self._files = 0
        self._file: int | None = None
        self._size = 0

    def write(self, records: Sequence[dict[str, Any]]) -> Taken:
        """Append records. What a full disk tears is taken back, so that no line is part of a record."""
        lines = [json.dumps(record, separators=(",", ":")).encode() + b"\n" for record in records]
        written = 0
        while written < len(lines):
            taken, error = self._append(self._lines_that_fit(lines[written:]))
            written += taken
            if error is not None:
                return written, error
        return written, None

    def _lines_that_fit(self, lines: Sequence[bytes]) -> Sequence[bytes]:
        """Return the lines for one file: those that fit into it, at least one."""
        if self._file is not None and self._size + len(lines[0]) > self._rotate_bytes:
            self.close()
        room = self._rotate_bytes - (self._size if self._file is not None else 0)
        count = sum(size <= room for size in accumulate(map(len, lines)))
        return lines[: max(1, count)]

    def _append(self, lines: Sequence[bytes]) -> Taken:
        data, written = b"".join(lines), 0
        try:
            file = self._open()
            while written < len(data):
                written += os.write(file, data[written:])
        except OSError as error:
            ends = list(accumulate(map(len, lines)))
            whole = sum(end <= written for end in ends)
            self.lines += whole
            self._take_back(ends[whole - 1] if whole else 0, written)
            return whole, error
        self._size += len(data)
        self.lines += len(lines)
        return len(lines), None

    def _take_back(self, whole: int, written: int) -> None:
        """Let the file end with its last complete line; where that cannot be, let it end for good."""
        if self._file is None:
            return
        self._size += whole
        if written > whole:
            try:
                os.ftruncate(self._file, self._size)
            except OSError:
                self.close()

    def _open(self) -> int:
        if self._file is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            path = self._folder / f"{self.process}.{self._files:04}.jsonl"
            self._file = os.open(path, _FLAGS, 0o644)
            self._files += 1
            self._size = 0
        return self._file

    def close(self) -> None:
        """Close the current file; a further record begins the next one."""
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):
                os.close(file)


def _host() -> str:
    name = os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", "")
    return "".join(one if one.isalnum() or one in "-_" else "-" for one in name)[:40] or "host"
