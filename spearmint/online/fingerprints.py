"""What watched files hold, and whether that has changed: by content, whatever their times say."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from time import time

_SETTLED_SECONDS = 2.0  # A change within the resolution of a file system's clock could leave the times equal.

_Status = tuple[int, ...]


class FileFingerprints:
    """Tells what files hold as a hash. A file is read again unless its status has been the same for a while."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[_Status, str]] = {}

    def of(self, files: Iterable[Path]) -> str:
        """Return one hash over the files: their paths, in order, and what each holds."""
        told = hashlib.sha256()
        kept = {}
        for file in files:
            path = str(file)
            status, digest = self._known.get(path, (None, ""))
            try:
                now = _status(path)
                if now != status:
                    digest = hashlib.sha256(Path(path).read_bytes()).hexdigest()
                if _is_settled(now):
                    kept[path] = now, digest
            except OSError as error:  # It is gone, for good or for a moment.
                digest = f"errno {error.errno}"
            told.update(f"{path}\0{digest}\0".encode("utf-8", "surrogatepass"))
        self._known = kept
        return told.hexdigest()[:16]


def _status(path: str) -> _Status:
    found = os.stat(path)  # noqa: PTH116 - it follows links, as opening does
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _is_settled(status: _Status) -> bool:
    """Tell whether a change from now on changes the status, whatever sets the modification time back."""
    changed = status[-1] / 1e9  # On POSIX no program can set it. Elsewhere it is when the file was made.
    return os.name == "posix" and changed < time() - _SETTLED_SECONDS
