"""What one `spearmint.install` stands for: its settings, and what it has done so that it can be taken back."""

import sys
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

from spearmint.discovery.reach.table_store import table_store
from spearmint.instrument.declare.account import Account
from spearmint.instrument.declare.declarations import Declarations, StagedEntries, proxy_in
from spearmint.instrument.declare.kept_experiments import KeptExperiments, Pause, release, released, revive
from spearmint.instrument.declare.patch_module import (
    FIXED_TYPE,
    ModulePatch,
    fixed_type_message,
    names_in,
    wrap_in_place,
    wrap_path,
)
from spearmint.instrument.declare.value_declarations import ValueDeclarations
from spearmint.instrument.importing.foreign_loaders import restore_loader
from spearmint.instrument.settings.load import LoadedSettings
from spearmint.instrument.settings.matching import Targets, unmatched_message
from spearmint.instrument.settings.model import ExperimentEntry
from spearmint.instrument.settings.origin import raise_combined
from spearmint.instrument.settings.target import parse_target
from spearmint.proxy.proxy import plain_function
from spearmint.warn import warn


class Installation:
    """Settings that are in force, and what came of them.

    Args:
        loaded: The settings.

    Attributes:
        loaded: The settings.
        targets: Which modules and definitions they are about.
        modules: Names of the modules that were found with them in force, and whose loader is ours.
        account: What became of modules and functions.
        values: The values that are under experiment.
    """

    def __init__(self, loaded: LoadedSettings) -> None:
        self.loaded = loaded
        self.targets = Targets(loaded)
        self.modules: set[str] = set()
        self.account = Account()
        self._declarations = Declarations(self.targets, self.account)
        self.values = ValueDeclarations(self.targets)
        self._kept = KeptExperiments()
        self._pause = Pause()
        self._changes: list[ModulePatch] = []
        self._packages: tuple[str, ...] = ()
        self.reach_packages()

    def reach_packages(self) -> None:
        """Have plans look through the packages that the targets lead to by now."""
        added = tuple(name for name in self._package_names() if name not in self._packages)
        table_store.add_packages(added)
        self._packages += added

    def _package_names(self) -> Iterable[str]:
        """Yield the packages and modules whose plain functions plans look through."""
        yield from (package.name for package in self.loaded.settings.packages)
        yield from self.targets.modules
        for _, entry in self.loaded.entries():
            if isinstance(entry, ExperimentEntry) and (target := parse_target(entry.target)).has_module_glob:
                yield target.root

    def declare_tracked(self, function: Callable[..., Any], module: str, name: str) -> Any:
        """Make an experiment of a function if the settings want one; see `Declarations.declare`."""
        made = self._declarations.declare(function, module, name)
        if made is not function:
            proxy = proxy_in(made)
            self._kept.add(proxy, module, name)
            if self._pause.holds:
                self._pause.add(proxy)
        return made

    def stage(self, loaded: LoadedSettings) -> StagedEntries:
        """Check what other settings say of the same targets and values; see `Declarations.stage`."""
        staged = self._declarations.stage(loaded)
        staged.changes += self.values.stage(loaded)
        return staged

    def commit(self, staged: StagedEntries) -> None:
        """Let other settings hold for functions that are imported from now on, too."""
        self.loaded = staged.loaded
        self._declarations.commit(staged)

    @property
    def is_paused(self) -> bool:
        """Whether its experiments run under their first config."""
        return self._pause.holds

    def pause(self) -> None:
        """Let all its experiments, and those still to be made, run under their first config, without variants."""
        self._pause.holds = True
        self.values.pause()
        for proxy, _, _ in self._kept:
            self._pause.add(proxy)

    def resume(self) -> None:
        """Let them run as the settings say."""
        self._pause.end()
        self.values.resume()

    def revive_released(self) -> None:
        """Make experiments again of what an earlier installation has left with the program.

        Raises:
            SettingsError: If one cannot become what the settings want.
        """
        for proxy, module, name in released:
            function = plain_function(proxy)
            made = next((one for one, _, _ in self._kept if plain_function(one) is function), None)
            if made is None and self.targets.is_about(module) and _is_alive(function):
                declared = self.declare_tracked(function, module, name)
                made = None if declared is function else proxy_in(declared)
            if made is not None:
                released.discard(proxy)
                revive(proxy, made)
                self._kept.add(proxy, module, name)

    def verify_targets(self, module: str, wrapped: Iterable[str], defined: Iterable[str] = ()) -> None:
        """Raise an error if the settings name something in a module that is not there.

        Args:
            module: Name of the module.
            wrapped: Names of its definitions that became experiments, or will.
            defined: Names of all its definitions; not looked at when all is well.

        Raises:
            SettingsError: For each target that matches nothing.
        """
        if self.targets.unmatched(module, wrapped):
            self.targets.verify_targets(module, wrapped, defined)

    def wrap_in_place(self, module: ModuleType, name: str, *, is_whole: bool = True) -> ModulePatch:
        """Wrap what the settings want of a module that has run.

        Args:
            module: The module.
            name: The name by which the settings know it.
            is_whole: Whether it has run to its end, so that what is not there is missing.

        Raises:
            SettingsError: If they name something that is missing.
        """
        changes = wrap_in_place(module, lambda function, at: self.declare_tracked(function, name, at))
        self._note(name, changes)
        if is_whole:
            self.wrap_late(module, name)
            self.verify_targets(name, (*changes.wrapped, *changes.refused), names_in(module))
        return changes

    def wrap_late(self, module: ModuleType, name: str) -> None:
        """Wrap what a module has made only now that it has run, such as the ``__init__`` of a dataclass.

        Args:
            module: The module.
            name: The name by which the settings know it.

        Raises:
            SettingsError: If the settings name something that is missing.
        """
        found = self.targets.of(name)
        errors = []
        for rule in found.rules if found else ():
            if rule.is_late and rule.target is not None:
                path = rule.target.name
                changes = wrap_path(module, path, lambda function, at: self.declare_tracked(function, name, at))
                self._note(name, changes)
                if not changes.wrapped and not changes.refused:
                    message = unmatched_message(rule.target, names_in(module))
                    errors.append(self.loaded.origin.error(message, (*rule.keys, "target")))
        raise_combined(errors)

    def _note(self, name: str, changes: ModulePatch) -> None:
        self._changes.append(changes)
        found = self.targets.of(name)
        for refused in changes.refused:
            rule = found and found.find(refused, ())
            if rule:
                self.account.refuse_function(rule.keys, f"{name}:{refused}", FIXED_TYPE)
            if rule and rule.target and rule.target.is_exact:  # What a glob meets is in the report.
                warn(fixed_type_message(f"{name}:{refused}"))

    def take_back(self) -> None:
        """Leave modules and functions as they would be without it; it may be called twice."""
        for changes in self._changes:
            changes.undo()
        for name in sorted(self.modules):
            table_store.forget_tables(name)
            module = sys.modules.get(name)
            if isinstance(module, ModuleType):
                wrap_in_place(module, self._unwrapped)
                restore_loader(module)
        self._pause.end()
        self.values.take_back()
        for kept, module_name, function_name in self._kept:
            release(kept)
            released.add(kept, module_name, function_name)
        table_store.drop_packages(self._packages)
        self._packages = ()
        self.modules.clear()

    def _unwrapped(self, function: Any, _name: str) -> Any:
        return plain_function(function) if function in self._kept else function


def _is_alive(function: Any) -> bool:
    """Tell whether the module that a function was made in is the one that is imported now."""
    namespace = getattr(function, "__globals__", None) or {}
    module = sys.modules.get(namespace.get("__name__", ""))
    return isinstance(module, ModuleType) and vars(module) is namespace
