"""What is wrong with settings, as far as it can be known without running what they are about."""

import dis
import importlib
import itertools
import os
import pkgutil
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from importlib.machinery import ExtensionFileLoader, ModuleSpec
from pathlib import Path
from types import CodeType
from typing import Any

from spearmint.config import Config, parse_configs
from spearmint.config.sources import find_files, iter_configs
from spearmint.errors import ConfigError, SettingsError
from spearmint.instrument.check.static_modules import (
    UNREADABLE,
    ModuleDefinitions,
    StaticDefinition,
    compiled_code,
    definitions_in,
    find_module,
    imported_from,
    matching_modules,
)
from spearmint.instrument.check.unread_configs import unread_config_keys
from spearmint.instrument.declare.declarations import unresolvable_bindings
from spearmint.instrument.settings.load import LoadedSettings, inspect_settings
from spearmint.instrument.settings.matching import EVERYTHING, unmatched_message
from spearmint.instrument.settings.model import EntryOptions, ExperimentEntry, PackageEntry, StrategyEntry
from spearmint.instrument.settings.origin import SettingsSource
from spearmint.instrument.settings.target import Target, parse_target
from spearmint.signatures import parameter_names
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
        warnings: What is probably a mistake, and no error, as far as it has been checked.

    Raises:
        SettingsError: If there are no settings, or they cannot be read at all.
    """

    def __init__(self, config: str | os.PathLike[str] | None) -> None:
        self._loaded, self._errors = inspect_settings(config)
        self._known: dict[str, ModuleDefinitions | None] = {}
        self._reported: set[str] = set()
        self.experiments: set[str] = set()
        self.warnings: list[SettingsError] = []

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
        return sorted(found, key=lambda error: (error.source or "", error.line or 0, error.column or 0))

    def _of_entry(self, keys: _Keys, entry: PackageEntry | ExperimentEntry) -> Iterator[SettingsError]:
        matched: list[StaticDefinition] = []
        if isinstance(entry, PackageEntry):
            yield from self._of_package(keys, entry)
        else:
            matched = yield from self._of_experiment(keys, entry)
        yield from self._of_strategy(keys, entry)
        for key in ("on_variant_error", "compare"):
            if isinstance(path := getattr(entry, key), str):
                yield from self._of_import_path((*keys, key), path)
        configs: list[Config] = []
        for found in self._configs(keys, entry):
            if isinstance(found, SettingsError):
                yield found
            else:
                configs = found
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
        modules = [target.module] if not target.has_module_glob else list(matching_modules(target.root))
        if not modules or (not target.has_module_glob and target.module != "__main__" and not find_module(modules[0])):
            yield self._loaded.origin.error(_no_module(target.module, f"the target {target.text!r}"), place)
            return matched
        is_known = True
        for module in filter(target.covers, modules):
            found = yield from self._definitions(module, place)
            is_known = is_known and found is not None
            names += found.names if found else ()
            here = [one for one in (found.functions if found else ()) if target.matches(one.name)]
            self.experiments.update(f"{module}:{one.name}" for one in here)
            matched += here
        if matched:
            yield from self._of_bindings(keys, entry, matched)
        elif is_known and target.name != EVERYTHING:
            yield self._loaded.origin.error(_nothing(target, names), place)
        return matched

    def _of_package(self, keys: _Keys, entry: PackageEntry) -> Iterator[SettingsError]:
        place = (*keys, "name")
        modules = list(matching_modules(entry.name))
        if not modules:
            yield self._loaded.origin.error(_no_module(entry.name, f"the package {entry.name!r}"), place)
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
            yield self._loaded.origin.error(_no_module(module, f"the import path {path!r}"), place)
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
            self._known[module] = definitions_in(code)
        elif isinstance(spec.loader, ExtensionFileLoader):
            self._known[module] = _compiled(module)
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


def _no_module(module: str, owner: str) -> str:
    """Return what is said of a module that is not there, with what stands in its place."""
    above, _, _ = module.rpartition(".")
    real = getattr(sys.modules.get(module), "__name__", module)
    if real != module:
        return f"Cannot find the module {module!r} of {owner}: that is another name of {real!r}. Write {real!r}."
    spec = find_module(above) if above else None
    if above and spec is None:
        return _no_module(above, owner)
    path = spec.submodule_search_locations if spec is not None else None
    siblings = [found.name for found in pkgutil.iter_modules(None if spec is None else path or ())]
    full = [f"{above}.{name}" if above else name for name in siblings]
    where = f"in package {above!r}" if above else "on sys.path, in the working directory or beside the settings"
    return (
        f"Cannot find the module {module!r} of {owner}: there is none {where}. "
        f"Correct the name, or install what has it.{did_you_mean(module, full)}"
    )


def _nothing(target: Target, names: Sequence[str]) -> str:
    if target.has_module_glob:
        return (
            f"Cannot find the target {target.text!r}: no module that it covers defines such a function. "
            f"Correct one of its parts.{did_you_mean(target.name, names)}"
        )
    spec = find_module(target.module)
    origin = imported_from(spec, target.name) if spec is not None and "." not in target.name else None
    hint = f" It imports it: write {origin!r}." if origin else ""
    return unmatched_message(target, names) + hint


def _compiled(module: str) -> ModuleDefinitions | None:
    """Import an extension module, as nothing else tells what it defines."""
    try:
        found = importlib.import_module(module)
    except Exception:  # noqa: BLE001 - that is for who runs the program to see
        return None
    functions = [
        StaticDefinition(name, parameter_names(value), takes_any=not parameter_names(value))
        for name, value in _callables(vars(found), found.__name__, "")
    ]
    return ModuleDefinitions(tuple(functions), tuple(one.name for one in functions))


def _callables(namespace: Any, module: str, prefix: str) -> Iterator[tuple[str, Callable[..., Any]]]:
    for name, value in list(namespace.items()):
        if isinstance(value, type) and value.__module__ == module:
            yield from _callables(vars(value), module, f"{prefix}{name}.")
        elif callable(value) and not isinstance(value, type):
            yield f"{prefix}{name}", value


def _names_bound_in(code: CodeType) -> tuple[set[str], bool]:
    """Return the names that a module's code stores, and whether a star import may add others."""
    names = set()
    has_star = False
    for instruction in dis.get_instructions(code):
        if instruction.opname in ("STORE_NAME", "STORE_GLOBAL"):
            names.add(instruction.argval)
        has_star = has_star or instruction.opname == "IMPORT_STAR" or instruction.argrepr == "INTRINSIC_IMPORT_STAR"
    return names, has_star or "__getattr__" in names
