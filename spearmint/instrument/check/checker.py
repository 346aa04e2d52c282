"""What is wrong with settings, as far as it can be known without running what they are about."""

import dis
import itertools
import os
from collections.abc import Generator, Iterator, Sequence
from importlib.machinery import ExtensionFileLoader, ModuleSpec
from pathlib import Path
from types import CodeType
from typing import Any

from spearmint.config import Config, parse_configs
from spearmint.config.sources import find_files, iter_configs
from spearmint.errors import ConfigError, SettingsError
from spearmint.instrument.check.module_definitions import definitions_in_extension, wrappable
from spearmint.instrument.check.splits import overlapping_layers, weights_problem
from spearmint.instrument.check.unread_configs import unread_config_keys
from spearmint.instrument.check.values import ValueChecker
from spearmint.instrument.declare.instances import unresolvable_bindings
from spearmint.instrument.declare.patch_module import belongs_to_fixed_type, fixed_type_message
from spearmint.instrument.naming.missing import missing_module_message
from spearmint.instrument.naming.public_path import PublicPaths, followed
from spearmint.instrument.naming.static_modules import (
    UNREADABLE,
    ModuleDefinitions,
    StaticDefinition,
    compiled_code,
    find_module,
    matching_modules,
)
from spearmint.instrument.settings.load import LoadedSettings, inspect_settings
from spearmint.instrument.settings.matching import EVERYTHING, unmatched_message
from spearmint.instrument.settings.model import EntryOptions, ExperimentEntry, PackageEntry, StrategyEntry
from spearmint.instrument.settings.origin import SettingsSource
from spearmint.instrument.settings.target import Target, parse_target
from spearmint.strategies.builtin import BUILT_IN
from spearmint.suggest import did_you_mean

MOST_CONFIGS = 10_000
"""How many configs of one entry are read; a sweep may have more than can be checked in a sensible time."""

_Keys = tuple[Any, ...]


