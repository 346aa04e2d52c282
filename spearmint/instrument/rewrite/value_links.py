"""Rewritten code on its way to be run: functions stand among its constants for what it reads values by."""

from collections.abc import Callable
from types import CodeType
from typing import Any

from spearmint.execution.value_reads import current_case, reader_of
from spearmint.instrument.naming.import_paths import ImportPaths
from spearmint.instrument.settings.value_target import ValueTarget

MARK = "\0spearmint"
"""What a tuple begins with that stands for what rewritten code calls."""

CASE = (MARK, "case")
"""Stands for what returns the running case, or None; all others are ``(MARK, kind, path)``."""


class ValueLinks:
    """Tells which values the paths lead to by which code reads.

    Args:
        values: The values.
    """

    def __init__(self, values: tuple[ValueTarget, ...]) -> None:
        self._values = values
        self._imports = ImportPaths()
        self._known: dict[str, str | None] = {one.dotted: one.full_name for one in values if one.literal is None}

    def linked(self, code: CodeType) -> CodeType:
        """Return code in which functions stand for the tuples that `rewrite_reads` has put among its constants."""
        constants = tuple(map(self._linked_constant, code.co_consts))
        is_changed = any(new is not old for new, old in zip(constants, code.co_consts, strict=True))
        return code.replace(co_consts=constants) if is_changed else code

    def _linked_constant(self, constant: Any) -> Any:
        kind = type(constant)
        if kind is CodeType:
            return self.linked(constant)
        if kind is not tuple or not constant or constant[0] != MARK:
            return constant
        if constant == CASE:
            return current_case
        return self._reader(*constant[1:])

    def _reader(self, kind: str, path: str) -> Callable[..., Any]:
        name = path if kind == "literal" else self.name_of(path)
        if name is not None:
            return reader_of(name, kind)
        return _plain_attribute if kind == "attribute" else _plain

    def name_of(self, path: str) -> str | None:
        """Return the name of the value that a dotted path leads to, also by what other modules import; else None."""
        if path not in self._known:
            self._known[path] = self._followed(path)
        return self._known[path]

    def _followed(self, path: str) -> str | None:
        place = self._imports.place_of_path(path)
        name = place and ":".join(place)
        return next((one.full_name for one in self._values if one.full_name == name), None)


def _plain(value: Any, case: Any) -> Any:  # noqa: ARG001 - called as a reader is
    """Stand for a read that leads to no value."""
    return value


def _plain_attribute(held_by: Any, value: Any, case: Any) -> Any:  # noqa: ARG001 - as above
    return value
