"""Where settings come from, and where in them each thing stands."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spearmint.config.located import PositionMap
from spearmint.errors import SettingsError


@dataclass(frozen=True, slots=True)
class SettingsSource:
    """Where settings were read.

    Attributes:
        path: The file; None for a mapping.
        folder: Where relative paths in them start.
        root: The keys that lead to the settings in the file, such as ``("tool", "spearmint")``.
        marks: The places of what the file says; empty for TOML, whose parser tells none.
    """

    path: Path | None
    folder: Path
    root: tuple[str, ...] = ()
    marks: PositionMap = field(default_factory=dict, repr=False)

    def line_of(self, keys: tuple[Any, ...]) -> int | None:
        """Return the line of what keys and indexes lead to, or of the nearest thing around it that has one."""
        place = self._place(keys)
        return place[0] if place else None

    def error(self, message: str, keys: tuple[Any, ...] = ()) -> SettingsError:
        """Return an error that points to the place where keys and indexes lead."""
        if self.path is None:
            return SettingsError(message, source=dotted(keys) or "settings")
        if not self.marks:
            place = dotted((*self.root, *keys))
            return SettingsError(f"{place}: {message}" if place else message, source=str(self.path))
        line, column = self._place(keys) or (None, None)
        return SettingsError(message, source=str(self.path), line=line, column=column)

    def _place(self, keys: tuple[Any, ...]) -> tuple[int, int] | None:
        path = (*self.root, *keys)
        return next(
            (self.marks[path[:length]] for length in range(len(path), -1, -1) if path[:length] in self.marks), None
        )


def dotted(keys: tuple[Any, ...]) -> str:
    """Return keys and indexes as one path: ``experiments[0].bindings.limit``."""
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys)
    return text.removeprefix(".")


def raise_combined(errors: Sequence[SettingsError]) -> None:
    """Raise errors as one that lists them in the order of the file; do nothing if there are none."""
    if not errors:
        return
    first, *others = sorted(errors, key=lambda error: (error.line or 0, error.column or 0))
    if not others:
        raise first from first.__cause__
    raise SettingsError(
        first.problem, source=first.source, line=first.line, column=first.column, others=others
    ) from first.__cause__


def split_errors(error: SettingsError) -> list[SettingsError]:
    """Return every error that one carries, each on its own."""
    if not error.others:
        return [error]
    alone = SettingsError(error.problem, source=error.source, line=error.line, column=error.column)
    return [alone, *error.others]
