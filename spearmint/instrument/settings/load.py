"""Settings from a file, a mapping, or where they are found; every error in them at once, with its place."""

import itertools
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from spearmint.config.file_access import read_bounded
from spearmint.config.files import decode
from spearmint.config.located import PositionMap
from spearmint.errors import ConfigError, SettingsError
from spearmint.instrument.settings.entry_errors import (
    idle_package,
    misplaced_stages,
    missing_configs,
    numbered_glob,
)
from spearmint.instrument.settings.model import (
    ExperimentEntry,
    InstallSettings,
    PackageEntry,
    ValueEntry,
)
from spearmint.instrument.settings.origin import SettingsSource, raise_combined
from spearmint.instrument.settings.target import is_within
from spearmint.instrument.settings.validation_errors import translate_validation_errors
from spearmint.instrument.settings.value_target import parse_value

SETTINGS_VARIABLE = "SPEARMINT_CONFIG"
"""The environment variable that may name the settings file."""

_FILES = ("spearmint.yaml", "spearmint.yml")
_PROJECT = "pyproject.toml"
_TABLE = ("tool", "spearmint")
_OURS = "spearmint"


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """Settings with the place where they were read."""

    settings: InstallSettings
    origin: SettingsSource
    _left_out: frozenset[tuple[Any, ...]] = frozenset()

    def entries(self) -> Iterator[tuple[tuple[str, int], PackageEntry | ExperimentEntry]]:
        """Yield every entry that is about functions with the keys that lead to it, experiments first."""
        for keys, entry in self._placed("experiments", self.settings.experiments):
            if isinstance(entry, ExperimentEntry):
                yield keys, entry
        yield from self._placed("packages", self.settings.packages)

    def values(self) -> Iterator[tuple[tuple[str, int], ValueEntry]]:
        """Yield every entry that is about a value with the keys that lead to it."""
        for keys, entry in self._placed("experiments", self.settings.experiments):
            if isinstance(entry, ValueEntry):
                yield keys, entry

    def _placed(self, kind: str, entries: Iterable[Any]) -> Iterator[tuple[tuple[str, int], Any]]:
        kept = ((kind, index) for index in itertools.count() if (kind, index) not in self._left_out)
        return zip(kept, entries, strict=False)  # There is no end of places.


def read_settings(
    config: str | os.PathLike[str] | Mapping[str, Any] | None = None, *, packages: Iterable[str] = ()
) -> LoadedSettings:
    """Read settings, and check all that can be known without importing what they name or parsing configs.

    Args:
        config: Path of a YAML, JSON or TOML file, a mapping, or None for what is found: the file that the environment
            variable ``SPEARMINT_CONFIG`` names, else, in the working directory or the nearest folder above it that
            has one, ``spearmint.yaml`` or the table ``[tool.spearmint]`` of ``pyproject.toml``.
        packages: Names of packages to instrument beside those of the settings.

    Returns:
        The settings, and where they are from.

    Raises:
        SettingsError: If there are none and no packages either, or they say what cannot be done. It lists every error.
    """
    loaded, errors = inspect_settings(config, packages=packages)
    raise_combined(errors)
    return loaded


def inspect_settings(
    config: str | os.PathLike[str] | Mapping[str, Any] | None = None, *, packages: Iterable[str] = ()
) -> tuple[LoadedSettings, list[SettingsError]]:
    """Do what `read_settings` does, but leave out entries that are wrong; return an error for each mistake, too."""
    names = [packages] if isinstance(packages, str) else list(packages)
    data, origin = _source(config, is_needed=not names)
    if names:
        data = {**data, "packages": _with_packages(data.get("packages") or [], names)}
    try:
        loaded, errors = LoadedSettings(InstallSettings.model_validate(data), origin), []
    except ValidationError as error:
        errors = list(translate_validation_errors(error, origin))
        wrong = frozenset(_entry_of(found["loc"]) for found in error.errors())
        loaded = LoadedSettings(InstallSettings.model_validate(_without(data, wrong)), origin, wrong)
    return loaded, [*errors, *_semantic_errors(loaded)]


