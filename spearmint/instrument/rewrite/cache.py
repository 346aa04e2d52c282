"""Rewritten code and call tables, kept beside Python's own bytecode under a tag of their own.

A file is what Python itself would write, a header and marshalled code, followed by the names of what is wrapped and the
reads of values, the call tables, and a trailer that says what they were made from. The trailer is stricter than Python:
it knows the time of the source in nanoseconds, its content where only the time is another, and whether the file is
whole.
"""

import binascii
import hashlib
import importlib.util
import io
import marshal
import os
import struct
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from types import CodeType
from typing import Any, NamedTuple, Self

from spearmint.discovery import CallSite, CallTable
from spearmint.instrument.rewrite.read_marks import MarkPlaces
from spearmint.instrument.rewrite.result import ReadSite

REWRITER_VERSION = 12
"""To be raised whenever the same source and settings would give other code or tables than before."""

_HEADER = 16
_MAGIC = importlib.util.MAGIC_NUMBER
_UNCHECKED = (1).to_bytes(4, "little")
_MARK = b"SPRM"
# Where names and tables begin, time of the source in ns, its size, key, mark; and then the checksum of it all.
_TRAILER = struct.Struct("<QQqQ16s4s")
_CHECKSUM = struct.Struct("<I")
_TRAILER_SIZE = _TRAILER.size + _CHECKSUM.size
_CRC_RESIDUE = 0x2144DF1C  # What the CRC-32 of data is that ends with the CRC-32 of all before.


class SourceStat(NamedTuple):
    """What tells one state of a source file from another without reading it.

    Attributes:
        mtime: Time of its last change, in nanoseconds.
        size: Its size in bytes.
    """

    mtime: int
    size: int

    @classmethod
    def of(cls, found: os.stat_result) -> Self:
        """Return the state of a file from what `os.stat` says of it."""
        return cls(found.st_mtime_ns, found.st_size)


class StoredTables(Mapping[str, CallTable]):
    """Call tables that are built when the first one is asked for.

    There is one for each module, so that they hold as little as they can.

    Args:
        make: Builds them.
        of: What it is called with.
    """

    __slots__ = ("_made", "_make", "_of")

    def __init__(self, make: Callable[[Any], Mapping[str, CallTable]], of: Any) -> None:
        self._make = make
        self._of = of
        self._made: Mapping[str, CallTable] | None = None

    def _tables(self) -> Mapping[str, CallTable]:
        made = self._made
        if made is None:
            made = self._made = self._make(self._of)
            self._of = None
        return made

    def __getitem__(self, scope: str) -> CallTable:
        return self._tables()[scope]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tables())

    def __len__(self) -> int:
        return len(self._tables())


class CachedModule(NamedTuple):
    """The rewritten code of a module, and what goes with it.

    Attributes:
        code: The code.
        wrapped: Names of the definitions that were wrapped.
        tables: Its call tables.
        reads: The reads of values in it.
        marks: Where marks stand among its constants, for what the reads call.
    """

    code: CodeType
    wrapped: tuple[str, ...]
    tables: Mapping[str, CallTable]
    reads: tuple[ReadSite, ...] = ()
    marks: MarkPlaces = ()


@lru_cache(maxsize=1024)
def key_of(*shaped_by: str) -> bytes:
    """Return 16 bytes that stand for what has shaped the code of a module beside its source.

    Args:
        *shaped_by: What the settings say of the module.
    """
    return hashlib.sha256("\0".join((str(REWRITER_VERSION), *shaped_by)).encode()).digest()[:16]


def cached_path(origin: str) -> str | None:
    """Return where the rewritten code of a file is kept: beside Python's own, as ``rank.cpython-311.spearmint.pyc``.

    Args:
        origin: Path of a source, or of bytecode that has none, whose file is where that of its source would be.
    """
    folder, _, name = origin.rpartition(os.sep)
    place = _place_in(folder, sys.pycache_prefix, sys.implementation.cache_tag, sys.flags.optimize)
    return place and f"{place[0]}{name.partition('.')[0]}{place[1]}"


