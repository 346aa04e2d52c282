"""What a strategy chooses, as options: asked once for each experiment of a call."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any

from spearmint.cases.bound_config import BoundConfig
from spearmint.config.model import Config
from spearmint.context.current import attributes_var
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


def _ask(experiment: ExperimentFunction) -> Choice:
    """Return what an experiment's strategy chooses."""
    choose = experiment.choose
    configs = [*experiment.configs]  # A list of its own, so that a strategy may sort or shorten it.
    try:
        return choose(configs, attributes_var.get()) if experiment.takes_attributes else choose(configs)
    except Exception as error:
        raise strategy_error(experiment.strategy, error, experiment.name) from error


def assigned_options(experiment: ExperimentFunction, assignment: Assignment, others: Iterable[Config]) -> Chosen:
    """Return the options for what a strategy has assigned a unit to."""
    option = experiment.find_bound_config(assignment.config)
    found = [experiment.find_bound_config(config) for config in others]
    assert option is not None  # noqa: S101 - a split is made of just these configs
    return Chosen(option, tuple(other for other in found if other is not None), assignment)


def options_of(experiment: ExperimentFunction, choice: Choice) -> Chosen:
    """Return the options for what a strategy chose: the main one, and those of the variants."""
    try:
        main, variants = choice
    except (TypeError, ValueError) as error:
        raise invalid_choice_error(experiment.strategy, choice, experiment.name) from error
    option = experiment.find_bound_config(main)
    try:  # A generator computes the variants only here.
        others = [experiment.find_bound_config(config) for config in _variants(experiment, variants)]
    except Exception as error:
        raise strategy_error(experiment.strategy, error, experiment.name) from error
    found = tuple(other for other in others if other is not None)
    if option is None or len(found) < len(others):
        raise invalid_choice_error(experiment.strategy, choice, experiment.name)
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


def _asked_options(experiment: ExperimentFunction) -> Chosen:
    return options_of(experiment, _ask(experiment))


_own_options = untraced(_asked_options)


def choose_options(experiment: ExperimentFunction) -> Chosen:
    """Return the main option and the variants that an experiment's strategy chooses, asked once."""
    if not experiment.options:
        return Chosen(experiment.default_binding)
    split = experiment.split
    if split is None:
        is_ours = type(experiment.strategy).__module__ == _STRATEGIES
        return (_own_options if is_ours else _asked_options)(experiment)
    try:
        assignment = split.assign(attributes_var.get())
    except Exception as error:
        raise strategy_error(split, error, experiment.name) from error
    return assigned_options(experiment, assignment, split.others(assignment))
