"""A settings file, and the config files that it names, as what may change while the process runs."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path

from spearmint.config.included_files import with_included
from spearmint.config.sources import find_files
from spearmint.errors import ConfigError
from spearmint.instrument.declare.declarations import StagedEntries
from spearmint.instrument.importing.installation import Installation
from spearmint.instrument.process_settings import ProcessSettings
from spearmint.instrument.settings.changes import with_changes, with_options
from spearmint.instrument.settings.load import LoadedSettings, read_settings
from spearmint.online.reload import Staged
from spearmint.proxy.proxy import ExperimentProxy, compile_anew
from spearmint.registry.experiment import ExperimentFunction
from spearmint.registry.switches import switches


class SettingsFiles:
    """What an installation was declared in.

    Args:
        installation: What is installed.
        packages: Names of packages that were given beside those of the file.
        process: What the settings have set for the process.
        on_change: Given the settings, when others are in force.
    """

    def __init__(
        self,
        installation: Installation,
        packages: tuple[str, ...],
        process: ProcessSettings,
        on_change: Callable[[LoadedSettings], None],
    ) -> None:
        self._installation = installation
        self._packages = packages
        self._process = process
        self._on_change = on_change

    def files(self) -> Iterator[Path]:
        """Yield the settings file, those that its entries name, and those whose text any of them holds by ``!file``."""
        return with_included(self._named())

    def _named(self) -> Iterator[Path]:
        loaded = self._installation.loaded
        origin = loaded.origin
        if origin.path is not None:
            yield origin.folder / origin.path.name
        for _, entry in chain(loaded.entries(), loaded.values()):
            for source in entry.configs or ():
                if isinstance(source, str | Path):
                    yield from _found(str(source), origin.folder)

    def read(self) -> LoadedSettings:
        """Read the settings as they are now, those that came as a mapping as they were.

        Raises:
            SettingsError: If they are no good.
        """
        loaded = self._installation.loaded
        path = loaded.origin.path
        if path is None:
            return loaded
        read = read_settings(loaded.origin.folder / path.name, packages=self._packages)
        before, now = loaded.settings, read.settings
        # What was given beside the file holds on.
        return with_options(
            read,
            propagate_threads=before.propagate_threads or now.propagate_threads,
            reload=now.reload or before.reload,
        )

    def stage(self) -> Staged:
        """Read and check what they say now.

        Raises:
            SettingsError: If that is no good.
        """
        return self.stage_settings(self.read())

    def stage_settings(self, read: LoadedSettings) -> Staged:
        """Check what settings say that have been read."""
        installation = self._installation
        loaded, waiting = with_changes(installation.loaded, read)
        staged = installation.stage(loaded)
        self._process.check(loaded)
        kinds = {id(one): _kind(one) for one, _ in staged.changes}
        return Staged(
            staged.changes,
            partial(_switch, staged, is_on=False),
            partial(self._commit, staged, kinds),
            (*waiting, *staged.waiting),
        )

    def _commit(self, staged: StagedEntries, kinds: dict[int, object]) -> None:
        self._installation.commit(staged)
        self._process.put_in_force(staged.loaded)
        self._on_change(staged.loaded)
        for experiment, _ in staged.changes:
            if _kind(experiment) != kinds[id(experiment)]:
                _compile(experiment)
        _switch(staged, is_on=True)


def _kind(experiment: ExperimentFunction) -> object:
    """Return what a call of an experiment is written for."""
    declared = experiment.unpinned
    return declared.split is None, declared.is_constant, declared.start


def _compile(experiment: ExperimentFunction) -> None:
    for one in {experiment, experiment.canonical, *experiment.canonical.copies}:
        for reference in one.proxies:
            proxy = reference()
            if isinstance(proxy, ExperimentProxy) and not one.is_released:
                compile_anew(proxy)


def _switch(staged: StagedEntries, *, is_on: bool) -> None:
    for experiment, is_now_on in staged.switched:
        if is_now_on and is_on and switches.is_on(experiment.name):
            switches.turn_on(experiment)
        elif not is_now_on and not is_on:
            switches.turn_off(experiment)


def _found(text: str, folder: Path) -> list[Path]:
    try:
        return find_files(text, "configs", folder)
    except ConfigError:  # It is gone, for good or for a moment.
        return [folder / text]
