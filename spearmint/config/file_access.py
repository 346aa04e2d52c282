"""Opens and finds files without ever waiting: regular files of bounded size, folders and globs of bounded extent."""

import errno
import fnmatch
import glob
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import BinaryIO

from spearmint.errors import ConfigError

MAX_FILE_BYTES = 64 * 1024 * 1024
"""How large a file of configs, or a line of a .jsonl file, may be."""
MAX_ENTRIES = 100_000
"""How many files and folders one folder or glob may make the search look at."""

_KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
    stat.S_IFDIR: "a folder",
}
_LIMIT = f"{MAX_FILE_BYTES // 1024**2} MB"
_Inode = tuple[int, int]


@contextmanager
def open_regular(path: Path) -> Iterator[BinaryIO]:
    """Open a regular file; a FIFO, device, socket or folder, which may have no end, is a `ConfigError`."""
    with open(path, "rb", opener=_open_without_waiting) as file:
        kind = stat.S_IFMT(os.fstat(file.fileno()).st_mode)
        if kind != stat.S_IFREG:
            raise _unreadable(path, f"it is {_KINDS.get(kind, 'no regular file')}", "Give a regular file")
        yield file


def read_bounded(path: Path) -> bytes:
    """Return the bytes of a regular file of at most `MAX_FILE_BYTES`."""
    with open_regular(path) as file:
        # The size comes first: what /proc holds has none, and is read up to the limit.
        size = os.fstat(file.fileno()).st_size
        data = b"" if size > MAX_FILE_BYTES else file.read(MAX_FILE_BYTES + 1)
        if max(size, len(data)) > MAX_FILE_BYTES:
            raise _unreadable(path, f"it is larger than {_LIMIT}", "Split it, or stream it as a .jsonl file")
        return data


def read_lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of a regular file of any size, each of at most `MAX_FILE_BYTES`."""
    with open_regular(path) as file:
        number = 0
        while line := file.readline(MAX_FILE_BYTES + 1):
            number += 1
            if len(line) > MAX_FILE_BYTES:
                raise _unreadable(path, f"the line is longer than {_LIMIT}", "Write one mapping in each line", number)
            yield line


def files_below(folder: Path, source: str) -> list[Path]:
    """Return the files in a folder and its subfolders, without hidden ones; links to folders are not followed.

    Raises:
        ConfigError: A folder cannot be read, or there are more than `MAX_ENTRIES` files and folders.
    """

    def refuse(error: OSError) -> None:
        msg = f"Cannot read the folder {error.filename!r}: {error.strerror}. Check its permissions."
        raise ConfigError(msg, source=str(folder)) from error

    found: list[Path] = []
    entries = _EntryCount(str(folder), source)
    for parent, folders, names in os.walk(folder, onerror=refuse):
        entries.add(len(folders) + len(names))
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(parent, name) for name in names if not name.startswith(".")]
    return found


def files_matching(pattern: str, base: Path, source: str) -> list[Path]:
    """Return what a glob matches, as `glob.glob(recursive=True)` does, in a bounded search.

    Raises:
        ConfigError: A link leads back to a folder around it, or more than `MAX_ENTRIES` files and folders are met.
    """
    parts = PurePath(pattern).parts
    anchor = PurePath(pattern).anchor
    start = Path(anchor) if anchor else base
    return [*dict.fromkeys(_Glob(pattern, source).matches(start, parts[1:] if anchor else parts))]


def _open_without_waiting(path: str, flags: int) -> int:
    # Opening a FIFO would wait for who writes into it.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _unreadable(path: Path, cause: str, advice: str, line: int | None = None) -> ConfigError:
    return ConfigError(f"Cannot read {str(path)!r}: {cause}. {advice}.", source=str(path), line=line)


class _EntryCount:
    """Counts the files and folders that a search meets, up to the limit."""

    def __init__(self, place: str, source: str) -> None:
        self._place = place
        self._source = source
        self._count = 0

    def add(self, count: int = 1) -> None:
        self._count += count
        if self._count > MAX_ENTRIES:
            cause = f"there are more than {MAX_ENTRIES:,} files and folders to look at"
            msg = f"Cannot search {self._place!r}: {cause}. Name the folders more closely."
            raise ConfigError(msg, source=self._source)


class _Glob:
    """One search for what a glob matches."""

    def __init__(self, pattern: str, source: str) -> None:
        self._pattern = pattern
        self._source = source
        self._entries = _EntryCount(pattern, source)

    def matches(self, folder: Path, parts: tuple[str, ...]) -> Iterator[Path]:
        """Yield the paths below a folder that match the parts of a pattern."""
        part, rest = parts[0], parts[1:]
        if part == "**":
            for inner in self._folders_below(folder):
                yield from self.matches(inner, rest) if rest else self._files_in(inner)
        elif glob.has_magic(part):
            for entry in self._scan(folder):
                is_seen = part.startswith(".") or not entry.name.startswith(".")
                if is_seen and fnmatch.fnmatch(entry.name, part):
                    yield from self._continued(folder / entry.name, rest)
        else:
            yield from self._continued(folder / part, rest)

    def _continued(self, path: Path, rest: tuple[str, ...]) -> Iterator[Path]:
        if rest:
            yield from self.matches(path, rest)
        elif os.path.lexists(path):
            yield path

    def _files_in(self, folder: Path) -> Iterator[Path]:
        return (folder / entry.name for entry in self._scan(folder) if not entry.name.startswith("."))

    def _folders_below(self, folder: Path) -> Iterator[Path]:
        """Yield a folder and all below it, in the order of their names; links to folders are followed."""
        waiting: list[tuple[Path, frozenset[_Inode]]] = [(folder, frozenset())]
        while waiting:
            current, around = waiting.pop()
            try:
                status = current.stat()
            except OSError:  # it is gone, or may not be looked at
                continue
            inode = status.st_dev, status.st_ino
            if inode in around:
                cause = f"the folder {str(current)!r} lies in itself, as a link leads back to it"
                msg = f"Cannot search {self._pattern!r}: {cause}. Remove the link, or name the folders more closely."
                raise ConfigError(msg, source=self._source)
            yield current
            inner = sorted(entry.name for entry in self._scan(current) if _is_open_folder(entry))
            waiting += ((current / name, around | {inode}) for name in reversed(inner))

    def _scan(self, folder: Path) -> Iterable["os.DirEntry[str]"]:
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    self._entries.add()
                    yield entry
        except OSError as error:  # no folder, or one that may not be read: nothing there matches
            if error.errno == errno.ELOOP:
                raise _unreadable(folder, "its links lead round in a circle", "Mend the links") from error


def _is_open_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return not entry.name.startswith(".") and entry.is_dir()
    except OSError:
        return False
