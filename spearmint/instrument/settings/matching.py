"""Which modules, and which definitions in them, the settings are about; quick to say no."""

import hashlib
import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

from spearmint.errors import SettingsError
from spearmint.instrument.naming.import_paths import ImportPaths
from spearmint.instrument.naming.public_path import PublicPaths, followed
from spearmint.instrument.settings.load import LoadedSettings
from spearmint.instrument.settings.model import ExperimentEntry, PackageEntry, ValueEntry
from spearmint.instrument.settings.origin import SettingsSource, raise_combined
from spearmint.instrument.settings.target import (
    Target,
    is_within,
    parse_target,
    without_number,
)
from spearmint.instrument.settings.value_target import ValueTarget, ValueTargets, parse_value
from spearmint.signatures import is_implicit_class_method
from spearmint.suggest import did_you_mean


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry of the settings, as far as it tells which definitions become experiments.

    Attributes:
        keys: Where it stands in the settings, such as ``("experiments", 0)``.
        target: What it names; None for a package.
        auto: How a package finds its experiments; None for a target.
        parameters: The parameters that its bindings name.
        excluded: What a package leaves as it is.
        is_outermost: Whether decorators have run before the experiment is made.
        is_late: Whether what it names is made only when its module runs, as the ``__init__`` of a dataclass.
        is_within: Whether it names a function whose calls make cases of a value, which has no configs of its own.
    """

    keys: tuple[str, int]
    target: Target | None
    auto: Literal["named", "annotated"] | None
    parameters: frozenset[str]
    excluded: tuple[Target, ...] = ()
    is_outermost: bool = False
    is_late: bool = False
    is_within: bool = False

    def wants(self, name: str, parameters: Collection[str]) -> bool:
        """Tell whether a definition is to be declared; with ``auto: annotated``, whether it may have to be.

        Args:
            name: Its qualified name, numbered from the second of that name on.
            parameters: Names of its parameters, without ``*args`` and ``**kwargs``.
        """
        if self.target is not None:
            return self.target.matches(name)
        if is_implicit_class_method(without_number(name)[0]) or any(one.matches(name) for one in self.excluded):
            return False
        return bool(parameters) if self.auto == "annotated" else not self.parameters.isdisjoint(parameters)

    @property
    def shape(self) -> tuple[Any, ...]:
        """What of it shapes the code that is made of a module, as plain data."""
        if self.target is not None:
            place = ("outermost",) if self.is_outermost else ()
            return "target", self.target.name, self.target.number, *place
        parameters = tuple(sorted(self.parameters)) if self.auto == "named" else ()
        return "auto", self.auto, parameters, tuple(sorted((one.name, one.number or 0) for one in self.excluded))


@dataclass(frozen=True, slots=True)
class ModuleTargets:
    """What the settings say of one module.

    Attributes:
        module: Name of the module.
        rules: What may match its definitions, in the order in which they are asked: exact targets, targets with globs,
            the innermost package that the module is in.
        digest: The same for everything that shapes the rewritten module in the same way, in every process. Configs,
            strategies and paths do not; they are read when the module runs.
        values: The values whose reads in it are followed.
    """

    module: str
    rules: tuple[Rule, ...]
    digest: str
    values: ValueTargets

    @property
    def defines_values(self) -> bool:
        """Whether some of the values stand in it."""
        return self.module in self.values.modules

    def find(self, name: str, parameters: Collection[str]) -> Rule | None:
        """Return the rule for a definition, None if it stays as it is.

        Args:
            name: Its qualified name, as `spearmint.discovery.calls_in_source` numbers it.
            parameters: Names of its parameters, without ``*args`` and ``**kwargs``.
        """
        return next((rule for rule in self.rules if rule.wants(name, parameters)), None)


class Targets:
    """What the settings say of the modules of a process.

    Args:
        loaded: The settings.

    Attributes:
        roots: Names at the top of the modules that it is about. A module with another root is none of them.
        loaded: The settings.
        modules: The modules that the settings name without a glob, and those that define what they name.
        values: The values that they name, by where their entries stand.
    """

    def __init__(self, loaded: LoadedSettings) -> None:
        self.loaded = loaded
        rules = [_rule(keys, entry) for keys, entry in loaded.entries()]
        imports = ImportPaths()
        self.values = {keys: followed_value(parse_value(entry.value), imports) for keys, entry in loaded.values()}
        self._values = ValueTargets(self.values.values())
        self._value_shapes = list(map(_shape_of_value, self._values))
        self._values_in = {
            module: ValueTargets(one for one in self._values if one.module == module) for module in self._values.modules
        }
        targets = [rule for rule in rules if rule.target is not None]
        within = [rule for keys, entry in loaded.values() for rule in _rules_within(keys, entry)]
        self._given = sorted([*targets, *within], key=lambda rule: not (rule.target and rule.target.is_exact))
        names = {package.name: rules[len(targets) + index] for index, package in enumerate(loaded.settings.packages)}
        self._packages = dict(sorted(names.items(), key=lambda item: -len(item[0])))
        exact = {rule.target.module for rule in self._given if rule.target and not rule.target.has_module_glob}
        self._named = frozenset(exact.union(names, (one.module for one in self.values.values())))
        self._pending: frozenset[str] = frozenset()
        self._follow(PublicPaths())

    def _follow(self, paths: PublicPaths, roots: frozenset[str] | None = None) -> None:
        """Follow each target to its definitions; those whose module is not found yet are followed later."""
        rules = []
        pending = set()
        for rule in self._given:
            target = rule.target
            if target is None:
                continue
            if not target.has_module_glob and not paths.has_module(target.module):
                pending.add(target.root)
            rules += [replace(rule, target=one, is_late=late) for one, late in followed(target, paths)]
        self._targets = rules
        pending -= {"__main__"}
        self._pending = frozenset(pending if roots is None else pending & roots)
        self._known: dict[str, ModuleTargets | None] = {}
        given = [rule.target for rule in (*self._given, *rules) if rule.target]
        named = [*self._packages, *(one.module for one in self.values.values())]
        self.roots = frozenset([name.partition(".")[0] for name in named] + [target.root for target in given])
        exact = (rule.target.module for rule in rules if rule.target and not rule.target.has_module_glob)
        self.modules = self._named.union(exact)

    def matches(self, module: str) -> bool:
        """Tell whether a module is to be instrumented at all."""
        return self.of(module) is not None

    def of(self, module: str) -> ModuleTargets | None:
        """Return what the settings say of a module.

        Args:
            module: Its whole name; that of its spec, where it runs as ``__main__`` and has one.

        Returns:
            Its targets, with no rules where only its calls are to be known; None where the settings do not match it.
        """
        if module.partition(".")[0] not in self.roots:
            return None
        known = self._known
        if module not in known:
            root = module.partition(".")[0]
            if root in self._pending:
                self._pending -= {root}  # Once is enough: its folder is known when the first of its modules is found.
                self._follow(PublicPaths(), self._pending)
                known = self._known
            known[module] = self._find(module)
        return known[module]

    def is_about(self, module: str) -> bool:
        """Tell whether the settings match a module as far as targets are followed; nothing is followed for it."""
        return module.partition(".")[0] in self.roots and self._find(module) is not None

    def verify_targets(self, module: str, wrapped: Iterable[str], defined: Iterable[str] = ()) -> None:
        """Raise an error for each target that names this module and matches nothing in it.

        Args:
            module: Name of the module, which has been read to its end.
            wrapped: Names of the functions in it that became experiments, or may.
            defined: Names of everything that it defines, to suggest what was meant.

        Raises:
            SettingsError: If there are such targets.
        """
        raise_combined(self.unmatched(module, wrapped, defined))

    def unmatched(self, module: str, wrapped: Iterable[str], defined: Iterable[str] = ()) -> list[SettingsError]:
        """Return the errors that `verify_targets` raises."""
        found, known = list(wrapped), list(defined)
        errors = []
        for rule in self._targets:
            target = rule.target
            if target is None or target.has_module_glob or target.module != module or rule.is_late:
                continue
            if target.name != EVERYTHING and not any(target.matches(name) for name in found):
                is_class = PublicPaths().class_of(target.module, target.name) is not None
                message = unmatched_message(target, known, is_class=is_class)
                errors.append(self.loaded.origin.error(message, (*rule.keys, "target")))
        return errors

    @property
    def origin(self) -> SettingsSource:
        """Where the settings come from, for errors."""
        return self.loaded.origin

    def _find(self, module: str) -> ModuleTargets | None:
        rules = [rule for rule in self._targets if rule.target is not None and rule.target.covers(module)]
        package = None
        for name, rule in self._packages.items():
            if is_within(module, name):
                package = rule
                break
        if not rules and package is None and module not in self._named:
            return None
        if package is not None and package.auto is not None:
            rules.append(replace(package, excluded=tuple(one for one in package.excluded if one.covers(module))))
        reads = self._values if package is not None else self._values_in.get(module, ValueTargets())
        shapes = [rule.shape for rule in rules if not rule.is_late]
        shapes += self._value_shapes if package is not None else map(_shape_of_value, reads)
        return ModuleTargets(module, tuple(rules), _digest(tuple(shapes)), reads)


def _rule(keys: tuple[str, int], entry: PackageEntry | ExperimentEntry) -> Rule:
    parameters = frozenset(key for key in entry.bindings if ":" not in key)
    if isinstance(entry, PackageEntry):
        return Rule(keys, None, entry.auto, parameters, tuple(map(parse_target, entry.exclude)))
    is_outermost = entry.position == "outermost"
    return Rule(keys, parse_target(entry.target), None, parameters, is_outermost=is_outermost)


def followed_value(value: ValueTarget, paths: ImportPaths) -> ValueTarget:
    """Return a constant or attribute under the name that it has where it is defined."""
    if value.literal is not None or value.module == "__main__":
        return value
    module, name = paths.place_of(value.module, value.name)
    return replace(value, module=module, name=name)


def _shape_of_value(value: ValueTarget) -> tuple[Any, ...]:
    return "value", value.full_name


def _rules_within(keys: tuple[str, int], entry: ValueEntry) -> list[Rule]:
    return [Rule(keys, parse_target(text), None, frozenset(), is_within=True) for text in entry.within]


@lru_cache(maxsize=1024)
def _digest(shapes: tuple[Any, ...]) -> str:
    shape = json.dumps(sorted({json.dumps(one) for one in shapes}))
    return hashlib.sha256(shape.encode()).hexdigest()[:16]


EVERYTHING = "**"
"""The function part that means all of a module, be it nothing."""


def unmatched_message(target: Target, defined: Iterable[str], *, is_class: bool = False) -> str:
    """Return what is said of a target that matches nothing.

    Args:
        target: The target.
        defined: Names of everything that its module defines.
        is_class: Whether its path leads to a class.
    """
    if is_class:
        return (
            f"Cannot find the target {target.text!r}: it is a class; a target names a function. Write "
            f"'{target.text}.__init__' for what makes its instances, or '{target.text}.*' for its methods."
        )
    plain = [name for name in defined if "<lambda>" not in name and name != "<module>"]
    if target.name in plain and target.number is None:
        cause = f"{target.name!r} is a class, a stub, or was removed by the compiler; a target names a function"
        hint = did_you_mean(target.name, [name for name in plain if name.startswith(f"{target.name}.")])
    else:
        cause = f"module {target.module!r} defines no such function"
        hint = did_you_mean(target.name, plain)
    advice = (
        "Correct the name; a function that the module imports from elsewhere is named by the module that defines it"
    )
    return f"Cannot find the target {target.text!r}: {cause}. {advice}.{hint}"
