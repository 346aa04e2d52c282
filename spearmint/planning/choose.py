"""What a strategy chooses, as options: asked once for each experiment of a call."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any

from spearmint.cases.bound_config import BoundConfig
from spearmint.cases.versions import Version, versions
from spearmint.config.model import Config
from spearmint.context.current import attributes_var
from spearmint.planning.capture import active
from spearmint.planning.forcing import forced_option
from spearmint.registry.declared import Declared
from spearmint.registry.experiment import ExperimentFunction
from spearmint.strategies.builtin import Choice, invalid_choice_error, strategy_error
from spearmint.strategies.split import Assignment
from spearmint.untraced import untraced

_STRATEGIES = invalid_choice_error.__module__
_MOST_VARIANTS = 1_000_000  # that are read of an iterator without a length where max_cases sets no bound


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a strategy chose for one experiment.

    Attributes:
        main: The option that main runs under.
        variants: Those that run beside it.
        assignment: Which unit it was chosen for, where the strategy assigns units.
    """

    main: BoundConfig
    variants: tuple[BoundConfig, ...] = ()
    assignment: Assignment | None = None


def _ask(experiment: ExperimentFunction, declared: Declared) -> Choice:
    """Return what an experiment's strategy chooses."""
    configs = [*declared.configs]  # A list of its own, so that a strategy may sort or shorten it.
    try:
        return declared.choose(configs, attributes_var.get()) if declared.takes_attributes else declared.choose(configs)
    except Exception as error:
        raise strategy_error(declared.strategy, error, experiment.name) from error


def assigned_options(declared: Declared, assignment: Assignment, others: Iterable[Config]) -> Chosen:
    """Return the options for what a strategy has assigned a unit to."""
    option = declared.find_bound_config(assignment.config)
    found = [declared.find_bound_config(config) for config in others]
    assert option is not None  # noqa: S101 - a split is made of just these configs
    return Chosen(option, tuple(other for other in found if other is not None), assignment)


def options_of(experiment: ExperimentFunction, declared: Declared, choice: Choice) -> Chosen:
    """Return the options for what a strategy chose: the main one, and those of the variants."""
    try:
        main, variants = choice
    except (TypeError, ValueError) as error:
        raise invalid_choice_error(declared.strategy, choice, experiment.name) from error
    option = declared.find_bound_config(main)
    try:  # A generator computes the variants only here.
        others = [declared.find_bound_config(config) for config in _variants(experiment, variants)]
    except Exception as error:
        raise strategy_error(declared.strategy, error, experiment.name) from error
    found = tuple(other for other in others if other is not None)
    if option is None or len(found) < len(others):
        raise invalid_choice_error(declared.strategy, choice, experiment.name)
    return Chosen(option, found)


def _variants(experiment: ExperimentFunction, chosen: Any) -> Iterable[Any]:
    """Return what a strategy chose as variants; of an iterator, which may have no end, one more than may run."""
    if isinstance(chosen, list | tuple | Collection):
        return chosen
    if not isinstance(chosen, Iterable):
        return [None]  # which is no config
    most = experiment.settings.max_cases or _MOST_VARIANTS
    read = list(islice(chosen, most + 1))
    if len(read) > _MOST_VARIANTS:
        raise ValueError(f"its variants have no end within {_MOST_VARIANTS:,}; return a list, or set max_cases")
    return read


def _asked_options(experiment: ExperimentFunction, declared: Declared) -> Chosen:
    return options_of(experiment, declared, _ask(experiment, declared))


_own_options = untraced(_asked_options)


def choose_options(experiment: ExperimentFunction, version: Version | None = None) -> Chosen:
    """Return the main option and the variants that an experiment's strategy chooses, asked once.

    Args:
        experiment: The experiment.
        version: The version that the call is in; None for the current one.
    """
    declared = experiment.declared.at((versions.current if version is None else version).number)
    if not declared.options:
        return Chosen(experiment.default_binding)
    forced = forced_option(experiment, declared) if active else None
    if forced is not None:
        return Chosen(forced)
    split = declared.split
    if split is None:
        is_ours = type(declared.strategy).__module__ == _STRATEGIES
        return (_own_options if is_ours else _asked_options)(experiment, declared)
    try:
        assignment = split.assign(attributes_var.get())
    except Exception as error:
        raise strategy_error(split, error, experiment.name) from error
    return assigned_options(declared, assignment, split.others(assignment))
