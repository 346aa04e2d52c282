"""What of changed settings can take effect in a running process, and what needs a restart."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from spearmint.config.located import PositionMap
from spearmint.instrument.settings.load import LoadedSettings
from spearmint.instrument.settings.model import (
    STEERING,
    EntryOptions,
    InstallSettings,
    PackageEntry,
    ValueEntry,
)
from spearmint.instrument.settings.origin import SettingsSource

_CHANGE_AT_ONCE = frozenset({"configs", "strategy", "enabled", *STEERING})
_OF_VALUES = frozenset({"configs"})
PROCESS_SECTIONS = ("tracing", "background", "online", "metrics")
"""What is said of the whole process."""
_KINDS = ("packages", "experiments")


def with_options(loaded: LoadedSettings, **options: Any) -> LoadedSettings:
    """Return settings with other options at the top, such as those that the caller of `install` gives."""
    return replace(loaded, settings=loaded.settings.model_copy(update=options))


def with_changes(before: LoadedSettings, read: LoadedSettings) -> tuple[LoadedSettings, tuple[str, ...]]:
    """Return settings with what others say of the same targets.

    Args:
        before: The settings that are in force.
        read: What the file says now.

    Returns:
        Settings of which every entry stands where it stood, and what of the others needs a restart.
    """
    waiting = []
    fields: dict[str, Any] = {}
    places: dict[tuple[str, int], int] = {}
    for kind in _KINDS:
        found = {_name(entry): (index, entry) for index, entry in enumerate(getattr(read.settings, kind))}
        kept: list[EntryOptions] = []
        for index, entry in enumerate(getattr(before.settings, kind)):
            place, now = found.pop(_name(entry), (None, None))
            if now is None or place is None:
                waiting.append(f"{_name(entry)}: the end of it")
            else:
                places[kind, place] = index
                waiting += [f"{_name(entry)}: another {name!r}" for name in _changed_options(entry, now)]
            kept.append(_changed(entry, now))
        waiting += [f"{name}: a new target" for name in found]
        fields[kind] = kept
    fields |= {name: getattr(read.settings, name) for name in PROCESS_SECTIONS}
    for name in InstallSettings.model_fields:
        if name not in fields and getattr(read.settings, name) != getattr(before.settings, name):
            waiting.append(f"another {name!r}")
    merged = before.settings.model_copy(update=fields)
    origin = replace(read.origin, marks=_moved(read.origin, places))
    return replace(before, settings=merged, origin=origin), tuple(waiting)


def _name(entry: EntryOptions) -> str:
    name: str = entry.name if isinstance(entry, PackageEntry) else getattr(entry, "target", "")
    return f"value {entry.value}" if isinstance(entry, ValueEntry) else name


def _changed(entry: EntryOptions, now: EntryOptions | None) -> EntryOptions:
    return entry if now is None else entry.model_copy(update={name: getattr(now, name) for name in _at_once(entry)})


def _changed_options(entry: EntryOptions, now: EntryOptions) -> Iterator[str]:
    for name in type(entry).model_fields:
        if name not in _at_once(entry) and getattr(entry, name) != getattr(now, name):
            yield name


def _at_once(entry: EntryOptions) -> frozenset[str]:
    # Reads of a value are compiled for the strategy that it was declared with.
    return _OF_VALUES if isinstance(entry, ValueEntry) else _CHANGE_AT_ONCE


def _moved(origin: SettingsSource, places: dict[tuple[str, int], int]) -> PositionMap:
    """Return the places in the file of what is under other keys in the merged settings."""
    depth = len(origin.root)
    moved: PositionMap = {}
    for path, mark in origin.marks.items():
        kind, index = (*path[depth:], None, None)[:2]
        if kind not in _KINDS or index is None:
            moved[path] = mark
        elif (kind, index) in places:
            moved[*path[:depth], kind, places[kind, index], *path[depth + 2 :]] = mark
    return moved
