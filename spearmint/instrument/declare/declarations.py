"""From a function that a settings file is about to the experiment that it becomes."""

import functools
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel

from spearmint.api import Spearmint
from spearmint.config_files import are_same
from spearmint.errors import BindingError, DeclarationError, SettingsError, SpearmintError, StrategyError
from spearmint.instrument.declare.account import Account
from spearmint.instrument.declare.annotated import asks_for_config, bindings_by_type, unreadable_parameters
from spearmint.instrument.declare.instances import check_configs, instance_of, name_of_entry
from spearmint.instrument.declare.local_functions import LocalFunctionCache
from spearmint.instrument.settings.load import LoadedSettings
from spearmint.instrument.settings.matching import Rule, Targets
from spearmint.instrument.settings.model import (
    BindingEntry,
    EntryOptions,
    ExperimentEntry,
    PackageEntry,
)
from spearmint.proxy.proxy import ExperimentProxy, compile_anew, experiment_of
from spearmint.registry.callables import callers_namespace
from spearmint.registry.changes import Change
from spearmint.registry.experiment import ExperimentFunction
from spearmint.registry.switches import switches
from spearmint.signatures import parameter_names, underlying_function
from spearmint.strategies.builtin import BUILT_IN
from spearmint.strategies.split import Split
from spearmint.warn import warn


@dataclass(slots=True)
class StagedEntries:
    """What the entries of other settings say, before it holds.

    Attributes:
        loaded: The settings.
        instances: What the experiments of each entry share.
        changes: Experiments, each with what it chooses from then.
        switched: Experiments that are on or off then, and were not.
        waiting: What needs a restart, each with the reason.
    """

    loaded: LoadedSettings
    instances: dict[tuple[str, int], Spearmint]
    changes: list[Change] = field(default_factory=list)
    switched: list[tuple[ExperimentFunction, bool]] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)


