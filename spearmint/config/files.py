"""Files to mappings: which file is read how, and in which encoding."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from spearmint.config.file_access import read_bounded, read_lines
from spearmint.config.json_loader import load_json, load_json_line, position
from spearmint.config.located import LocatedMapping
from spearmint.errors import ConfigError


def read_file(path: Path) -> Iterator[LocatedMapping]:
    """Read the mappings of a file.

    A ``.yaml``, ``.yml`` or ``.json`` file holds one, a list of them, or several documents; a ``.jsonl`` file one in
    each line, and is read line by line.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        msg = f"Cannot read {str(path)!r}: the suffix {path.suffix!r} is not known. Use {', '.join(SUFFIXES)}."
        raise ConfigError(msg, source=str(path))
    try:
        yield from reader(path)
    except OSError as error:
        msg = f"Cannot read {str(path)!r}: {error.strerror or error}. Check the file and its permissions."
        raise ConfigError(msg, source=str(path)) from error


def decode(data: bytes, source: str, *, line: int = 1) -> str:
    """Return the text of a file in UTF-8, or in what its byte order mark says; ``line`` is where the bytes begin."""
    encoding = json.detect_encoding(data)
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode(encoding, "ignore")
        down, column = position(before, len(before))
        name = encoding.removesuffix("-sig").upper()
        msg = f"Cannot read text: byte {error.object[error.start]:#04x} is no {name}. Save the file as UTF-8."
        raise ConfigError(msg, source=source, line=line + down - 1, column=column) from error


def _read_yaml(path: Path) -> Iterator[LocatedMapping]:
    # Importing yaml takes longer than many programs need it for: only programs that read YAML pay.
    from spearmint.config.yaml_loader import load_mappings  # noqa: PLC0415

    yield from load_mappings(decode(read_bounded(path), str(path)), str(path))


def _read_json(path: Path) -> Iterator[LocatedMapping]:
    yield from load_json(decode(read_bounded(path), str(path)), str(path))


def _read_jsonl(path: Path) -> Iterator[LocatedMapping]:
    for number, line in enumerate(read_lines(path), 1):
        text = decode(line, str(path), line=number).rstrip()
        if text:
            yield load_json_line(text, str(path), number)


_READERS: dict[str, Callable[[Path], Iterator[LocatedMapping]]] = {
    ".yaml": _read_yaml,
    ".yml": _read_yaml,
    ".json": _read_json,
    ".jsonl": _read_jsonl,
}
SUFFIXES = tuple(_READERS)
"""How the names of files with configs end."""