@lru_cache(maxsize=256)
def _place_in(folder: str, *_settings: object) -> tuple[str, str] | None:
    """Return what stands before and behind a module's name; asking `importlib` for each module takes a while."""
    try:
        found = importlib.util.cache_from_source(os.path.join(folder, "m.py"))  # noqa: PTH118 - text in, text out
    except NotImplementedError:  # This Python keeps no bytecode.
        return None
    before, _, behind = found.rpartition(f"{os.sep}m.")
    return before + os.sep, f".{behind.removesuffix('.pyc')}.spearmint.pyc"


def load(path: str, source_stat: SourceStat, key: bytes, origin: str) -> CachedModule | None:
    """Read a file.

    Args:
        path: Where it is, as `cached_path` says.
        source_stat: State of the origin now.
        key: 16 bytes that stand for all else that has shaped the code.
        origin: The source, or the bytecode that has none. It is read if only its time has changed: a fresh checkout is
            no change.

    Returns:
        What was stored; None when there is nothing, or it is damaged, or was made from something else.
    """
    try:
        with io.open_code(path) as file:
            data = file.read()
    except OSError:
        return None
    end = len(data) - _TRAILER_SIZE
    if end < _HEADER or binascii.crc32(data) != _CRC_RESIDUE:
        return None
    names, tables, mtime, size, cached_key, mark = _TRAILER.unpack_from(data, end)
    if mark != _MARK or cached_key != key or size != source_stat.size or data[:4] != _MAGIC:
        return None
    if mtime != source_stat.mtime and importlib.util.source_hash(_read(origin)) != data[8:_HEADER]:
        return None
    # Trusted as Python trusts what lies in the same folder.
    code = marshal.loads(memoryview(data)[_HEADER:])  # noqa: S302
    wrapped, reads, marks = marshal.loads(data[names:tables])  # noqa: S302
    sites = tuple(map(ReadSite._make, reads))
    return CachedModule(code, wrapped, StoredTables(_tables, data[tables:end]), sites, marks)


def load_for_reading(origin: str) -> CodeType | None:
    """Return the code that is stored for a source as it is, whatever the settings were; None if there is none.

    It binds the same names to the same things as that of Python's own, and is there where that may not be.

    Args:
        origin: Path of the source.
    """
    path = cached_path(origin)
    try:
        found = os.stat(origin)  # noqa: PTH116
        data = _read(path) if path else b""
    except OSError:
        return None
    end = len(data) - _TRAILER_SIZE
    if end < _HEADER or binascii.crc32(data) != _CRC_RESIDUE:
        return None
    _, _, mtime, size, _, mark = _TRAILER.unpack_from(data, end)
    if mark != _MARK or (mtime, size) != (found.st_mtime_ns, found.st_size) or data[:4] != _MAGIC:
        return None
    code: CodeType = marshal.loads(memoryview(data)[_HEADER:])  # noqa: S302 - as in `load`
    return code


def dump(cached: CachedModule, source: bytes, source_stat: SourceStat, key: bytes) -> bytes:
    """Make the content of a file.

    Args:
        cached: What to write.
        source: Content of the origin.
        source_stat: State of the origin before it was read.
        key: As for `load`.
    """
    code = _MAGIC + _UNCHECKED + importlib.util.source_hash(source) + marshal.dumps(cached.code)
    with_names = code + marshal.dumps((cached.wrapped, tuple(map(tuple, cached.reads)), cached.marks))
    body = with_names + marshal.dumps(_plain(cached.tables))
    content = body + _TRAILER.pack(len(code), len(with_names), source_stat.mtime, source_stat.size, key, _MARK)
    return content + _CHECKSUM.pack(binascii.crc32(content))


def _read(path: str) -> bytes:
    with io.open_code(path) as file:
        return file.read()


_Plain = dict[str, tuple[int, tuple[tuple[int, int, str, str], ...]]]


def _plain(tables: Mapping[str, CallTable]) -> _Plain:
    return {
        scope: (table.first_line, tuple((site.line, site.column, site.kind, site.target) for site in table.sites))
        for scope, table in tables.items()
    }


def _tables(data: bytes) -> Mapping[str, CallTable]:
    plain: _Plain = marshal.loads(data)  # noqa: S302
    return {
        scope: CallTable(tuple(CallSite(line, column, kind, target) for line, column, kind, target in sites), first)  # type: ignore[arg-type]
        for scope, (first, sites) in plain.items()
    }