class Declarations:
    """Makes experiments as the settings say, when the functions are made.

    Configs are read and strategies imported for the first function that needs them. Functions that one entry makes
    experiments share one `spearmint.Spearmint`, so that a config is passed on among them instead of multiplying.

    Args:
        targets: What the settings are about.
        account: Keeps what became of functions.
    """

    def __init__(self, targets: Targets, account: Account | None = None) -> None:
        self._targets = targets
        self._account = Account() if account is None else account
        self._instances: dict[tuple[str, int], Spearmint] = {}
        self._keys: weakref.WeakKeyDictionary[ExperimentFunction, tuple[str, int]] = weakref.WeakKeyDictionary()
        self._families: dict[tuple[str, int], object] = {}
        self._local_functions = LocalFunctionCache()
        self._warned: set[tuple[str, int]] = set()

    def declare(self, function: Callable[..., Any], module: str, name: str) -> Any:
        """Make an experiment of a function if the settings want one.

        Args:
            function: The function, bare: no static or class method.
            module: The name of the module by which `Targets` knows it.
            name: Its qualified name, as `spearmint.discovery.calls_in_source` numbers it.

        Returns:
            The experiment, or the function as it is.

        Raises:
            SettingsError: If it cannot become one, with the place in the settings.
        """
        found = self._targets.of(module)
        bare = underlying_function(function)  # What decorators have made of it may be a method or property.
        rule = found.find(name, parameter_names(bare)) if found else None
        if rule is None:
            return function
        entry = self._entry(rule)
        namespace = callers_namespace()
        models = {key: value for key, value in entry.bindings.items() if ":" in key}
        if rule.auto == "annotated":
            asked = asks_for_config(bare, f"{module}:{name}", namespace, models)
            if not asked or (isinstance(asked, type) and not self._fits(rule, asked, f"{module}:{name}")):
                return function

        def make(inner: Callable[..., Any]) -> Any:
            bindings = self._bindings(rule, underlying_function(inner), namespace, models)
            instance = self._instance(rule, entry)
            try:
                declared = _experiment(instance, inner, bindings, namespace)
            except SpearmintError as error:
                raise self._located(error, rule, entry) from error
            if entry.bindings:
                experiment_in(declared).watch_bindings()
                compile_anew(proxy_in(declared))
            made = experiment_in(declared)
            made.family = self._families.setdefault(rule.keys, made.family)  # After a reload, too.
            _follow(made, entry, self._targets.origin.path)
            return declared

        is_local = "<locals>" in name
        try:
            made = self._local_functions.get_or_declare(function, namespace, make) if is_local else make(function)
        except SettingsError as error:
            is_exact = rule.target is not None and rule.target.is_exact
            if is_exact or not isinstance(error.__cause__, DeclarationError):
                raise
            self._account.refuse_function(rule.keys, f"{module}:{name}", str(error.__cause__))
            return function
        self._keys[experiment_in(made)] = rule.keys
        self._account.add_function(rule.keys, f"{module}:{name}", experiment_in(made).watch)
        return made

    def stage(self, loaded: LoadedSettings) -> "StagedEntries":
        """Read and check what the entries say in other settings that name the same targets; nothing changes.

        Args:
            loaded: The settings.

        Raises:
            SettingsError: If they say what cannot be done.
        """
        before = dict(self._targets.loaded.entries())
        instances = dict(self._instances)
        staged = StagedEntries(loaded, instances)
        for keys, entry in loaded.entries():
            known = instances.get(keys)
            if known is None:  # No function of it has been imported.
                check_configs(keys, entry, loaded.origin)
                continue
            made = instance_of(keys, entry, loaded.origin)
            members = [one for one, found in list(self._keys.items()) if found == keys]
            staged.switched += [(one, entry.enabled) for one in members if entry.enabled != before[keys].enabled]
            is_same = _choice(entry) == _choice(before[keys])
            if is_same and are_same(made.configs, known.configs):
                continue
            reason = _restart_reason(made, known)
            if reason:
                staged.waiting.append(f"{name_of_entry(entry)}: {reason}")
                continue
            instances[keys] = made
            configs = made.configs
            for one in members:
                try:
                    declared = one.declare_anew(configs, made.strategy)
                except SpearmintError as error:
                    place = "strategy" if isinstance(error, StrategyError) else "configs"
                    raise loaded.origin.error(str(error), (*keys, place)) from error
                _name_set(declared.split, loaded.origin.path)
                staged.changes.append((one, declared))
        return staged

    def commit(self, staged: "StagedEntries") -> None:
        """Let functions that are imported from now on be declared so, too."""
        self._targets.loaded = staged.loaded
        self._instances.update(staged.instances)

    def _fits(self, rule: Rule, model: type[BaseModel], name: str) -> bool:
        """Tell whether a config can be a model; a package may be full of models that have nothing to do with it."""
        configs = self._instance(rule, self._entry(rule)).configs
        cause = None
        for config in configs:
            try:
                model.model_validate(config)
            except Exception as error:  # noqa: BLE001 - a validator of the user's may raise anything
                cause = error
            else:
                return True
        if cause is not None and rule.keys not in self._warned:
            self._warned.add(rule.keys)
            first = str(cause).splitlines()[0]
            message = (
                f"{name} is left as it is, since no config can be its {model.__qualname__} ({first}), and so are "
                f"others of that kind. Where one should be an experiment, name its model under 'bindings', as "
                f"'{model.__module__}:{model.__qualname__}: path', or correct the configs."
            )
            warn(message)
        return not configs

    def _entry(self, rule: Rule) -> PackageEntry | ExperimentEntry:
        kind, index = rule.keys
        settings = self._targets.loaded.settings
        if kind == "packages":
            return settings.packages[index]
        found = settings.experiments[index]
        if isinstance(found, ExperimentEntry):
            return found
        # The configs of a value are its own: the function in whose calls it varies has none.
        return ExperimentEntry(target=str(rule.target and rule.target.text))

    def _bindings(
        self, rule: Rule, function: Callable[..., Any], namespace: Mapping[str, Any], models: Mapping[str, Any]
    ) -> dict[Any, Any]:
        """Return the bindings for one function: all of an exact target's, of others those that it has use for."""
        entry = self._entry(rule)
        by_type = bindings_by_type(function, namespace, models)
        is_exact = rule.target is not None and rule.target.is_exact
        if is_exact and len(by_type) < len(models):
            used = {f"{one.__module__}:{one.__qualname__}" for one in by_type}
            unused = next(key for key in models if key not in used)
            message = (
                f"Cannot bind {unused!r}: no parameter of {rule.target and rule.target.text!r} is annotated with it. "
                "Correct the import path, or bind the parameter by its name."
            )
            raise self._targets.origin.error(message, (*rule.keys, "bindings", unused))
        taken = parameter_names(function)
        by_name = {key: value for key, value in entry.bindings.items() if ":" not in key and (is_exact or key in taken)}
        return {key: value and _as_mapping(value) for key, value in {**by_name, **by_type}.items()}

    def _instance(self, rule: Rule, entry: EntryOptions) -> Spearmint:
        made = self._instances.get(rule.keys)
        if made is None:
            # No lock: reading a strategy imports, and another thread's import may wait for this one. The first one made
            # serves all.
            origin = self._targets.origin
            made = self._instances.setdefault(rule.keys, instance_of(rule.keys, entry, origin))
        return made

    def _located(self, error: SpearmintError, rule: Rule, entry: EntryOptions) -> SettingsError:
        keys: tuple[Any, ...] = rule.keys
        if isinstance(error, BindingError):
            is_named = error.parameter in entry.bindings
            keys = (*keys, "bindings", error.parameter) if is_named else (*keys, "configs")
        return self._targets.origin.error(str(error), keys)


