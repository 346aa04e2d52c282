"""The handle of what is installed: it tells of it, pauses it and takes it back."""

import atexit
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self

from spearmint.context.threads import install_thread_propagation
from spearmint.execution.worker_initializers import worker_initializers
from spearmint.instrument.child_processes.environment import propagate_to_children
from spearmint.instrument.importing.already_imported import EARLIER, wrap_imported_modules
from spearmint.instrument.importing.hook import hook
from spearmint.instrument.importing.installation import Installation
from spearmint.instrument.process_settings import ProcessSettings
from spearmint.instrument.reload_source import SettingsFiles
from spearmint.instrument.report import InstallationReport, idle_message, missed_message, report_on, tell
from spearmint.instrument.settings.load import LoadedSettings
from spearmint.online.reload import reloader
from spearmint.warn import warn


class Handle:
    """What `install` returns. It takes the installation back, as the end of ``with`` does."""

    def __init__(self, loaded: LoadedSettings, *, reaches_children: bool, packages: Iterable[str] = ()) -> None:
        self.loaded = loaded
        self._packages = tuple(packages)
        self.claims = 1
        self._reaches_children = reaches_children
        self._installation = Installation(loaded)
        self._process = ProcessSettings()
        self._files = SettingsFiles(self._installation, self._packages, self._process, self._note)
        self._undo = ExitStack()

    def _note(self, loaded: LoadedSettings) -> None:
        self.loaded = loaded

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

    def tell_losses(self) -> None:
        """Say on stderr, at the end of the process, what was loaded past the hook, and what has taken no effect."""
        report = self.report(raises=False)
        for target in report.targets:
            for one in target.idle_bindings:
                tell(f"spearmint: {target.target}: {idle_message(*one)}.")
        if self.loaded.settings.on_missed == "ignore":
            return
        missed = tuple(one for one in report.missed if one.reason != EARLIER)
        if missed:  # The others have been told when it was installed.
            tell(f"spearmint: {missed_message(missed)}")

    @property
    def is_installed(self) -> bool:
        """Whether it is in force."""
        return self._installation in hook.installations

    def pause(self) -> None:
        """Have every experiment of the settings run under its first config, whatever its strategy, without variants.

        That holds for experiments that the program has kept a reference of, too, and for those that are still to be
        made, until `resume` or `uninstall`. Calls that are under way end as they began. It may be called twice.
        """
        self._installation.pause()

    def resume(self) -> None:
        """Let the experiments run as the settings say, after `pause`; without it, do nothing."""
        self._installation.resume()

    def reload(self) -> None:
        """Read the settings again, and put what they say now in the place of what they said.

        Other configs and strategies, and ``enabled``, take effect together: each call sees all of it or none, and those
        that are under way end as they began. New targets, changed bindings and other options are taken in too: then
        functions of modules that have been imported are wrapped anew where they stand, those that the program has kept
        a reference of follow, and calls that begin meanwhile may run as without Spearmint. A pause goes on.

        Raises:
            SettingsError: If the settings are no good; then what was in force stays so.
        """
        before, old = self.loaded, self._installation
        read = self._files.read()
        staged = self._files.stage_settings(read)
        if not staged.waiting:
            staged.apply()
            return
        is_paused = old.is_paused
        try:
            self._replace(read, old, is_paused=is_paused)
        except BaseException:
            self._replace(before, old, is_paused=is_paused)
            raise
        _tell_of_late_values(self._installation, old)

    def _replace(self, loaded: LoadedSettings, old: Installation, *, is_paused: bool) -> None:
        self._undo.close()
        self.loaded, self._installation = loaded, Installation(loaded)
        self._files = SettingsFiles(self._installation, self._packages, self._process, self._note)
        account = self._installation.account
        account.modules.update(old.account.modules)
        account.already_imported.update(old.account.already_imported)
        if is_paused:
            self._installation.pause()
        self.put_in_place(is_reload=True)

    def put_in_place(self, *, is_reload: bool = False) -> None:
        """Do what `install` promises; what fails leaves everything as it was.

        Args:
            is_reload: Whether other settings were in force until now.
        """
        with ExitStack() as undo:
            hook.add(self._installation)
            undo.callback(self._installation.take_back)
            undo.callback(hook.drop, self._installation)
            settings = self.loaded.settings
            undo.callback(self._process.take_back)
            self._process.put_in_force(self.loaded)
            undo.callback(install_thread_propagation(keeps=settings.propagate_threads).uninstall)
            if self._reaches_children:
                undo.callback(propagate_to_children(self.loaded))
            preparation = partial(_install_there, self.loaded)
            worker_initializers.append(preparation)
            undo.callback(worker_initializers.remove, preparation)
            wrap_imported_modules(self._installation, hook.swap, sees_cells=hook.sees_cells, is_reload=is_reload)
            self._installation.revive_released()
            watch = settings.reload
            undo.callback(reloader.add(self._files, None if watch is None else watch.every))
            self._undo = undo.pop_all()

    def uninstall(self) -> None:
        """Take the installation back. It may be called twice.

        Modules and functions are then as they were. An experiment that the program has kept calls its
        function from then on.
        """
        self.claims = 0
        handles.discard(self)
        self._undo.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.claims -= 1
        if self.claims <= 0:  # Unless another caller has installed the same.
            self.uninstall()


class Handles:
    """The handles of what is installed in this process."""

    def __init__(self) -> None:
        self._handles: list[Handle] = []
        self._tells_at_exit = False

    def claim(
        self, loaded: LoadedSettings, packages: Iterable[str] = (), *, reaches_children: bool
    ) -> tuple[Handle, bool]:
        """Return the handle for settings, and whether it is a new one."""
        with hook.lock:
            if not self._tells_at_exit:
                self._tells_at_exit = True
                atexit.register(self._tell_at_exit)
            for handle in self._handles:
                if handle.loaded.settings == loaded.settings and _file(handle.loaded) == _file(loaded):
                    handle.claims += 1
                    return handle, False
            handle = Handle(loaded, reaches_children=reaches_children, packages=packages)
            self._handles.append(handle)
            return handle, True

    def discard(self, handle: Handle) -> None:
        """Forget a handle."""
        with hook.lock:
            if handle in self._handles:
                self._handles.remove(handle)

    def all(self) -> list[Handle]:
        """Return the handles, in the order in which they were made."""
        with hook.lock:
            return list(self._handles)

    def _tell_at_exit(self) -> None:
        for handle in self.all():
            handle.tell_losses()


handles = Handles()


def _file(loaded: LoadedSettings) -> Path | None:
    path = loaded.origin.path
    return path and loaded.origin.folder / path.name


def _tell_of_late_values(installation: Installation, old: Installation) -> None:
    """Warn of values that a reload names for the first time, of which code that was imported by then knows nothing."""
    known = {value.full_name for value in old.targets.values.values()}
    roots = {name.partition(".")[0] for name in old.account.modules}
    new = [value for value in installation.targets.values.values() if value.full_name not in known]
    if late := [value.full_name for value in new if value.root in roots]:
        message = (
            f"Reloaded settings name values for the first time: {', '.join(late)}. Modules that were imported by then "
            "read on what stands in the code. Restart the process to vary them there too."
        )
        warn(message)


def _install_there(loaded: LoadedSettings) -> None:
    """Install, in a worker process, what the process that sends it work has installed."""
    handle, is_new = handles.claim(loaded, reaches_children=loaded.settings.propagate_children)
    if is_new:
        handle.put_in_place()
