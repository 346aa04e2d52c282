"""The tail of a journal: the records that all processes have added since one looked last."""

import json
import os
from pathlib import Path
from typing import Any

_MOST_BYTES = 4 * 1024 * 1024  # that are read at once, so that a look at a long journal holds nothing up


class JournalTail:
    """Reads the files of a journal from where it left off; of a line that is not complete yet, nothing.

    Args:
        folder: The journal.

    Attributes:
        is_at_end: Whether the last look has read all that was there.
        unreadable: How many complete lines were no records.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._folder = Path(folder)
        self._offsets: dict[str, int] = {}
        self.is_at_end = False
        self.unreadable = 0

    def read(self, most: int = _MOST_BYTES) -> list[dict[str, Any]]:
        """Return the next records of all files.

        Args:
            most: How many bytes to read at most, of all files together; a line that is longer is read whole.
        """
        found: list[dict[str, Any]] = []
        left = most
        self.is_at_end = True
        for path in sorted(self._folder.glob("*.jsonl")):
            start = self._offsets.get(path.name, 0)
            try:
                size = path.stat().st_size
                if size <= start:
                    continue
                if left <= 0:
                    self.is_at_end = False
                    break
                data = _complete_lines(path, start, left)
            except OSError:  # It has been moved away meanwhile.
                continue
            self._offsets[path.name] = start + len(data)
            self.is_at_end = self.is_at_end and size - start <= left
            left -= len(data)
            found += self._parsed(data)
        return found

    def _parsed(self, data: bytes) -> list[dict[str, Any]]:
        made = []
        for line in data.splitlines():
            try:
                record = json.loads(line)
            except ValueError:
                record = None
            if isinstance(record, dict):
                made.append(record)
            else:
                self.unreadable += 1
        return made


def _complete_lines(path: Path, start: int, most: int) -> bytes:
    with path.open("rb") as file:
        file.seek(start)
        data = file.read(most)
        end = data.rfind(b"\n")
        if end < 0 and len(data) == most:  # A line that is longer than that.
            rest = file.readline()
            return data + rest if rest.endswith(b"\n") else b""
        return data[: end + 1]