def _experiment(
    instance: Spearmint, function: Callable[..., Any], bindings: Mapping[Any, Any], namespace: Mapping[str, Any]
) -> Any:
    """Make an experiment of a function that its author did not write as one: an unreadable annotation is no error."""
    try:
        return instance.experiment(bindings=bindings)(function)
    except BindingError as error:
        unreadable = [name for name in unreadable_parameters(function, namespace) if name not in bindings]
        if error.parameter not in unreadable:
            raise
    return instance.experiment(bindings={**bindings, **dict.fromkeys(unreadable)})(function)


def experiment_in(made: Any) -> ExperimentFunction:
    """Return the experiment in what declaring a function has given."""
    return experiment_of(proxy_in(made))[0]


def proxy_in(made: Any) -> ExperimentProxy:
    """Return the proxy in what declaring a function has given, which may be a method of some kind or a property."""
    if isinstance(made, staticmethod | classmethod):
        return proxy_in(made.__func__)
    if isinstance(made, property | functools.cached_property):
        return proxy_in(made.fget if isinstance(made, property) else made.func)
    return cast("ExperimentProxy", made)


def _follow(experiment: ExperimentFunction, entry: EntryOptions, path: Path | None) -> None:
    """Tell an experiment where it was declared, and switch it off where the settings say so."""
    _name_set(experiment.split, path)
    if not entry.enabled:
        switches.turn_off(experiment)


def _name_set(split: Split | None, path: Path | None) -> None:
    if split is not None and path is not None:
        split.set_id = str(path)


def _choice(entry: EntryOptions) -> Any:
    """Return all that an entry says of its strategy."""
    return entry.strategy, entry.stages, entry.guardrails


def _restart_reason(made: Spearmint, known: Spearmint) -> str:
    """Return why experiments cannot take other configs or another strategy while they are in use; empty if they can."""
    if bool(made.configs) != bool(known.configs):
        return "configs where there were none, or none where there were some"
    if _collects(made.strategy) != _collects(known.strategy):
        return "a strategy whose calls return something else"
    return ""


def _collects(strategy: Any) -> bool:
    found = BUILT_IN.get(strategy, strategy) if isinstance(strategy, str) else strategy
    return bool(getattr(found, "collects", False))


def _as_mapping(binding: BindingEntry) -> dict[str, Any]:
    return {"path": binding.path, "override": binding.override}
