"""What every single value of an entry may be, and all together not."""

import os
from collections.abc import Iterator
from typing import Any

from spearmint.assignment.stages import parse_stage, stages_problem
from spearmint.config.sources import find_files
from spearmint.errors import ConfigError, SettingsError
from spearmint.instrument.settings.model import STEERING, EntryOptions, ExperimentEntry, PackageEntry
from spearmint.instrument.settings.origin import SettingsSource
from spearmint.instrument.settings.target import parse_target


def missing_configs(origin: SettingsSource, keys: tuple[Any, ...], entry: EntryOptions) -> Iterator[SettingsError]:
    """Yield an error for each source of configs that is not there."""
    for index, source in enumerate(entry.configs or ()):
        if isinstance(source, str | os.PathLike):
            place = (*keys, "configs", index)
            try:
                find_files(os.fspath(source), "", origin.folder)
            except ConfigError as error:
                yield origin.error(error.problem, place)


def misplaced_stages(origin: SettingsSource, keys: tuple[Any, ...], entry: EntryOptions) -> Iterator[SettingsError]:
    """Yield what is wrong with stages and guardrails beside the strategy, and with stages together."""
    given = [name for name in STEERING if getattr(entry, name)]
    use = getattr(entry.strategy, "use", None)
    if given and use not in ("split", "bandit"):
        cause = f"the strategy {use!r} assigns no units" if use else "there is no strategy that assigns units"
        yield origin.error(f"Cannot use {given[0]!r}: {cause}. Add 'strategy: split'.", (*keys, given[0]))
    if problem := stages_problem(list(map(parse_stage, entry.stages))):
        position, cause = problem
        yield origin.error(f"Cannot use stages[{position}]: {cause}", (*keys, "stages", position))


def idle_package(origin: SettingsSource, keys: tuple[Any, ...], entry: PackageEntry) -> Iterator[SettingsError]:
    """Yield an error for options of a package of which no function becomes an experiment."""
    if entry.auto is None:
        idle = sorted(entry.model_fields_set - {"name", "auto"})
        if idle:
            yield origin.error(
                f"Cannot use {', '.join(map(repr, idle))} of package {entry.name!r}: no function of it becomes an "
                "experiment. Add 'auto: named' or 'auto: annotated', or name functions under 'experiments'.",
                (*keys, idle[0]),
            )
    elif entry.auto == "named" and not any(":" not in key for key in entry.bindings):
        yield origin.error(
            f"Cannot find experiments in package {entry.name!r}: 'auto: named' takes every function with a parameter "
            "that bindings name, and they name none. Add some, such as 'bindings: {temperature: llm.temperature}'.",
            (*keys, "auto"),
        )


def numbered_glob(origin: SettingsSource, keys: tuple[Any, ...], entry: ExperimentEntry) -> Iterator[SettingsError]:
    """Yield an error for a glob with a number."""
    target = parse_target(entry.target)
    if target.number is not None and target.has_name_glob:
        yield origin.error(
            f"Cannot use the target {entry.target!r}: a number tells definitions of one name apart. "
            "Write the name without a glob.",
            (*keys, "target"),
        )
