"""Rewritten code and call tables, kept beside Python's own bytecode under a tag of their own.

A file is what Python itself would write, a header and marshalled code, followed by the names of what is wrapped, the
call tables, and a seal that says what they were made from. So `importlib` reads and writes it with its own means, which
know about missing folders, other processes that write at the same time, ``-O`` and ``PYTHONPYCACHEPREFIX``. The header
says that the bytecode needs no check, since the seal is checked, and more strictly: by the time of the source in
nanoseconds, else by its content.
"""

import binascii
import hashlib
import importlib.util
import marshal
import os
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

from spearmint.discovery import CallSite, CallTable

REWRITER_VERSION = 1
"""To be raised whenever the same source and settings would give other code or tables than before."""

HEADER = 16
"""Length of the header of a bytecode file, in bytes."""

_UNCHECKED = (1).to_bytes(4, "little")
_MARK = b"SPRM"
# Where names and tables begin, time of the source in ns, its size, key, checksum of all before the seal, mark.
_SEAL = struct.Struct("<QQqQ16sI4s")


@dataclass(frozen=True, slots=True)
class Stamp:
    """What tells one state of a source file from another without reading it.

    Attributes:
        mtime: Time of its last change, in nanoseconds.
        size: Its size in bytes.
    """

    mtime: int
    size: int

    @classmethod
    def of(cls, found: os.stat_result) -> Self:
        """Make the stamp of a file from what `os.stat` says of it."""
        return cls(found.st_mtime_ns, found.st_size)


class StoredTables(Mapping[str, CallTable]):
    """Call tables that are built when the first one is asked for.

    Args:
        make: Builds them.
    """

    __slots__ = ("_make", "_tables")

    def __init__(self, make: Callable[[], Mapping[str, CallTable]]) -> None:
        self._make: Callable[[], Mapping[str, CallTable]] | None = make
        self._tables: Mapping[str, CallTable] = {}

    def _made(self) -> Mapping[str, CallTable]:
        make = self._make
        if make is not None:
            self._tables = make()
            self._make = None
        return self._tables

    def __getitem__(self, scope: str) -> CallTable:
        return self._made()[scope]

    def __iter__(self) -> Iterator[str]:
        return iter(self._made())

    def __len__(self) -> int:
        return len(self._made())


@dataclass(frozen=True, slots=True)
class Stored:
    """What goes with the code of a module.

    Attributes:
        wrapped: Names of the definitions that were wrapped.
        tables: Its call tables.
    """

    wrapped: tuple[str, ...]
    tables: Mapping[str, CallTable]


@lru_cache(maxsize=1024)
def key_of(*shaped_by: str) -> bytes:
    """Return 16 bytes that stand for what has shaped the code of a module beside its source.

    Args:
        *shaped_by: What the settings say of the module.
    """
    return hashlib.sha256("\0".join((str(REWRITER_VERSION), *shaped_by)).encode()).digest()[:16]


def cached_path(bytecode_path: str) -> str:
    """Return where our file lies, from where Python's own does: ``rank.cpython-311.spearmint.pyc``."""
    return f"{bytecode_path.removesuffix('.pyc')}.spearmint.pyc"


def seal(pyc: bytes, stored: Stored, source_hash: bytes, stamp: Stamp, key: bytes) -> bytes:
    """Make the content of a file.

    Args:
        pyc: Header and code as `importlib` would write them.
        stored: What goes with the code.
        source_hash: What `importlib.util.source_hash` says of the source.
        stamp: State of the source file before it was read.
        key: 16 bytes that stand for all else that has shaped the code.

    Returns:
        The content.
    """
    code = pyc[:4] + _UNCHECKED + source_hash + pyc[HEADER:]
    with_names = code + marshal.dumps(stored.wrapped)
    body = with_names + marshal.dumps(_plain(stored.tables))
    sizes = len(code), len(with_names)
    return body + _SEAL.pack(*sizes, stamp.mtime, stamp.size, key, binascii.crc32(body), _MARK)


def unseal(data: bytes, stamp: Stamp, key: bytes, read_source: Callable[[], bytes]) -> Stored | None:
    """Check a file, and return what goes with its code; `importlib` reads the code from the same data.

    Args:
        data: Content of the file.
        stamp: State of the source file now.
        key: As for `seal`.
        read_source: Reads the source, should its time have changed: a fresh checkout is no change.

    Returns:
        What `seal` was given; None when the file is damaged, or was made from something else.
    """
    end = len(data) - _SEAL.size
    if end < HEADER:
        return None
    names, tables, mtime, size, kept_key, checksum, mark = _SEAL.unpack_from(data, end)
    if mark != _MARK or kept_key != key or size != stamp.size or data[:4] != importlib.util.MAGIC_NUMBER:
        return None
    if binascii.crc32(memoryview(data)[:end]) != checksum:
        return None
    if mtime != stamp.mtime and importlib.util.source_hash(read_source()) != data[8:HEADER]:
        return None
    kept = data[tables:end]
    # Trusted as Python trusts what lies in the same folder.
    wrapped = marshal.loads(data[names:tables])  # noqa: S302
    return Stored(wrapped, StoredTables(lambda: _tables(marshal.loads(kept))))  # noqa: S302


_Plain = dict[str, tuple[int, tuple[tuple[int, int, str, str], ...]]]


def _plain(tables: Mapping[str, CallTable]) -> _Plain:
    return {
        scope: (table.first_line, tuple((site.line, site.column, site.kind, site.target) for site in table.sites))
        for scope, table in tables.items()
    }


def _tables(plain: _Plain) -> Mapping[str, CallTable]:
    return {
        scope: CallTable(tuple(CallSite(line, column, kind, target) for line, column, kind, target in sites), first)  # type: ignore[arg-type]
        for scope, (first, sites) in plain.items()
    }
