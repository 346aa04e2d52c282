"""From a function that a settings file is about to the experiment that it becomes."""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel

from spearmint.api import Spearmint
from spearmint.config import Config, parse_configs
from spearmint.config.paths import look_up
from spearmint.errors import BindingError, DeclarationError, SettingsError, SpearmintError
from spearmint.instrument.declare.account import Account
from spearmint.instrument.declare.annotated import asks_for_config, bindings_by_type, unreadable_parameters
from spearmint.instrument.declare.local_functions import LocalFunctionCache
from spearmint.instrument.settings.matching import Rule, Targets
from spearmint.instrument.settings.model import (
    BindingEntry,
    EntryOptions,
    ExperimentEntry,
    PackageEntry,
    StrategyEntry,
)
from spearmint.instrument.settings.origin import SettingsSource, raise_combined
from spearmint.proxy.proxy import ExperimentProxy, compile_anew, experiment_of
from spearmint.registry.callables import callers_namespace
from spearmint.registry.experiment import ExperimentFunction
from spearmint.registry.switches import switches
from spearmint.signatures import parameter_names, underlying_function
from spearmint.strategies.by_name import import_named, strategy_by_name
from spearmint.warn import warn


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
            _follow(experiment_in(declared), entry, self._targets.origin.path)
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
        self._account.add_function(rule.keys, f"{module}:{name}", experiment_in(made).watch)
        return made

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
            made = self._instances.setdefault(rule.keys, self._make(rule, entry))
        return made

    def _make(self, rule: Rule, entry: EntryOptions) -> Spearmint:
        origin = self._targets.origin
        options, configs = read_options(entry, origin, rule.keys)
        try:
            made = Spearmint(configs=configs, **options)
        except SpearmintError as error:
            raise origin.error(str(error), (*rule.keys, "tracing")) from error
        raise_combined(list(unresolvable_bindings(origin, rule.keys, entry, configs)))
        return made

    def _located(self, error: SpearmintError, rule: Rule, entry: EntryOptions) -> SettingsError:
        keys: tuple[Any, ...] = rule.keys
        if isinstance(error, BindingError):
            is_named = error.parameter in entry.bindings
            keys = (*keys, "bindings", error.parameter) if is_named else (*keys, "configs")
        return self._targets.origin.error(str(error), keys)


def read_options(
    entry: EntryOptions, origin: SettingsSource, keys: tuple[Any, ...]
) -> tuple[dict[str, Any], list[Config]]:
    """Read what an entry says of how its experiments are run: the options of `spearmint.Spearmint`, and the configs.

    Args:
        entry: The entry.
        origin: Where the settings come from.
        keys: Where the entry stands in them.

    Raises:
        SettingsError: If a strategy or callback cannot be imported, or a config not be read.
    """
    options = entry.given
    key = "strategy"
    try:
        if entry.strategy is not None:
            options["strategy"] = _strategy(entry.strategy)
        for key in ("on_variant_error", "compare"):
            callback: Any = getattr(entry, key)
            if callback is not None:
                options[key] = import_named(callback) if isinstance(callback, str) else callback
        key = "configs"
        return options, parse_configs(entry.configs or [], relative_to=origin.folder)
    except SpearmintError as error:
        raise origin.error(str(error), (*keys, key)) from error


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
    if experiment.split is not None and path is not None:
        experiment.split.set_id = str(path)
    if not entry.enabled:
        switches.turn_off(experiment)


def unresolvable_bindings(
    origin: SettingsSource, keys: tuple[Any, ...], entry: EntryOptions, configs: Sequence[Config]
) -> Iterator[SettingsError]:
    """Yield an error for each binding whose path leads nowhere in any config, so that it would never bind a thing.

    Args:
        origin: Where the settings come from.
        keys: Where the entry stands in them.
        entry: The entry.
        configs: Its configs; without any, what its functions run under is not known.
    """
    for parameter, binding in entry.bindings.items():
        if binding is None or not configs:
            continue
        missing = [cause for config in configs if (cause := _missing(config, binding.path))]
        if len(missing) == len(configs):
            message = (
                f"Cannot bind {parameter!r} to {binding.path!r}: no config has it; in the first one, {missing[0]}. "
                "Correct the path, or add it to a config."
            )
            yield origin.error(message, (*keys, "bindings", parameter))


def _missing(config: Config, path: str) -> str | None:
    try:
        look_up(config, path)
    except KeyError as error:
        cause: str = error.args[0]
        return cause
    return None


def _strategy(choice: Any) -> Any:
    return strategy_by_name(choice.use, choice.with_) if isinstance(choice, StrategyEntry) else choice


def _as_mapping(binding: BindingEntry) -> dict[str, Any]:
    return {"path": binding.path, "override": binding.override}
