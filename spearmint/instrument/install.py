"""`install` and `uninstall`, and the handle that takes an installation back."""

import atexit
import os
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

from spearmint.context.threads import install_thread_propagation
from spearmint.discovery import is_supported
from spearmint.execution.limits import PoolLimits
from spearmint.execution.pool import variant_pool
from spearmint.execution.worker_initializers import worker_initializers
from spearmint.instrument.child_processes.environment import propagate_to_children
from spearmint.instrument.child_processes.lazy_finder import remove_lazy_finder
from spearmint.instrument.importing.already_imported import EARLIER, wrap_imported_modules
from spearmint.instrument.importing.hook import hook
from spearmint.instrument.importing.installation import Installation
from spearmint.instrument.report import InstallationReport, missed_message, report_on, tell
from spearmint.instrument.settings.load import LoadedSettings, read_settings
from spearmint.tracing import recorder
from spearmint.tracing.exporter import exporter
from spearmint.tracing.options import TracingOptions
from spearmint.warn import warn


class Handle:
    """What `install` returns. It takes the installation back, as the end of ``with`` does."""

    def __init__(self, loaded: LoadedSettings, *, reaches_children: bool) -> None:
        self.loaded = loaded
        self.claims = 1
        self._reaches_children = reaches_children
        self._installation = Installation(loaded)
        self._undo = ExitStack()

    @property
    def skipped(self) -> Mapping[str, str]:
        """Modules that the settings are about and whose code is not rewritten, each with the reason."""
        return MappingProxyType({one.name: one.reason for one in self.report(raises=False).modules if one.reason})

    def report(self, *, raises: bool = True) -> InstallationReport:
        """Tell what has become, by now, of everything that the settings name.

        Args:
            raises: Whether ``on_missed: error`` of the settings makes an error of modules that were missed.

        Returns:
            The report. ``str()`` of it has a line for each module that the settings name, with one of ``rewritten``,
            ``cached``, ``wrapped_after``, ``left`` and ``not_imported``, and a line for each target with the number of
            functions that became experiments.

        Raises:
            SettingsError: If the settings say ``on_missed: error`` and modules that they name have been loaded by a
                hook that passed Spearmint's over.
        """
        report = report_on(self._installation)
        if raises and report.missed and self.loaded.settings.on_missed == "error":
            raise self.loaded.origin.error(missed_message(report.missed), ("on_missed",))
        return report

    def tell_missed(self) -> None:
        """Say on stderr, at the end of the process, what was loaded past the hook."""
        if self.loaded.settings.on_missed == "ignore":
            return
        missed = tuple(one for one in self.report(raises=False).missed if one.reason != EARLIER)
        if missed:  # The others have been told when it was installed.
            tell(f"spearmint: {missed_message(missed)}")

    @property
    def is_installed(self) -> bool:
        """Whether it is in force."""
        return self._installation in hook.installations

    def put_in_place(self) -> None:
        """Do what `install` promises; what fails leaves everything as it was."""
        with ExitStack() as undo:
            hook.add(self._installation)
            undo.callback(self._installation.take_back)
            undo.callback(hook.drop, self._installation)
            settings = self.loaded.settings
            if settings.background is not None or settings.tracing is not None:
                undo.callback(_set_process, variant_pool.limits, exporter.options)
                recorder.set_options(settings.tracing or {})
                variant_pool.configure(**settings.background or {})
            undo.callback(install_thread_propagation(keeps=settings.propagate_threads).uninstall)
            if self._reaches_children:
                undo.callback(propagate_to_children(self.loaded))
            preparation = partial(_install_there, self.loaded)
            worker_initializers.append(preparation)
            undo.callback(worker_initializers.remove, preparation)
            wrap_imported_modules(self._installation, hook.swap, sees_cells=hook.sees_cells)
            self._undo = undo.pop_all()

    def uninstall(self) -> None:
        """Take the installation back. It may be called twice.

        Modules and functions are then as they were. An experiment that the program has kept calls its
        function from then on.
        """
        self.claims = 0
        _handles.discard(self)
        self._undo.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.claims -= 1
        if self.claims <= 0:  # Unless another caller has installed the same.
            self.uninstall()


