"""Rewritten code on its way to be run: functions stand among its constants for what it reads values by."""

from collections.abc import Callable
from types import CodeType
from typing import Any

from spearmint.execution.value_reads import current_case, reader_of
from spearmint.instrument.naming.import_paths import ImportPaths
from spearmint.instrument.rewrite.read_marks import CASE, MarkPlaces
from spearmint.instrument.settings.value_target import ValueTargets


class ValueLinks:
    """Tells which values the paths lead to by which code reads.

    Args:
        values: The values.
    """

    def __init__(self, values: ValueTargets) -> None:
        self._named = values.names
        self._imports = ImportPaths()
        self._known: dict[str, str | None] = {}

    def linked(self, code: CodeType, marks: MarkPlaces) -> CodeType:
        """Return code in which functions stand for the tuples that `rewrite_reads` has put among its constants.

        Args:
            code: The code.
            marks: Where they stand.
        """
        constants = list(code.co_consts)
        for index, below in marks:
            held = constants[index]
            if below:
                constants[index] = self.linked(held, below)
            else:
                constants[index] = current_case if held == CASE else self._reader(*held[1:])
        return code.replace(co_consts=tuple(constants))

    def _reader(self, kind: str, path: str) -> Callable[..., Any]:
        name = path if kind == "literal" else self.name_of(path)
        if name is not None:
            return reader_of(name, kind)
        return _plain_attribute if kind == "attribute" else _plain

    def name_of(self, path: str) -> str | None:
        """Return the name of the value that a dotted path leads to, also by what other modules import; else None."""
        found = self._named.get(path)
        if found is not None:
            return found
        if path not in self._known:
            self._known[path] = self._followed(path)
        return self._known[path]

    def _followed(self, path: str) -> str | None:
        place = self._imports.place_of_path(path)
        name = self._named.get(".".join(place)) if place else None
        return name if place and name == ":".join(place) else None


def _plain(value: Any, case: Any) -> Any:  # noqa: ARG001 - called as a reader is
    """Stand for a read that leads to no value."""
    return value


def _plain_attribute(held_by: Any, value: Any, case: Any) -> Any:  # noqa: ARG001 - as above
    return value
