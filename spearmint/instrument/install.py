"""`install` and `uninstall`."""

import os
from collections.abc import Iterable, Mapping
from typing import Any

from spearmint.discovery import is_supported
from spearmint.discovery.cpython import unknown_python
from spearmint.instrument.child_processes.lazy_finder import remove_lazy_finder
from spearmint.instrument.handle import Handle, handles
from spearmint.instrument.settings.changes import with_options
from spearmint.instrument.settings.load import LoadedSettings, read_settings
from spearmint.instrument.settings.model import ReloadEntry
from spearmint.online.reload import checked_interval
from spearmint.planning.select import prepare
from spearmint.warn import warn

__all__ = ["Handle", "install", "install_for_program", "installed", "uninstall"]


def install(
    config: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    *,
    packages: Iterable[str] = (),
    propagate_threads: bool = False,
    reload: float | None = None,
) -> Handle:
    """Put whole packages under experiment as they are imported, without a change to any line of theirs.

    Call it before they are imported. Modules that were imported already are named in a warning, and what the settings
    want of them is wrapped in place. Calling it again with the same settings changes nothing.

    Args:
        config: Path of a settings file, or a mapping; None for the file that ``SPEARMINT_CONFIG`` names, or that is
            found in the working directory or above it: ``spearmint.yaml``, or ``[tool.spearmint]`` in
            ``pyproject.toml``.
        packages: Names of packages to look into beside those of the settings; each covers its submodules.
        propagate_threads: Whether executors and threads that the program starts carry on the running case. Otherwise
            an experiment that is called there runs outside it, which is said once.
        reload: Seconds between two looks at the settings file and the config files that it names, so that what changes
            in them takes effect without a restart, as `spearmint.reload` says; None for as ``reload`` in the settings.

    Returns:
        A handle, which is a context manager and has ``uninstall()``.

    Raises:
        SettingsError: If the settings say what cannot be done, with file and line. Later, importing a module raises it
            if a target names a function that the module does not have, or a binding a parameter.
    """
    named = _names(packages)
    loaded = _read(config, named, propagate_threads=propagate_threads, reload=reload)
    return _install(loaded, named, reaches_children=loaded.settings.propagate_children)


def install_for_program(
    config: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    *,
    packages: Iterable[str] = (),
    propagate_threads: bool = False,
    reload: float | None = None,
) -> Handle:
    """Do what `install` does, with children instrumented too unless the settings say otherwise.

    This is for ``spearmint run``, and for the children themselves.

    Args:
        config: As for `install`.
        packages: The same.
        propagate_threads: The same.
        reload: The same.

    Returns:
        The handle.

    Raises:
        SettingsError: As `install`.
    """
    named = _names(packages)
    loaded = _read(config, named, propagate_threads=propagate_threads, reload=reload)
    settings = loaded.settings
    reaches_children = settings.propagate_children or "propagate_children" not in settings.model_fields_set
    return _install(loaded, named, reaches_children=reaches_children)


def _names(packages: Iterable[str]) -> tuple[str, ...]:
    return (packages,) if isinstance(packages, str) else tuple(packages)


def _read(config: Any, packages: tuple[str, ...], *, propagate_threads: bool, reload: float | None) -> LoadedSettings:
    loaded = read_settings(config, packages=packages)
    if propagate_threads:
        loaded = with_options(loaded, propagate_threads=True)
    if reload is not None:
        loaded = with_options(loaded, reload=ReloadEntry(every=checked_interval(reload)))
    return loaded


def _install(loaded: LoadedSettings, packages: tuple[str, ...], *, reaches_children: bool) -> Handle:
    prepare()
    handle, is_new = handles.claim(loaded, packages, reaches_children=reaches_children)
    if is_new:
        _warn_if_unsupported()
        try:
            handle.put_in_place()
        except BaseException:
            handles.discard(handle)
            raise
    return handle


def installed() -> list[Handle]:
    """Return the handles of what is installed, in the order in which it was."""
    return handles.all()


def uninstall() -> None:
    """Take back everything that `install` has put in place; without any, do nothing."""
    remove_lazy_finder()
    for handle in reversed(handles.all()):
        handle.uninstall()


def _warn_if_unsupported() -> None:
    if not is_supported():
        message = (
            f"Cannot rewrite code on {unknown_python()}. Functions are "
            "wrapped once their module has run; what decorators have kept of them by then, and functions inside "
            "functions, are not."
        )
        warn(message)