def find_settings(start: Path | None = None) -> Path | None:
    """Return the file that settings would be read from, in a folder or above it; None if there is none."""
    if named := os.environ.get(SETTINGS_VARIABLE):
        if not Path(named).is_file():
            message = (
                f"Cannot read settings from {named!r}: there is no such file. Correct or unset {SETTINGS_VARIABLE}."
            )
            raise SettingsError(message, source=SETTINGS_VARIABLE)
        return Path(named)
    first = start or _working_folder()
    if first is None:
        return None
    for folder in (first, *first.parents):
        found = next((folder / name for name in _FILES if (folder / name).is_file()), None)
        if found is None and _has_table(folder / _PROJECT):
            found = folder / _PROJECT
        if found is not None:
            return found.relative_to(first) if folder == first else found
    return None


def _has_table(path: Path) -> bool:
    try:
        data = read_bounded(path)
    except OSError:
        return False
    if _OURS.encode() not in data:
        return False
    import tomllib  # noqa: PLC0415 - most settings are in no TOML file

    try:
        tool = tomllib.loads(data.decode()).get(_TABLE[0])
    except UnicodeDecodeError:
        return False
    except tomllib.TOMLDecodeError:
        return ".".join(_TABLE).encode() in data  # Reading it reports what is wrong.
    return isinstance(tool, dict) and _TABLE[1] in tool


def _working_folder() -> Path | None:
    try:
        return Path.cwd()
    except OSError:  # It has been deleted.
        return None


def _entry_of(keys: tuple[Any, ...]) -> tuple[Any, ...]:
    is_entry = keys[0] in ("packages", "experiments") and len(keys) > 1
    return keys[:2] if is_entry else keys[:1]


def _without(data: Mapping[str, Any], wrong: frozenset[tuple[Any, ...]]) -> dict[str, Any]:
    kept = {key: value for key, value in data.items() if (key,) not in wrong}
    for kind in ("packages", "experiments"):
        if kind in kept:
            kept[kind] = [entry for index, entry in enumerate(kept[kind]) if (kind, index) not in wrong]
    return kept


def _with_packages(given: Any, names: list[str]) -> Any:
    if not isinstance(given, list | tuple):
        return given
    known = [entry.get("name") if isinstance(entry, Mapping) else entry for entry in given]
    return [*given, *(name for name in dict.fromkeys(names) if name not in known)]


def _source(config: Any, *, is_needed: bool) -> tuple[Mapping[str, Any], SettingsSource]:
    if isinstance(config, Mapping):
        return config, SettingsSource(None, _working_folder() or Path())
    if config is not None and not isinstance(config, str | os.PathLike):
        message = f"Cannot read settings from {config!r:.80}: it is no source. Give a path, a mapping, or None."
        raise SettingsError(message)
    path = find_settings() if config is None else Path(config)
    if path is not None:
        return _from_file(path)
    if is_needed:
        folder = _working_folder()
        cause = "the working directory has been deleted"
        if folder is not None:
            cause = (
                f"neither {str(folder)!r} nor a folder above it has a {_FILES[0]} or a {_PROJECT} with a table "
                "[tool.spearmint]"
            )
        message = (
            f"Cannot find settings: {SETTINGS_VARIABLE} is not set, and {cause}. Write one, or give a path or packages."
        )
        raise SettingsError(message)
    return {}, SettingsSource(None, _working_folder() or Path())


