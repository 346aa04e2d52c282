"""The environment variables through which child processes install the same settings, read by `lazy_finder`."""

import json
import os
from collections.abc import Callable
from contextlib import ExitStack
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
    before = os.environ.get("PYTHONPATH")
    others = before.split(os.pathsep) if before else []
    paths = os.pathsep.join([STARTUP_FOLDER, *(one for one in others if one != STARTUP_FOLDER)])
    with ExitStack() as undo:
        undo.callback(watch_children())
        for name, value in ((CHILD_VARIABLE, _message(loaded)), ("PYTHONPATH", paths)):
            undo.callback(_set, name, os.environ.get(name))
            os.environ[name] = value
        return undo.pop_all().close


def _set(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value


def _message(loaded: LoadedSettings) -> str:
    settings, origin = loaded.settings, loaded.origin
    packages = [package.name for package in settings.packages]
    try:
        config: Any = str(origin.path.absolute()) if origin.path is not None else _plain(loaded)
        return json.dumps([sorted(Targets(loaded).roots), [config, packages, settings.propagate_threads]])
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
