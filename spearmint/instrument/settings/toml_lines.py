"""Where the keys of a TOML file stand; `tomllib` reads them without saying."""

import re
from collections.abc import Iterator
from typing import Any

from spearmint.config.yaml_loader import PositionMap

_HEADER = re.compile(r"\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?")
_KEY = re.compile(r"""\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=""")
_PART = re.compile(r"""[\w-]+|"[^"]*"|'[^']*'""")
_TABLE_IN_LIST = re.compile(r"\s*\{")


def toml_marks(text: str) -> PositionMap:
    """Find the lines of keys, tables and inline tables in a valid TOML text.

    Keys inside inline tables are not told apart from the table, nor a key-like line in a text of several lines from a
    key: good enough to lead the eye.

    Args:
        text: The file's text.

    Returns:
        From the keys and indexes that lead to a value to the place of its key.
    """
    marks: PositionMap = {}
    counts: dict[tuple[Any, ...], int] = {}
    table: tuple[Any, ...] = ()
    key: tuple[Any, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        place = number, len(line) - len(line.lstrip()) + 1
        if header := _HEADER.fullmatch(line):
            table = tuple(_indexed(_parts(header[2]), counts))
            if header[1] == "[[":
                counts[table] = counts.get(table, -1) + 1
                table = (*table, counts[table])
            for length in range(1, len(table) + 1):
                marks.setdefault(table[:length], place)
        elif found := _KEY.match(line):
            key = (*table, *_parts(found[1]))
            for length in range(len(table) + 1, len(key) + 1):
                marks.setdefault(key[:length], place)
        elif key and _TABLE_IN_LIST.match(line):
            counts[key] = counts.get(key, -1) + 1
            marks[(*key, counts[key])] = place
    return marks


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in _PART.findall(text))


def _indexed(parts: tuple[str, ...], counts: dict[tuple[Any, ...], int]) -> Iterator[Any]:
    """Yield the parts of a header, with the index of the table that is meant behind each list of tables before it."""
    path: tuple[Any, ...] = ()
    for index, part in enumerate(parts):
        path = (*path, part)
        yield part
        if path in counts and index < len(parts) - 1:
            path = (*path, counts[path])
            yield counts[path[:-1]]