def _from_file(path: Path) -> tuple[Mapping[str, Any], SettingsSource]:
    try:
        text = decode(read_bounded(path), str(path))
    except OSError as error:
        message = f"Cannot read settings from {str(path)!r}: {error.strerror or error}. Check the path."
        raise SettingsError(message, source=str(path)) from error
    except ConfigError as error:
        raise _as_settings_error(error) from error
    folder = path.absolute().parent
    if path.suffix.lower() == ".toml":
        data, root = _from_toml(path, text)
        return data, SettingsSource(path, folder, root)
    from spearmint.config.yaml_loader import load_mapping  # noqa: PLC0415 - settings may be a mapping

    marks: PositionMap = {}
    try:
        return load_mapping(text, str(path), marks), SettingsSource(path, folder, (), marks)
    except ConfigError as error:
        raise _as_settings_error(error) from error


def _from_toml(path: Path, text: str) -> tuple[Mapping[str, Any], tuple[str, ...]]:
    import tomllib  # noqa: PLC0415 - as above

    try:
        data: Any = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = f"Cannot read TOML: {error}. Correct the syntax there, or just before."
        raise SettingsError(message, source=str(path)) from error
    if path.name != _PROJECT:
        return data, ()
    tool = data.get(_TABLE[0])
    table = tool.get(_TABLE[1]) if isinstance(tool, dict) else None
    if not isinstance(table, dict):
        message = f"Cannot read settings from {str(path)!r}: it has no table [tool.spearmint]. Add one."
        raise SettingsError(message, source=str(path))
    return table, _TABLE


def _as_settings_error(error: ConfigError) -> SettingsError:
    return SettingsError(error.problem, source=error.source, line=error.line, column=error.column)


def _semantic_errors(loaded: LoadedSettings) -> Iterator[SettingsError]:
    """Yield what every single value may be, and all together not."""
    seen: dict[str, int] = {}
    yield from _of_values(loaded)
    for keys, entry in loaded.entries():
        name = entry.name if isinstance(entry, PackageEntry) else entry.target
        if (first := seen.setdefault(f"{keys[0]} {name}", keys[1])) != keys[1]:
            place = loaded.origin.line_of((keys[0], first))
            where = f"in line {place}" if place else f"as {keys[0]}[{first}]"
            yield loaded.origin.error(
                f"Cannot use {name!r} twice: it is there already, {where}. Join the two, or remove one.", keys
            )
        if is_within(name.partition(":")[0], _OURS):
            yield loaded.origin.error(f"Cannot instrument {name!r}: it is Spearmint itself. Remove it.", keys)
        yield from missing_configs(loaded.origin, keys, entry)
        yield from misplaced_stages(loaded.origin, keys, entry)
        if isinstance(entry, PackageEntry):
            yield from idle_package(loaded.origin, keys, entry)
        else:
            yield from numbered_glob(loaded.origin, keys, entry)


def _of_values(loaded: LoadedSettings) -> Iterator[SettingsError]:
    seen: dict[str, int] = {}
    for keys, entry in loaded.values():
        target = parse_value(entry.value)
        if (first := seen.setdefault(target.full_name, keys[1])) != keys[1]:
            place = loaded.origin.line_of((keys[0], first))
            where = f"in line {place}" if place else f"as {keys[0]}[{first}]"
            yield loaded.origin.error(
                f"Cannot use {entry.value!r} twice: it is there already, {where}. Join the two, or remove one.", keys
            )
        if is_within(target.module, _OURS):
            yield loaded.origin.error(f"Cannot vary {entry.value!r}: it is Spearmint's own. Remove it.", keys)
        if not entry.configs:
            yield loaded.origin.error(
                f"Cannot vary {entry.value!r}: it has no configs. Add some, as 'configs: [{{value: ...}}]' with "
                "'path: value'.",
                keys,
            )
        if entry.bindings:
            yield loaded.origin.error(
                f"Cannot bind parameters of {entry.value!r}: a value has none. Say where it stands in a config with "
                "'path: ...' instead.",
                (*keys, "bindings"),
            )
        yield from missing_configs(loaded.origin, keys, entry)
        yield from misplaced_stages(loaded.origin, keys, entry)