class Checker:
    """Checks settings against the modules that are there.

    Args:
        config: As for `spearmint.instrument.settings.load.read_settings`.

    Attributes:
        experiments: The functions that become experiments, as far as they have been checked.
        has_script: Whether there are targets in the script that `spearmint run` runs, which is not there yet.
        warnings: What is probably a mistake, and no error, as far as it has been checked.
        values: What checks the values.

    Raises:
        SettingsError: If there are no settings, or they cannot be read at all.
    """

    def __init__(self, config: str | os.PathLike[str] | None) -> None:
        self._loaded, self._errors = inspect_settings(config)
        self._known: dict[str, ModuleDefinitions | None] = {}
        self._reported: set[str] = set()
        self._paths = PublicPaths()
        self.experiments: set[str] = set()
        self.has_script = False
        self.warnings: list[SettingsError] = []
        self.values = ValueChecker(self._loaded)

    @property
    def has_annotated(self) -> bool:
        """Whether annotations decide about some functions, which are known only once these are made."""
        return any(package.auto == "annotated" for package in self._loaded.settings.packages)

    @property
    def loaded(self) -> LoadedSettings:
        """The settings."""
        return self._loaded

    def errors(self) -> list[SettingsError]:
        """Return everything that is wrong, in the order of the file."""
        found = [*self._errors]
        for keys, entry in self._loaded.entries():
            found += self._of_entry(keys, entry)
        if any(self._loaded.values()):
            found += self.values.errors()
            for keys, value in self._loaded.values():
                for text in value.within:
                    found += self._of_experiment(keys, ExperimentEntry(target=text))
            self.warnings += self.values.warnings
        for keys, message in overlapping_layers(self._loaded.entries()):
            found.append(self._loaded.origin.error(message, (*keys, "strategy", "with", "layer")))
        return sorted(found, key=lambda error: (error.source or "", error.line or 0, error.column or 0))

    def _of_entry(self, keys: _Keys, entry: PackageEntry | ExperimentEntry) -> Iterator[SettingsError]:
        matched: list[StaticDefinition] = []
        if isinstance(entry, PackageEntry):
            yield from self._of_package(keys, entry)
        else:
            matched = yield from self._of_experiment(keys, entry)
        yield from self._of_strategy(keys, entry)
        named: dict[tuple[Any, ...], Any] = {(key,): getattr(entry, key) for key in ("on_variant_error", "compare")}
        named.update({("metrics", index): path for index, path in enumerate(entry.metrics or ())})
        for key, path in named.items():
            if isinstance(path, str):
                yield from self._of_import_path((*keys, *key), path)
        configs: list[Config] = []
        for found in self._configs(keys, entry):
            if isinstance(found, SettingsError):
                yield found
            else:
                configs = found
        if problem := weights_problem(entry, configs):
            yield self._loaded.origin.error(problem, (*keys, "strategy", "with", "weights"))
        yield from unresolvable_bindings(self._loaded.origin, keys, entry, configs)
        if isinstance(entry, ExperimentEntry) and matched:
            inheriting = [one for _, one in self._loaded.entries() if not one.configs]
            for message in unread_config_keys(entry, configs, matched, inheriting):
                self.warnings.append(self._loaded.origin.error(message, (*keys, "configs")))

    def _configs(self, keys: _Keys, entry: EntryOptions) -> Iterator[list[Config] | SettingsError]:
        """Yield what is wrong with the configs of an entry, else the configs."""
        origin = self._loaded.origin
        read: list[Config] = []
        for index, source in enumerate(entry.configs or ()):
            place = (*keys, "configs", index)
            if _is_missing(source, origin.folder):
                continue  # Reported as it was read.
            try:
                read += itertools.islice(iter_configs([source], relative_to=origin.folder), MOST_CONFIGS)
            except ConfigError as error:
                yield _placed(error, origin, place)
        try:
            yield parse_configs(read)
        except ConfigError as error:
            yield origin.error(str(error), (*keys, "configs"))

    def _of_experiment(
        self, keys: _Keys, entry: ExperimentEntry
    ) -> Generator[SettingsError, None, list[StaticDefinition]]:
        """Yield what is wrong with a target and its bindings, and return the functions that it matches."""
        target = parse_target(entry.target)
        place = (*keys, "target")
        matched: list[StaticDefinition] = []
        names: list[str] = []
        root = target.root if target.has_module_glob else target.module
        if root != "__main__" and not find_module(root):
            message = missing_module_message(target.module, f"the target {target.text!r}")
            yield self._loaded.origin.error(message, place)
            return matched
        is_known = True
        for one, is_late in followed(target, self._paths):
            modules = matching_modules(one.root) if one.has_module_glob else [one.module]
            for module in filter(one.covers, modules):
                found = yield from self._definitions(module, place)
                is_known = is_known and found is not None
                names += found.names if found else ()
                here = [each for each in (found.functions if found else ()) if one.matches(each.name)]
                if is_late and not here:  # Its parameters are known when it is made.
                    here = [StaticDefinition(one.name, (), takes_any=True)]
                matched += here
                self._count(module, here, place, is_exact=target.is_exact)
        self.has_script = self.has_script or (target.module == "__main__" and not matched)
        if matched:
            yield from self._of_bindings(keys, entry, matched)
        elif is_known and target.name != EVERYTHING:
            is_class = self._paths.class_of(target.module, target.name) is not None
            yield self._loaded.origin.error(_nothing(target, names, is_class=is_class), place)
        return matched

    def _count(self, module: str, found: Sequence[StaticDefinition], place: _Keys, *, is_exact: bool) -> None:
        """Count functions as experiments, but for those that cannot be changed, of which exact targets are warned."""
        for one in found:
            if not belongs_to_fixed_type(module, one.name):
                self.experiments.add(f"{module}:{one.name}")
            elif is_exact:
                message = fixed_type_message(f"{module}:{one.name}")
                self.warnings.append(self._loaded.origin.error(message, place))

    def _of_package(self, keys: _Keys, entry: PackageEntry) -> Iterator[SettingsError]:
        place = (*keys, "name")
        if entry.name == "__main__":  # The script of `spearmint run` is not there yet.
            self.has_script = self.has_script or entry.auto is not None
            return
        modules = list(matching_modules(entry.name))
        if not modules:
            yield self._loaded.origin.error(missing_module_message(entry.name, f"the package {entry.name!r}"), place)
            return
        if entry.auto is None:
            return
        functions: list[StaticDefinition] = []
        excluded = [parse_target(text) for text in entry.exclude]
        for module in modules:
            found = yield from self._definitions(module, place)
            left = [one for one in excluded if one.covers(module)]
            kept = [one for one in (found.functions if found else ()) if not any(t.matches(one.name) for t in left)]
            functions += kept
            here = kept if entry.auto == "named" else ()
            self.experiments.update(f"{module}:{one.name}" for one in here if entry.bindings.keys() & one.parameters)
        if entry.auto == "named":
            yield from self._of_bindings(keys, entry, functions)

    def _of_bindings(
        self, keys: _Keys, entry: PackageEntry | ExperimentEntry, matched: Sequence[StaticDefinition]
    ) -> Iterator[SettingsError]:
        """Yield an error for each binding whose parameter no function has that the entry is about."""
        known = list(dict.fromkeys(name for one in matched for name in one.parameters))
        takes_any = isinstance(entry, ExperimentEntry) and any(one.takes_any for one in matched)
        for name in entry.bindings:
            if ":" not in name and name not in known and not takes_any:
                who = (
                    f"any function of package {entry.name!r}" if isinstance(entry, PackageEntry) else repr(entry.target)
                )
                listed = f" (its parameters: {', '.join(map(repr, known)) or 'none'})" if len(matched) == 1 else ""
                message = (
                    f"Cannot bind parameter {name!r} of {who}: there is no such parameter{listed}. "
                    f"Correct or remove the binding.{did_you_mean(name, known)}"
                )
                yield self._loaded.origin.error(message, (*keys, "bindings", name))

    def _of_strategy(self, keys: _Keys, entry: EntryOptions) -> Iterator[SettingsError]:
        choice: Any = entry.strategy
        if isinstance(choice, StrategyEntry) and choice.use not in BUILT_IN:
            yield from self._of_import_path((*keys, "strategy"), choice.use)

    def _of_import_path(self, place: _Keys, path: str) -> Iterator[SettingsError]:
        module, _, name = path.partition(":")
        spec = find_module(module)
        if spec is None:
            yield self._loaded.origin.error(missing_module_message(module, f"the import path {path!r}"), place)
            return
        try:
            code = compiled_code(spec)
        except UNREADABLE as error:
            yield from self._unreadable(spec, error, place)
            return
        names, has_star = _names_bound_in(code) if code is not None else (set(), True)
        if not has_star and name.partition(".")[0] not in names:
            message = (
                f"Cannot import {path!r}: module {module!r} binds no such name. Correct the import path."
                f"{did_you_mean(name, names)}"
            )
            yield self._loaded.origin.error(message, place)

    def _definitions(self, module: str, place: _Keys) -> Any:
        """Yield an error if a module cannot be read, and return what it defines; None where that is not known."""
        if module in self._known:
            return self._known[module]
        self._known[module] = None
        spec = find_module(module)
        if spec is None:  # The script of `spearmint run` is not there yet.
            return None
        try:
            code = compiled_code(spec)
        except UNREADABLE as error:
            yield from self._unreadable(spec, error, place)
            return None
        if code is not None:
            self._known[module] = wrappable(code)
        elif isinstance(spec.loader, ExtensionFileLoader):
            self._known[module] = definitions_in_extension(module)
        return self._known[module]

    def _unreadable(self, spec: ModuleSpec, error: Exception, place: _Keys) -> Iterator[SettingsError]:
        if spec.name in self._reported:
            return
        self._reported.add(spec.name)
        cause = f"{type(error).__name__}: {error}"
        message = f"Cannot read module {spec.name!r}: {cause}. Fix it, or leave it out of the settings."
        if isinstance(error, SyntaxError) and error.filename:
            message = f"Cannot compile module {spec.name!r}: {error.msg}. Correct the syntax there."
            yield SettingsError(message, source=error.filename, line=error.lineno, column=error.offset)
        else:
            yield self._loaded.origin.error(message, place)


