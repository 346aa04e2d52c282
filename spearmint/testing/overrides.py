"""For tests: pin the config that an experiment runs under."""

import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from spearmint.cases.case import BoundConfig
from spearmint.config import Config, parse_configs
from spearmint.errors import ConfigError
from spearmint.proxy.proxy import experiment_of
from spearmint.registry.experiment import ExperimentFunction
from spearmint.registry.registry import registry
from spearmint.registry.state import epoch
from spearmint.strategies.builtin import Choice

_LISTED = 10


def override(
    function: Callable[..., Any] | str, config: Any, *, variants: bool = False
) -> AbstractContextManager[Config]:
    """Pin the config that an experiment runs under, for the code inside ``with``, or of the function it decorates.

    It holds for the whole process: every thread, every task, direct calls, runs, and calls from other experiments,
    where a pinned one adds no dimension to the plan. Experiments that run under its config get the pinned config.
    Overrides nest; the one entered last holds. The kind of the result stays: under `MultiBranchStrategy` it is an
    `ExperimentResults` still, with main alone in it. Calls and cases that have begun before go on as they are.

    Args:
        function: An experiment, a method that is one, or the name ``"module:qualified.name"`` of one.
        config: A mapping, `Config`, pydantic model, dataclass instance or `pathlib.Path` that gives one config; or
            text, the id of one of the experiment's own configs.
        variants: Whether the configs that the strategy chooses run beside it. Otherwise there are no variants.

    Returns:
        A context manager that gives the pinned config.

    Raises:
        BindingError: If the config does not reach a parameter.
        ConfigError: If there are no or several configs, or no config of that id.
        DeclarationError: If ``function`` is no experiment.

    Examples:
        >>> from spearmint import experiment
        >>> @experiment(configs=[{"limit": 3}])
        ... def take(text, config):
        ...     return text[: config.limit]
        >>> with override(take, {"limit": 1}):
        ...     take("mint")
        'm'
        >>> take("mint")
        'min'
    """
    experiment = registry.get(function) if isinstance(function, str) else experiment_of(function)[0]
    return _pinned(experiment, _Pin(_option(experiment, config), variants))


@dataclass(frozen=True, slots=True, eq=False)
class _Pin:
    """What one `override` asks for."""

    option: BoundConfig
    runs_variants: bool


@dataclass(frozen=True, slots=True)
class _Declared:
    """What an experiment had before the first pin."""

    strategy: Callable[..., Choice]
    takes_attributes: bool
    is_constant: bool
    options: tuple[BoundConfig, ...]


class _PinnedStrategy:
    """The pinned config is main; the variants, if they are asked for, are what the experiment's strategy chooses.

    Args:
        pin: What is pinned.
        declared: What the experiment has otherwise.
    """

    def __init__(self, pin: _Pin, declared: _Declared) -> None:
        self._pin = pin
        self._declared = declared

    def __call__(self, configs: list[Config], attributes: Mapping[str, Any], /) -> Choice:
        """Return the pinned config, and the variants."""
        pinned, declared = self._pin.option.config, self._declared
        if not self._pin.runs_variants or not configs:
            return pinned, ()
        main, variants = (
            declared.strategy(configs, attributes) if declared.takes_attributes else declared.strategy(configs)
        )
        return pinned, [config for config in (main, *variants) if config.config_id != pinned.config_id]


_lock = threading.RLock()
_pins: "weakref.WeakKeyDictionary[ExperimentFunction, list[_Pin]]" = weakref.WeakKeyDictionary()
_declared: "weakref.WeakKeyDictionary[ExperimentFunction, _Declared]" = weakref.WeakKeyDictionary()


@contextmanager
def _pinned(experiment: ExperimentFunction, pin: _Pin) -> Iterator[Config]:
    with _lock:
        _pins.setdefault(experiment, []).append(pin)
        _apply(experiment)
    try:
        yield pin.option.copy()
    finally:
        with _lock:
            _pins[experiment].remove(pin)
            _apply(experiment)


def _apply(experiment: ExperimentFunction) -> None:
    """Let the last pin of an experiment hold, or what it had before the first; called with the lock held."""
    pins = _pins[experiment]
    if not pins:
        declared = _declared.pop(experiment)
        _set(experiment, declared)
        del _pins[experiment]
    else:
        declared = _declared.setdefault(experiment, _declaration_of(experiment))
        pin = pins[-1]
        strategy = _PinnedStrategy(pin, declared)
        is_constant = declared.is_constant or not pin.runs_variants
        options = (pin.option, *declared.options)
        _set(experiment, _Declared(strategy, takes_attributes=True, is_constant=is_constant, options=options))
    experiment.is_pinned = bool(pins)
    experiment.revision += 1  # What was found out about calls that reach it is stale.
    epoch.invalidate_all()


def _declaration_of(experiment: ExperimentFunction) -> _Declared:
    return _Declared(experiment.strategy, experiment.takes_attributes, experiment.is_constant, experiment.options)


def _set(experiment: ExperimentFunction, changed: _Declared) -> None:
    experiment.strategy = changed.strategy
    experiment.takes_attributes = changed.takes_attributes
    experiment.is_constant = changed.is_constant
    experiment.options = changed.options


def _option(experiment: ExperimentFunction, wanted: Any) -> BoundConfig:
    """Return the one option that an override asks for."""
    if isinstance(wanted, str):
        return _option_of_id(experiment, wanted)
    configs = parse_configs(wanted)
    if len(configs) != 1:
        message = f"Cannot pin {experiment.name} to {wanted!r:.200}: that gives {len(configs)} configs. Give one."
        raise ConfigError(message)
    return experiment.compile_option(configs[0])


def _option_of_id(experiment: ExperimentFunction, config_id: str) -> BoundConfig:
    found = next((option for option in experiment.options if option.config_id == config_id), None)
    if found is not None:
        return found
    known = [option.config_id for option in experiment.options]
    close = get_close_matches(config_id, known, n=1)
    suggestion = f"Did you mean {close[0]!r}?" if close else "Give one of those, or a config."
    listed = ", ".join(map(repr, known[:_LISTED])) + (", ..." if len(known) > _LISTED else "")
    message = (
        f"Cannot pin {experiment.name} to {config_id!r}: it has no config of that id (its ids: {listed or 'none'}). "
    )
    raise ConfigError(message + suggestion)
