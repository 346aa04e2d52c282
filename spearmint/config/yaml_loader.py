"""YAML text to plain data, by the core schema of YAML 1.2, with a place for every error; the only module with yaml.

The parser's events are read here, and its composer and constructor left alone: the C composer recurses until the stack
is gone, both copy or share what aliases name without a bound, and neither minds a key that is there twice.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import yaml

from spearmint.config.canonical import MAX_DEPTH
from spearmint.config.file_access import read_bounded
from spearmint.config.included_files import forget_included, note_included
from spearmint.config.located import LocatedMapping, PositionMap
from spearmint.config.sweep import FLOAT_RANGE_KEY, RANGE_KEY, SWEEP_KEY, RangeError, make_float_range, make_range
from spearmint.errors import ConfigError
from spearmint.giving_way import give_way

MAX_NODES = 200_000
"""How many values a document may hold once its aliases are written out."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_STANDARD = "tag:yaml.org,2002:"
_FILE_TAG = "!file"
_MERGE_KEY = "<<"
_RANGES: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "!range": (RANGE_KEY, make_range),
    "!float_range": (FLOAT_RANGE_KEY, make_float_range),
}
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_OPEN = object()

_NULL = re.compile(r"null|Null|NULL|~|")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(
    r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)


_SCALARS: dict[str, tuple[re.Pattern[str], Callable[[str], Any]]] = {
    "null": (_NULL, lambda _: None),
    "bool": (_BOOL, lambda text: text.lower() == "true"),
    "int": (_INT, lambda text: int(text, 0 if text[:2] in ("0o", "0x") else 10)),
    "float": (_FLOAT, lambda text: float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))),
}


def load_mapping(text: str, source: str, positions: PositionMap | None = None) -> dict[Any, Any]:
    """Read one YAML document with a mapping at its top.

    Plain scalars mean what YAML 1.2 says: ``true`` and ``false`` are the only booleans, so that ``no`` and ``on`` are
    text, as are ``12:30`` and ``2024-02-01``; ``1e-3`` is a number, and ``0o17`` an octal one. Merge keys (``<<``)
    work. ``!sweep [a, b]`` gives ``{"$sweep": [a, b]}``, ``!range {stop: 3}`` gives ``{"$range": {"stop": 3}}``,
    ``!float_range {low: 0, high: 1}`` gives ``{"$float_range": {"low": 0, "high": 1}}``, and ``!tuple [a, b]`` gives
    ``(a, b)``; ``!file path`` is the text of a file, relative to the source. No other tag than those of the core schema
    is known, and none makes an object.
    Aliases share what they name, until `generate_configurations` gives each config containers of its own.

    Args:
        text: The document.
        source: What to call it in errors, such as its path.
        positions: Gains the place of every value, for later checks of what the document says. What an alias names, or
            a merge key brings, is placed where it was written out.

    Raises:
        ConfigError: The text is no such document, holds a key twice, or is too deep or too large; with line and column.
    """
    with _syntax_errors(text, source):
        return _Reader(text, source, {} if positions is None else positions).mapping()


def load_mappings(text: str, source: str) -> Iterator[LocatedMapping]:
    """Yield the mappings of a YAML text: each of its documents holds one, or a list of them."""
    with _syntax_errors(text, source):
        yield from _Reader(text, source, {}).mappings()


@contextmanager
def _syntax_errors(text: str, source: str) -> Iterator[None]:
    """Raise what the parser finds as an error with its place."""
    unprintable = _UNPRINTABLE.search(text)
    if unprintable:
        msg = f"Cannot read YAML: it holds the unprintable character {unprintable.group()!r}. Write it as an escape."
        start = text.rfind("\n", 0, unprintable.start()) + 1
        at = text.count("\n", 0, start) + 1
        raise ConfigError(msg, source=source, line=at, column=unprintable.start() - start + 1)
    forget_included(source)
    try:
        yield
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (None, None)
        cause = ", ".join(part for part in (error.context, error.problem) if part)
        msg = f"Cannot read YAML: {cause}. Correct the syntax there, or just before."
        if "nesting depth" in (error.problem or ""):  # PyYAML 6.0.4 has a limit of its own
            msg = f"Cannot read YAML: it is nested deeper than {MAX_DEPTH} levels. Flatten it."
        raise ConfigError(msg, source=source, line=line, column=column) from error