class _Handles:
    """The handles of what is installed in this process."""

    def __init__(self) -> None:
        self._handles: list[Handle] = []
        self._tells_at_exit = False

    def claim(self, loaded: LoadedSettings, *, reaches_children: bool) -> tuple[Handle, bool]:
        """Return the handle for settings, and whether it is a new one."""
        with hook.lock:
            if not self._tells_at_exit:
                self._tells_at_exit = True
                atexit.register(self._tell_at_exit)
            for handle in self._handles:
                if handle.loaded.settings == loaded.settings and _file(handle.loaded) == _file(loaded):
                    handle.claims += 1
                    return handle, False
            handle = Handle(loaded, reaches_children=reaches_children)
            self._handles.append(handle)
            return handle, True

    def discard(self, handle: Handle) -> None:
        with hook.lock:
            if handle in self._handles:
                self._handles.remove(handle)

    def all(self) -> list[Handle]:
        with hook.lock:
            return list(self._handles)

    def _tell_at_exit(self) -> None:
        for handle in self.all():
            handle.tell_missed()


_handles = _Handles()


def install(
    config: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    *,
    packages: Iterable[str] = (),
    propagate_threads: bool = False,
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

    Returns:
        A handle, which is a context manager and has ``uninstall()``.

    Raises:
        SettingsError: If the settings say what cannot be done, with file and line. Later, importing a module raises it
            if a target names a function that the module does not have, or a binding a parameter.
    """
    loaded = read_settings(config, packages=packages)
    if propagate_threads:
        loaded = replace(loaded, settings=loaded.settings.model_copy(update={"propagate_threads": True}))
    return _install(loaded, reaches_children=loaded.settings.propagate_children)


def install_for_program(
    config: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    *,
    packages: Iterable[str] = (),
    propagate_threads: bool = False,
) -> Handle:
    """Do what `install` does, with children instrumented too unless the settings say otherwise.

    This is for ``spearmint run``, and for the children themselves.

    Args:
        config: As for `install`.
        packages: The same.
        propagate_threads: The same.

    Returns:
        The handle.

    Raises:
        SettingsError: As `install`.
    """
    loaded = read_settings(config, packages=packages)
    settings = loaded.settings
    if propagate_threads:
        loaded = replace(loaded, settings=settings.model_copy(update={"propagate_threads": True}))
    reaches_children = settings.propagate_children or "propagate_children" not in settings.model_fields_set
    return _install(loaded, reaches_children=reaches_children)


def _install(loaded: LoadedSettings, *, reaches_children: bool) -> Handle:
    handle, is_new = _handles.claim(loaded, reaches_children=reaches_children)
    if is_new:
        _warn_if_unsupported()
        try:
            handle.put_in_place()
        except BaseException:
            _handles.discard(handle)
            raise
    return handle


def installed() -> list[Handle]:
    """Return the handles of what is installed, in the order in which it was."""
    return _handles.all()


def uninstall() -> None:
    """Take back everything that `install` has put in place; without any, do nothing."""
    remove_lazy_finder()
    for handle in reversed(_handles.all()):
        handle.uninstall()


def _file(loaded: LoadedSettings) -> Path | None:
    path = loaded.origin.path
    return path and loaded.origin.folder / path.name


def _set_process(limits: PoolLimits, options: TracingOptions) -> None:
    """Let what `spearmint.configure` sets be what it was."""
    variant_pool.configure(**asdict(limits))
    exporter.options = options
    recorder.set_options({})  # It keeps what it has read of the options.


def _install_there(loaded: LoadedSettings) -> None:
    """Install, in a worker process, what the process that sends it work has installed."""
    handle, is_new = _handles.claim(loaded, reaches_children=loaded.settings.propagate_children)
    if is_new:
        handle.put_in_place()


def _warn_if_unsupported() -> None:
    if not is_supported():
        message = (
            "Cannot rewrite code on this Python: it is none that Spearmint knows, CPython 3.11 to 3.14. Functions are "
            "wrapped once their module has run; what decorators have kept of them by then, and functions inside "
            "functions, are not."
        )
        warn(message)
