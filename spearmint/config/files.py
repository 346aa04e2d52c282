"""Files to plain data: which file is read how, and JSON and JSONL with a place for every error."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

from spearmint.errors import ConfigError

_Data = dict[Any, Any]
_Entry = tuple[int | None, _Data]

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:,]')


def read_file(path: Path) -> Iterator[_Entry]:
    """Read the mappings of a file: one of .yaml, .yml and .json, one in each line of .jsonl, that line by line.

    Args:
        path: The file; its suffix tells how it is read.

    Yields:
        Each mapping, with its line in a .jsonl file, None elsewhere.

    Raises:
        ConfigError: The file cannot be opened, is not in its format or not a mapping; with line and column.
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
    """Return the text of a file in UTF-8, or in what its byte order mark says.

    Args:
        data: The bytes.
        source: What to call them in errors.
        line: The line in which they begin.

    Raises:
        ConfigError: They are no such text; with line and column.
    """
    encoding = json.detect_encoding(data)
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode(encoding, "ignore")
        down, column = position(before, len(before))
        name = encoding.removesuffix("-sig").upper()
        msg = f"Cannot read text: byte {error.object[error.start]:#04x} is no {name}. Save the file as UTF-8."
        raise ConfigError(msg, source=source, line=line + down - 1, column=column) from error


def position(text: str, offset: int) -> tuple[int, int]:
    """Return line and column of a place in a text, both counted from 1."""
    start = text.rfind("\n", 0, offset) + 1
    return text.count("\n", 0, start) + 1, offset - start + 1


def _read_yaml(path: Path) -> Iterator[_Entry]:
    # Importing yaml takes longer than many programs need it for: only who reads YAML pays.
    from spearmint.config.yaml_loader import load_mapping  # noqa: PLC0415

    yield None, load_mapping(decode(path.read_bytes(), str(path)), str(path))


def _read_json(path: Path) -> Iterator[_Entry]:
    yield None, _parsed(decode(path.read_bytes(), str(path)), str(path))


def _read_jsonl(path: Path) -> Iterator[_Entry]:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            text = decode(line, str(path), line=number).rstrip()
            if text:
                yield number, _parsed(text, str(path), line=number)


_READERS: dict[str, Callable[[Path], Iterator[_Entry]]] = {
    ".yaml": _read_yaml,
    ".yml": _read_yaml,
    ".json": _read_json,
    ".jsonl": _read_jsonl,
}
SUFFIXES = tuple(_READERS)
"""How the names of files with configs end."""


class _RepeatedKeyError(Exception):
    """An object of a JSON text has a key twice."""


def _parsed(text: str, source: str, *, line: int = 1) -> _Data:
    def fail(cause: str, advice: str, offset: int) -> NoReturn:
        down, column = position(text, offset)
        msg = f"Cannot read JSON: {cause}. {advice}."
        raise ConfigError(msg, source=source, line=line + down - 1, column=column)

    start = len(text) - len(text.lstrip())
    if start == len(text):
        fail("the file is empty", "Write a mapping into it", 0)
    try:
        data = json.loads(text, object_pairs_hook=_without_repetition)
    except _RepeatedKeyError:
        key, offset = _repeated_key(text)
        fail(f"the key {key!r} is there twice", "Remove one of the two", offset)
    except json.JSONDecodeError as error:
        fail(f"{error.msg[0].lower()}{error.msg[1:]}", "Correct the syntax there, or just before", error.pos)
    except RecursionError:
        fail("it is nested too deeply", "Flatten it", start)
    except ValueError as error:  # an integer of more digits than Python converts
        fail(str(error), "Quote it, to have it as text", start)
    if not isinstance(data, dict):
        cause = f"its top level is no mapping but of type {type(data).__name__}"
        fail(cause, "Write one mapping per file, or one per line of a .jsonl file", start)
    return data


def _without_repetition(pairs: list[tuple[str, Any]]) -> _Data:
    result = dict(pairs)
    if len(result) < len(pairs):
        raise _RepeatedKeyError
    return result


def _repeated_key(text: str) -> tuple[str, int]:
    """Find the first key that an object of a valid JSON text repeats, and where; the parser tells neither."""
    seen: list[set[str]] = []
    last = None
    for token in _TOKEN.finditer(text):
        mark = token.group()
        if mark in "{[":
            seen.append(set())
        elif mark in "}]":
            seen.pop()
        elif mark == ":" and last is not None:
            key = json.loads(last.group())
            if key in seen[-1]:
                return key, last.start()
            seen[-1].add(key)
        last = token
    msg = "no key is repeated"
    raise AssertionError(msg)
