"""The environment variables through which child processes install the same settings, read by `lazy_finder`."""

import json
import os
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from spearmint.errors import SettingsError
from spearmint.instrument.child_processes.lazy_finder import CHILD_VARIABLE, STARTUP_FOLDER
from spearmint.instrument.child_processes.unreachable import watch_children
from spearmint.instrument.settings.load import LoadedSettings
from spearmint.instrument.settings.matching import Targets


def propagate_to_children(loaded: LoadedSettings) -> Callable[[], None]:
    """Have the Python processes that this one starts from now on install the same settings.

    Forks need none of it. Those that do not inherit the environment, or run with ``-I`` or ``-E``, learn nothing, of
    which the first is told.

    Args:
        loaded: The settings.

    Returns:
        What takes it back.

    Raises:
        SettingsError: If the settings hold objects, which cannot be written down for another process.
    """
    variables = {CHILD_VARIABLE: _message(loaded), "PYTHONPATH": _startup_first(os.environ.get("PYTHONPATH"))}
    with ExitStack() as undo:
        undo.callback(watch_children())
        undo.callback(_propagated.add(variables))
        return undo.pop_all().close


class _Propagated:
    """What installations have set in the environment: the last of those that stand is in force."""

    def __init__(self) -> None:
        self._before: dict[str, str | None] = {}
        self._standing: list[dict[str, str]] = []

    def add(self, variables: dict[str, str]) -> Callable[[], None]:
        """Set variables; what is returned takes them back, in whatever order installations are taken back."""
        if not self._standing:
            self._before = {name: os.environ.get(name) for name in variables}
        self._standing.append(variables)
        os.environ.update(variables)
        return partial(self._remove, variables)

    def _remove(self, variables: dict[str, str]) -> None:
        self._standing = [one for one in self._standing if one is not variables]
        if self._standing:
            os.environ.update(self._standing[-1])
            return
        for name, value in self._before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


_propagated = _Propagated()


def _startup_first(before: str | None) -> str:
    """Return a search path of modules that begins with the folder of our ``sitecustomize``."""
    others = before.split(os.pathsep) if before else []
    return os.pathsep.join([STARTUP_FOLDER, *(one for one in others if one != STARTUP_FOLDER)])


def _message(loaded: LoadedSettings) -> str:
    settings, origin = loaded.settings, loaded.origin
    packages = [package.name for package in settings.packages]
    try:
        config: Any = str(origin.path.absolute()) if origin.path is not None else _plain(loaded)
        every = settings.reload and settings.reload.every
        return json.dumps([sorted(Targets(loaded).roots), [config, packages, settings.propagate_threads, every]])
    except (TypeError, ValueError, AttributeError) as error:  # The last one is what pydantic makes of an object.
        message = (
            f"Cannot tell child processes the settings: {error}. They hold an object; name it by its import path, "
            "or leave propagate_children out."
        )
        raise SettingsError(message, source="propagate_children") from error


def _plain(loaded: LoadedSettings) -> dict[str, Any]:
    """Return settings that came as a mapping as one for a process that may work in another folder."""
    plain = loaded.settings.model_dump(by_alias=True, exclude_unset=True, warnings=False)
    for entry in (*plain.get("packages", ()), *plain.get("experiments", ())):
        if entry.get("configs"):
            entry["configs"] = [_absolute(source, loaded.origin.folder) for source in entry["configs"]]
    return plain


def _absolute(source: Any, folder: Path) -> Any:
    if isinstance(source, os.PathLike):
        source = os.fspath(source)
    return str(folder / Path(source).expanduser()) if isinstance(source, str) else source