def _is_missing(source: Any, folder: Path) -> bool:
    try:
        return isinstance(source, str) and not find_files(source, "", folder)
    except ConfigError:
        return True


def _placed(error: ConfigError, origin: SettingsSource, keys: _Keys) -> SettingsError:
    """Return what is wrong with a source of configs, at its place in a file of them, else where the source stands."""
    if error.source is not None and Path(error.source).is_file():
        return SettingsError(error.problem, source=error.source, line=error.line, column=error.column)
    return origin.error(error.problem, keys)


def _nothing(target: Target, names: Sequence[str], *, is_class: bool) -> str:
    if target.has_module_glob:
        return (
            f"Cannot find the target {target.text!r}: no module that it covers defines such a function. "
            f"Correct one of its parts.{did_you_mean(target.name, names)}"
        )
    return unmatched_message(target, names, is_class=is_class)


def _names_bound_in(code: CodeType) -> tuple[set[str], bool]:
    """Return the names that a module's code stores, and whether a star import may add others."""
    names = set()
    has_star = False
    for instruction in dis.get_instructions(code):
        if instruction.opname in ("STORE_NAME", "STORE_GLOBAL"):
            names.add(instruction.argval)
        has_star = has_star or instruction.opname == "IMPORT_STAR" or instruction.argrepr == "INTRINSIC_IMPORT_STAR"
    return names, has_star or "__getattr__" in names
