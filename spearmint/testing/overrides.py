"""For tests: pin the config that an experiment runs under."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from spearmint.cases.bound_config import BoundConfig
from spearmint.config import Config, parse_configs
from spearmint.errors import ConfigError
from spearmint.proxy.proxy import experiment_of
from spearmint.registry.experiment import ExperimentFunction
from spearmint.registry.registry import registry
from spearmint.suggest import did_you_mean

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
    return _pinned(experiment, _option(experiment, config), runs_variants=variants)


@contextmanager
def _pinned(experiment: ExperimentFunction, option: BoundConfig, *, runs_variants: bool) -> Iterator[Config]:
    pin = experiment.pin(option, runs_variants=runs_variants)
    try:
        yield option.copy()
    finally:
        experiment.unpin(pin)


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
    suggestion = did_you_mean(config_id, known) or " Give one of those, or a config."
    listed = ", ".join(map(repr, known[:_LISTED])) + (", ..." if len(known) > _LISTED else "")
    message = (
        f"Cannot pin {experiment.name} to {config_id!r}: it has no config of that id (its ids: {listed or 'none'})."
    )
    raise ConfigError(message + suggestion)
