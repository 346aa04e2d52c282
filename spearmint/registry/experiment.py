"""A function with its configs, strategy and bindings, compiled when it is declared."""

import copy
import logging
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from spearmint.cases.bound_config import BoundConfig
from spearmint.cases.case import ExperimentCase
from spearmint.cases.versions import versions
from spearmint.config.binding import Binder, Supplier
from spearmint.config.copying import value_factory
from spearmint.config.model import Config, assign_origin, assign_ranges, origin_of, ranges_of
from spearmint.config.signature import compile_binder
from spearmint.errors import ConfigError
from spearmint.giving_way import give_way
from spearmint.registry.binding_watch import BindingWatch
from spearmint.registry.callables import Kind, kind_of, missing_value, name_of
from spearmint.registry.declared import Declared
from spearmint.registry.failure_log import FailureLog
from spearmint.registry.pin import Pin, pinned_by
from spearmint.registry.plain_calls import plain_calls
from spearmint.registry.settings import ExperimentSettings
from spearmint.registry.state import CallState, epoch
from spearmint.strategies.builtin import Choice, Start, prepare_strategy
from spearmint.strategies.split import Split

logger = logging.getLogger("spearmint")


class ExperimentFunction:
    """A function that Spearmint runs under a configuration.

    Args:
        function: The function.
        configs: Its expanded configs, or those of its `spearmint.Spearmint` instance.
        settings: How it is run.
        has_own_configs: Whether the configs were given for this function alone. Experiments that share the configs of
            one instance pass them on to each other.
        has_own_bindings: Whether the bindings were.
        namespace: Names that its annotations may use beside its globals and closure.

    Attributes:
        function: The function.
        name: Its name, ``"module:qualified.name"``.
        kind: What calling it gives.
        declared: What calls that begin now choose from, and how.
        unpinned: The same where nothing pins it to a config.
        family: The same object for the experiments of one instance that pass its configs on to each other.
        binder: Which parameters they fill.
        is_traced: Whether its executions are traced; None for as the process has it.
        sample_rate: Which share of the calls is traced; None for as the process has it.
        compare: Compares main's result with a variant's, for the traces; None for ``==``.
        settings: How it is run.
        canonical: What has a place in a plan: the first declaration of the same definition, where one inside a function
            runs again and again; else itself.
        state: What it remembers from call to call.
        proxies: What stands where the function stood, and lets it be called.
        watch: Notes which parameters the configs ever fill; None where no settings bind it.
        is_released: Whether its settings have been taken back, so that a call of it is one of the function.
        copies: Further declarations of the same definition, where one inside a function runs again and again.
        is_step: Whether evaluations call it on the way, so that its calls ask who runs them.
        is_pinned: Whether a test has pinned it to a config, so that it does not run under its caller's.
        is_called: Whether it is a function; else a value, which code reads.

    Raises:
        DeclarationError: If ``function`` is not one.
        BindingError: If a config does not reach a parameter.
        StrategyError: If the strategy cannot be made.
    """

    is_called = True

    def __init__(
        self,
        function: Callable[..., Any],
        configs: Sequence[Config],
        settings: ExperimentSettings,
        *,
        has_own_configs: bool = False,
        has_own_bindings: bool = False,
        namespace: Mapping[str, Any] | None = None,
    ) -> None:
        self.function = function
        self.name = name_of(function)
        self.kind: Kind = kind_of(function)
        self.settings = settings
        self.family: object = configs
        self.has_own_configs = has_own_configs
        strategy = prepare_strategy(settings.strategy, self.name, configs)
        self.collects = bool(getattr(strategy, "collects", False))
        self.is_traced = settings.is_traced
        self.sample_rate = settings.sample_rate
        self.compare: Callable[[Any, Any], Any] | None = settings.compare or getattr(strategy, "compare", None)
        self.binder: Binder = compile_binder(
            function,
            self.name,
            settings.bindings,
            namespace=namespace,
            has_configs=bool(configs),
            own_bindings=has_own_bindings,
        )
        self.watch: BindingWatch | None = None
        self.declared = self._as_called(self._declare(configs, strategy))
        self._failures = FailureLog(self.name)
        self._inherited: weakref.WeakKeyDictionary[BoundConfig, BoundConfig] = weakref.WeakKeyDictionary()
        self._canonical: ExperimentFunction | None = None
        self.state = CallState()
        self.proxies: list[weakref.ref[Any]] = []
        self.is_released = False
        self.is_step = False
        self.copies: weakref.WeakSet[ExperimentFunction] = weakref.WeakSet()
        self.unpinned = self.declared
        self._pins: tuple[Pin, ...] = ()

    @property
    def configs(self) -> Sequence[Config]:
        """The configs; strategies get a list of just these objects."""
        return self.declared.configs

    @property
    def options(self) -> tuple[BoundConfig, ...]:
        """The same, compiled for this function."""
        return self.declared.options

    @property
    def strategy(self) -> Callable[..., Choice]:
        """What chooses among the configs."""
        return self.declared.strategy

    @strategy.setter
    def strategy(self, strategy: Callable[..., Choice]) -> None:
        self.declared = self.unpinned = self.declared.with_strategy(strategy)

    @property
    def split(self) -> Split | None:
        """The strategy, if it assigns units."""
        return self.declared.split

    @property
    def takes_attributes(self) -> bool:
        """Whether the strategy gets the context's attributes."""
        return self.declared.takes_attributes

    @property
    def is_constant(self) -> bool:
        """Whether the strategy chooses the same each time."""
        return self.declared.is_constant

    @property
    def start(self) -> Start:
        """When variants start."""
        return self.declared.start

    def _declare(self, configs: Sequence[Config], strategy: Callable[..., Choice]) -> Declared:
        return Declared.of(configs, [self.compile_option(config) for config in configs], strategy)

    def _as_called(self, declared: Declared) -> Declared:
        """Return what was declared as calls are to find it."""
        return declared

    def declare_anew(self, configs: Sequence[Config], strategy: Any) -> Declared:
        """Return what this experiment would choose from with other configs and another strategy; nothing changes.

        Raises:
            BindingError: If a config does not reach a parameter.
            StrategyError: If the strategy cannot be made, or does not fit the configs.
        """
        return self._declare(configs, prepare_strategy(strategy, self.name, configs))

    def change(self, declared: Declared, since: int) -> None:
        """Choose otherwise from a version on, which is to be published; the caller holds the lock of the versions."""
        former = self.unpinned.pruned(versions.in_use())
        self.unpinned = self._as_called(replace(declared, since=since, former=former))
        self._repin(self._pins)

    def compile_option(self, config: Config) -> BoundConfig:
        """Return a config as this function uses it.

        Raises:
            ConfigError: If it cannot be copied, or does not reach a parameter.
        """
        give_way()
        try:
            master = value_factory(config)()
        except Exception as error:
            message = (
                f"Cannot copy config {config.config_id!r} for {self.name}: {type(error).__name__}: {error}. Each "
                "execution needs its own. Put something immutable in it, or give the type a __deepcopy__."
            )
            raise ConfigError(message) from error
        assign_ranges(assign_origin(master, origin_of(config)), ranges_of(config))
        return BoundConfig(master, config.config_id, value_factory(master), self._bind(master))

    def _bind(self, config: Config) -> Sequence[Supplier | None]:
        values = self.binder.bind(config)
        return values if self.watch is None else self.watch.noting(values)

    def watch_bindings(self) -> BindingWatch:
        """Note from now on, before any call, which parameters the configs ever fill."""
        self.watch = watch = BindingWatch(self.binder.slots)
        for option in self.options:
            object.__setattr__(option, "values", watch.noting(option.values))  # Nothing has read them yet.
        return watch

    @property
    def canonical(self) -> "ExperimentFunction":
        """What has a place in a plan: itself, or the first declaration of the same definition."""
        return self if self._canonical is None else self._canonical

    @canonical.setter
    def canonical(self, first: "ExperimentFunction") -> None:
        self._canonical = None if first is self else first  # Without a cycle, which would keep it until a collection.

    @property
    def is_unreachable(self) -> bool:
        """Whether no proxy of it is alive, so that it cannot be called."""
        return bool(self.proxies) and all(proxy() is None for proxy in self.proxies)

    def redeclared(self, function: Callable[..., Any]) -> "ExperimentFunction":
        """Return this experiment for another function of the same definition, which has its own surroundings."""
        made = copy.copy(self)
        made.function = function
        made.canonical = self
        made.state = CallState()
        made.proxies = []
        self.copies.add(made)
        return made

    @property
    def is_pinned(self) -> bool:
        """Whether a test has pinned it to a config."""
        return bool(self._pins)

    def pin(self, option: BoundConfig | str | None = None, *, runs_variants: bool = False) -> Pin:
        """Let every call that begins from now on run under one config, until it is unpinned; the last pin holds.

        Args:
            option: The config, from `compile_option`; the id of one of its own; None for the first of these. The last
                two also after a reload.
            runs_variants: Whether the configs that the strategy chooses run beside it.

        Returns:
            What `unpin` takes.
        """
        pin = Pin(option, runs_variants)
        with versions.lock:
            self._repin((*self._pins, pin))
        return pin

    def unpin(self, pin: Pin) -> None:
        """Take a pin back, in any order."""
        with versions.lock:
            self._repin(tuple(one for one in self._pins if one is not pin))

    def _repin(self, pins: tuple[Pin, ...]) -> None:
        self._pins = pins
        self.declared = self._as_called(pinned_by(pins[-1], self.unpinned)) if pins else self.unpinned
        self.state.revision += 1  # What was found out about calls that reach it is stale.
        if pins:
            plain_calls.end()
        epoch.invalidate_all()

    @property
    def default_binding(self) -> BoundConfig:
        """The option of an experiment that has no config, called where no other experiment has one for it."""
        slots = self.binder.slots
        empty = Config()
        values = tuple(None if slot.has_default else missing_value(self.name, slot.name) for slot in slots)
        return BoundConfig(empty, empty.config_id, Config, values)

    def find_bound_config(self, config: Config) -> BoundConfig | None:
        """Return the option for one of the configs that the strategy is given, or for one equal to it; else None."""
        return self.declared.find_bound_config(config)

    def inherit(self, option: BoundConfig) -> BoundConfig:
        """Return the caller's config as this experiment uses it.

        Args:
            option: What the calling experiment runs under.

        Returns:
            The option, compiled on the first call and then kept.

        Raises:
            BindingError: If the caller's config does not reach a parameter of this function.
        """
        made = self._inherited.get(option)
        if made is None:
            made = BoundConfig(option.config, option.config_id, option.copy, self._bind(option.config))
            self._inherited[option] = made
        return made

    def cache_case_by_config(self, case: ExperimentCase) -> None:
        """Let calls run in this case for whose main config the strategy chooses that of the case."""
        keys = [key for key, option in self.declared.option_by_identity.items() if option is case.option]
        self.state.cached_cases.update(dict.fromkeys(keys, case))
        self.state.track()

    def report(self, error: BaseException) -> None:
        """Log a variant's exception, and hand it to the callback; no error of either goes further."""
        try:
            self._failures.log(error)
            if self.settings.on_variant_error is not None:
                self.settings.on_variant_error(error)
        except BaseException as second:  # Neither a handler of logging nor the callback may harm the caller.
            logger.exception("on_variant_error of %s raised %s", self.name, type(second).__name__)

    def __repr__(self) -> str:
        return f"<ExperimentFunction {self.name} with {len(self.options)} configs>"


class ProxyBase:
    """The base of the proxies that stand where an experiment's function stood, and know the experiment."""

    __slots__ = ()
    _self_experiment: ExperimentFunction
