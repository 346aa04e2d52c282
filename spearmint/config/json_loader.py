"""JSON text to mappings, with a place for every error."""

import json
import re
from collections.abc import Iterator
from typing import Any, NoReturn

from spearmint.config.located import LocatedMapping
from spearmint.errors import ConfigError

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:,]')
_BLANK = re.compile(r"[ \t\n\r]*")


def load_json(text: str, source: str) -> Iterator[LocatedMapping]:
    """Yield the mappings of a JSON text: a mapping, a list of mappings, or several documents of these kinds."""
    reader = _Reader(text, source)
    start = reader.next_token(0)
    if start == len(text):
        reader.fail("the file is empty", "Write a mapping into it", 0)
    while start < len(text):
        if text[start] == "[":
            items, start = reader.items(start)
            yield from items
        else:
            data, end = reader.mapping(start)
            yield LocatedMapping(data, reader.position(start))
            start = end
        start = reader.next_token(start)


def load_json_line(text: str, source: str, line: int) -> LocatedMapping:
    """Read one line of a JSONL file, which is not blank and holds one mapping."""
    reader = _Reader(text, source, line)
    data, end = reader.mapping(reader.next_token(0))
    if (after := reader.next_token(end)) < len(text):
        reader.fail("there is more after the mapping", "Write one mapping in each line", after)
    return LocatedMapping(data, (line, 1))


def position(text: str, offset: int) -> tuple[int, int]:
    """Return line and column of a place in a text, both counted from 1."""
    start = text.rfind("\n", 0, offset) + 1
    return text.count("\n", 0, start) + 1, offset - start + 1


class _Reader:
    """One pass over one text."""

    def __init__(self, text: str, source: str, line: int = 1) -> None:
        self._text = text
        self._source = source
        self._line = line
        self._decode = json.JSONDecoder(object_pairs_hook=_without_repetition).raw_decode

    def next_token(self, offset: int) -> int:
        """Return where the blanks at an offset end."""
        blank = _BLANK.match(self._text, offset)
        return offset if blank is None else blank.end()

    def position(self, offset: int) -> tuple[int, int]:
        """Return line and column of an offset."""
        line, column = position(self._text, offset)
        return self._line + line - 1, column

    def fail(self, cause: str, advice: str, offset: int) -> NoReturn:
        """Raise the error for what stands at an offset."""
        line, column = self.position(offset)
        raise ConfigError(f"Cannot read JSON: {cause}. {advice}.", source=self._source, line=line, column=column)

    def mapping(self, offset: int, what: str = "its top level") -> tuple[dict[str, Any], int]:
        """Return the mapping at an offset, and where it ends."""
        try:
            data, end = self._decode(self._text, offset)
        except _RepeatedKeyError:
            key, place = _repeated_key(self._text, offset)
            self.fail(f"the key {key!r} is there twice", "Remove one of the two", place)
        except json.JSONDecodeError as error:
            self.fail(f"{error.msg[0].lower()}{error.msg[1:]}", "Correct the syntax there, or just before", error.pos)
        except RecursionError:
            self.fail("it is nested too deeply", "Flatten it", offset)
        except ValueError as error:  # an integer of more digits than Python converts
            self.fail(str(error), "Quote it, to have it as text", offset)
        if not isinstance(data, dict):
            cause = f"{what} is no mapping but of type {type(data).__name__}"
            self.fail(cause, "Write a mapping, or a list of mappings", offset)
        return data, end

    def items(self, offset: int) -> tuple[list[LocatedMapping], int]:
        """Return the mappings of the list that begins at an offset, and where it ends."""
        found: list[LocatedMapping] = []
        place = self.next_token(offset + 1)
        if self._text[place : place + 1] == "]":
            self.fail("its list is empty", "Write a mapping into it", offset)
        while True:
            data, end = self.mapping(place, f"item {len(found)} of its list")
            found.append(LocatedMapping(data, self.position(place)))
            place = self.next_token(end)
            mark = self._text[place : place + 1]
            if mark == "]":
                return found, place + 1
            if mark != ",":
                self.fail("expecting ',' delimiter", "Correct the syntax there, or just before", place)
            place = self.next_token(place + 1)


class _RepeatedKeyError(Exception):
    """An object of a JSON text has a key twice."""


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        raise _RepeatedKeyError
    return result


def _repeated_key(text: str, offset: int) -> tuple[str, int]:
    """Find the first key that an object repeats from an offset on, and where; the parser tells neither."""
    seen: list[set[str]] = []
    last = None
    for token in _TOKEN.finditer(text, offset):
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