class _Reader:
    """One pass over the events of one text."""

    def __init__(self, text: str, source: str, positions: PositionMap) -> None:
        self._source = source
        self._positions = positions
        self._path: list[Any] = []
        self._events: Iterator[Any] = yaml.parse(text, Loader=_LOADER)
        self._count = 0
        self._anchors: dict[str, tuple[Any, int]] = {}  # with the number of values that each one stands for

    def mapping(self) -> dict[Any, Any]:
        """Return the mapping of a text with one document."""
        next(self._events)  # the stream's start
        start = next(self._events)
        if isinstance(start, yaml.StreamEndEvent):
            self._fail("the file is empty", "Write a mapping into it")
        top = next(self._events)
        data = self._value(top, 0)
        if not isinstance(data, dict):
            self._fail(_no_mapping("its top level", data), "Write one mapping into it", top)
        next(self._events)  # the document's end
        end = next(self._events)
        if not isinstance(end, yaml.StreamEndEvent):
            self._fail("there is a second document", "Write one mapping into it", end)
        return data

    def mappings(self) -> Iterator[LocatedMapping]:
        """Yield the mappings of all documents."""
        next(self._events)  # the stream's start
        start = next(self._events)
        if isinstance(start, yaml.StreamEndEvent):
            self._fail("the file is empty", "Write a mapping into it")
        while not isinstance(start, yaml.StreamEndEvent):
            self._positions, self._anchors = {}, {}
            top = next(self._events)
            yield from self._document(self._value(top, 0), top)
            next(self._events)  # the document's end
            start = next(self._events)

    def _document(self, data: Any, top: Any) -> Iterator[LocatedMapping]:
        """Yield the mappings of a document: itself, or the items of its list."""
        advice = "Write a mapping, or a list of mappings"
        if isinstance(data, dict):
            yield LocatedMapping(data, (top.start_mark.line + 1, top.start_mark.column + 1), self._positions)
            return
        if not isinstance(data, list) or not data:
            self._fail("its list is empty" if data == [] else _no_mapping("its top level", data), advice, top)
        for index, item in enumerate(data):
            line, column = self._positions[(index,)]
            if not isinstance(item, dict):
                msg = f"Cannot read YAML: {_no_mapping(f'item {index} of its list', item)}. {advice}."
                raise ConfigError(msg, source=self._source, line=line, column=column)
            yield LocatedMapping(item, (line, column), self._positions, (index,))

    def _value(self, event: Any, depth: int) -> Any:
        give_way()
        if isinstance(event, yaml.AliasEvent):
            return self._aliased(event)
        if depth > MAX_DEPTH:
            self._fail(f"it is nested deeper than {MAX_DEPTH} levels", "Flatten it", event)
        before = self._count
        self._add(1, event)
        if event.anchor:
            self._anchors[event.anchor] = _OPEN, 0
        value = self._read(event, depth)
        if event.anchor:
            self._anchors[event.anchor] = value, self._count - before
        return value

    def _aliased(self, event: Any) -> Any:
        if event.anchor not in self._anchors:
            self._fail(f"nothing before has the anchor {event.anchor!r}", f"Define &{event.anchor} first", event)
        value, size = self._anchors[event.anchor]
        if value is _OPEN:
            self._fail(f"the value with the anchor {event.anchor!r} contains itself", "Remove the alias", event)
        self._add(size, event)
        return value

    def _add(self, count: int, event: Any) -> None:
        self._count += count
        if self._count > MAX_NODES:
            cause = f"it holds more than {MAX_NODES:,} values once its aliases are written out"
            self._fail(cause, "Split it, or keep large data in a .jsonl file", event)

    def _read(self, event: Any, depth: int) -> Any:
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event)
        is_list = isinstance(event, yaml.SequenceStartEvent)
        items: Any = self._sequence(depth) if is_list else self._mapping(depth)
        if event.tag in (None, "!", f"{_STANDARD}seq" if is_list else f"{_STANDARD}map"):
            return items
        make = (self._list_tags if is_list else self._mapping_tags).get(event.tag)
        return self._refuse_tag(event) if make is None else make(self, items, event)

    def _tuple(self, items: list[Any], _event: Any) -> tuple[Any, ...]:
        return tuple(items)

    def _sweep(self, items: list[Any], event: Any) -> dict[str, Any]:
        if not items:
            self._fail("there is nothing to choose from", "Give the sweep at least one value", event)
        return {SWEEP_KEY: items}

    def _range(self, limits: dict[Any, Any], event: Any) -> dict[str, Any]:
        key, make = _RANGES[event.tag]
        try:
            make(limits)
        except RangeError as error:
            self._fail(error.cause, error.advice, event)
        return {key: limits}

    _list_tags: ClassVar[dict[str, Callable[..., Any]]] = {"!sweep": _sweep, "!tuple": _tuple}
    _mapping_tags: ClassVar[dict[str, Callable[..., Any]]] = {"!range": _range, "!float_range": _range}

    def _sequence(self, depth: int) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self._marked(len(items), event, event, depth))
        return items

    def _marked(self, key: Any, key_event: Any, event: Any, depth: int) -> Any:
        """Read the value of a key or an index, and note where it stands."""
        self._path.append(key)
        self._positions[tuple(self._path)] = key_event.start_mark.line + 1, key_event.start_mark.column + 1
        value = self._value(event, depth + 1)
        self._path.pop()
        return value

    def _mapping(self, depth: int) -> dict[Any, Any]:
        own: dict[Any, Any] = {}
        merged: dict[Any, Any] = {}
        seen: dict[Any, Any] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._value(event, depth + 1)
            if isinstance(key, dict | list | tuple):
                self._fail("a key is a collection", "Use text or a number as the key", event)
            if key in seen:
                first = seen[key].start_mark.line + 1
                self._fail(f"the key {key!r} is there twice, first in line {first}", "Remove one of the two", event)
            seen[key] = event
            value_event = next(self._events)
            value = self._marked(key, event, value_event, depth)
            if _is_merge(event):
                merged = self._merged(value, value_event)
            else:
                own[key] = value
        return merged | own

    def _merged(self, value: Any, event: Any) -> dict[Any, Any]:
        result: dict[Any, Any] = {}
        for source in value if isinstance(value, list) else [value]:
            if not isinstance(source, dict) or source.keys() & {SWEEP_KEY, RANGE_KEY, FLOAT_RANGE_KEY}:
                self._fail("<< has something other than mappings", "Give it a mapping, or a list of them", event)
            result = source | result  # the first one wins
        return result

    def _scalar(self, event: Any) -> Any:
        text = event.value
        if event.tag is None and event.implicit[0]:
            for pattern, convert in _SCALARS.values():
                if pattern.fullmatch(text):
                    return self._converted(convert, event)
            return text
        if event.tag in (None, "!", f"{_STANDARD}str"):
            return text
        if event.tag == _FILE_TAG:
            return self._text_of_file(text, event)
        kind = event.tag.removeprefix(_STANDARD)
        if kind == event.tag or kind not in _SCALARS:
            self._refuse_tag(event)
        pattern, convert = _SCALARS[kind]
        if not pattern.fullmatch(text):
            self._fail(f"{text!r} does not fit the tag '!!{kind}'", "Correct the value or its tag", event)
        return self._converted(convert, event)

    def _text_of_file(self, name: str, event: Any) -> str:
        path = Path(self._source).parent / name
        note_included(self._source, path)
        try:
            return read_bounded(path).decode()
        except OSError as error:
            self._fail(f"{str(path)!r}: {error.strerror or error}", "Correct the path behind !file", event)
        except UnicodeDecodeError as error:
            cause = f"{str(path)!r} is no text: byte {error.object[error.start]:#04x} is no UTF-8"
            self._fail(cause, "Save it as UTF-8", event)

    def _converted(self, convert: Callable[[str], Any], event: Any) -> Any:
        try:
            return convert(event.value)
        except ValueError as error:  # an integer of more digits than Python converts
            self._fail(str(error), "Quote it, to have it as text", event)

    def _refuse_tag(self, event: Any) -> NoReturn:
        tag = event.tag.replace(_STANDARD, "!!")
        self._fail(
            f"the tag {tag!r} does not belong on this value",
            "Use !sweep or !tuple on a list, !range or !float_range on a mapping, !file on a path, or a core tag",
            event,
        )

    def _fail(self, cause: str, advice: str, event: Any = None) -> NoReturn:
        mark = event.start_mark if event is not None else None
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise ConfigError(f"Cannot read YAML: {cause}. {advice}.", source=self._source, line=line, column=column)


def _no_mapping(what: str, data: Any) -> str:
    return "the document is empty" if data is None else f"{what} is no mapping but of type {type(data).__name__}"


def _is_merge(event: Any) -> bool:
    is_plain = isinstance(event, yaml.ScalarEvent) and event.tag is None and event.implicit[0]
    return is_plain and event.value == _MERGE_KEY
