"""Config files of a `spearmint.Spearmint` that is watched: what changes in them takes effect without a restart."""

import os
import weakref
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from spearmint.config import Config, parse_configs
from spearmint.config.canonical import canonical_text
from spearmint.config.included_files import with_included
from spearmint.config.sources import find_files
from spearmint.errors import ConfigError, DeclarationError
from spearmint.online.reload import Staged, checked_interval, reloader
from spearmint.registry.experiment import ExperimentFunction


class ConfigFiles:
    """Configs that are read from files, and the experiments that have them.

    Args:
        sources: What was given as configs: a path, or paths among other sources.
        every: Seconds between two looks at the files.

    Attributes:
        configs: The configs that are in force.

    Raises:
        ConfigError: If a config cannot be read, or the interval is none.
        DeclarationError: If no source is a path.
    """

    def __init__(self, sources: Any, every: float) -> None:
        is_one = isinstance(sources, str | os.PathLike | Mapping) or not isinstance(sources, Iterable)
        self._sources: list[Any] = [sources] if is_one else list(sources)
        self._folder = Path.cwd()  # The program may change its working directory.
        if not any(isinstance(source, str | os.PathLike) for source in self._sources):
            message = "Cannot reload configs that are in no file. Give configs='path', or leave 'reload' out."
            raise DeclarationError(message)
        interval = checked_interval(every)
        self.configs = self._read()
        self._experiments: weakref.WeakSet[ExperimentFunction] = weakref.WeakSet()
        reloader.add(self, interval)

    def add(self, experiment: ExperimentFunction) -> None:
        """Let an experiment follow."""
        experiment.family = self
        self._experiments.add(experiment)

    def files(self) -> Iterator[Path]:
        """Yield the files that the sources stand for now, and those whose text any of them holds by ``!file``."""
        return with_included(self._named())

    def _named(self) -> Iterator[Path]:
        for source in self._sources:
            if isinstance(source, str | os.PathLike):
                text = os.fspath(source)
                try:
                    yield from find_files(text, "configs", self._folder)
                except ConfigError:  # It is gone, for good or for a moment.
                    yield self._folder / text

    def stage(self) -> Staged:
        """Read and check what they say now.

        Raises:
            SpearmintError: If that is no good.
        """
        configs = self._read()
        if are_same(configs, self.configs):
            return Staged()
        if not configs or not self.configs:
            return Staged(waiting=("configs where there were none, or none where there were some",))
        members = list(self._experiments)
        changes = [(one, one.declare_anew(configs, one.settings.strategy)) for one in members]
        return Staged(changes, commit=lambda: setattr(self, "configs", configs))

    def _read(self) -> list[Config]:
        return parse_configs(self._sources, relative_to=self._folder)


def are_same(configs: Iterable[Config], others: Iterable[Config]) -> bool:
    """Tell whether configs have the same ids and the same contents, in the same order."""
    try:
        told = [[(one.config_id, canonical_text(one)) for one in some] for some in (configs, others)]
    except ConfigError:  # One has an id of its own for want of a canonical form.
        return False
    return told[0] == told[1]


def parsed(configs: Any) -> list[Config]:
    """Return the configs that were given, be it none."""
    return [] if configs is None else parse_configs(configs)
