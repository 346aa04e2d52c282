"""One call becomes a plan: which experiments take part, who inherits its caller's config, who adds a dimension."""

from collections.abc import Iterable, Sequence

from spearmint.cases import Dimension, ExperimentCase, Option, Plan
from spearmint.config.model import Config
from spearmint.context import attributes_var
from spearmint.registry import ExperimentFunction
from spearmint.strategies import Choice, failed_choice, strange_choice


def select(experiment: ExperimentFunction) -> tuple[ExperimentCase, Plan | None]:
    """Choose for a call outside any case.

    Args:
        experiment: The experiment that is called.

    Returns:
        The main case, and the plan if it holds variants.

    Raises:
        StrategyError: If a strategy raises, or chooses what it was not given.
    """
    return experiment.ready_plan or select_anew(experiment)


def select_anew(experiment: ExperimentFunction) -> tuple[ExperimentCase, Plan | None]:
    """Do what `select` does for an experiment whose strategy may choose differently each time."""
    if not experiment.options:
        main, variants = _choose(experiment)
    else:
        chosen, others, choice = _consult(experiment)
        case = experiment.lone_cases.get(id(chosen))
        if case is not None and others == ():
            return case, None
        main, variants = _options(experiment, chosen, others, choice)
    lessons = experiment.lessons
    plan = Plan(experiment, _dimensions(experiment, (main, *variants)), experiment.settings.combine)
    planned = plan.main, plan if len(plan) > 1 else None
    experiment.keep(planned, [dimension.experiment for dimension in plan.dimensions[1:]], lessons)
    return planned


def _consult(experiment: ExperimentFunction) -> tuple[Config, Sequence[Config], Choice]:
    """Return what an experiment's strategy chooses: the main config, the variants, and the choice as it was given."""
    strategy = experiment.strategy
    configs = [*experiment.configs]  # A list of its own, so that a strategy may sort or shorten it.
    try:
        choice = strategy(configs, attributes_var.get()) if experiment.takes_attributes else strategy(configs)
    except Exception as error:
        raise failed_choice(strategy, error, experiment.name) from error
    try:
        main, variants = choice
    except (TypeError, ValueError) as error:
        raise strange_choice(strategy, choice, experiment.name) from error
    return main, variants, choice


def _options(
    experiment: ExperimentFunction, main: Config, variants: Sequence[Config], choice: Choice
) -> tuple[Option, tuple[Option, ...]]:
    """Return the options for what a strategy chose."""
    option = experiment.option_of(main)
    try:  # A generator computes the variants only here.
        others = [experiment.option_of(config) for config in variants] if isinstance(variants, Iterable) else [None]
    except Exception as error:
        raise failed_choice(experiment.strategy, error, experiment.name) from error
    found = tuple(other for other in others if other is not None)
    if option is None or len(found) < len(others):
        raise strange_choice(experiment.strategy, choice, experiment.name)
    return option, found


def _choose(experiment: ExperimentFunction) -> tuple[Option, tuple[Option, ...]]:
    """Return the main option and the variants that an experiment's strategy chooses, asked once."""
    return _options(experiment, *_consult(experiment)) if experiment.options else (experiment.plain_option, ())


def _dimensions(root: ExperimentFunction, options: tuple[Option, ...]) -> tuple[Dimension, ...]:
    dimensions = {root: Dimension(root, options)}
    for reference in root.learned.keyrefs():  # A list, which other threads do not lengthen meanwhile.
        experiment = reference()
        if experiment is not None and experiment.options and experiment not in dimensions:
            main, variants = _choose(experiment)
            dimensions[experiment] = Dimension(experiment, (main, *variants))
    return tuple(dimensions.values())


def join(case: ExperimentCase, experiment: ExperimentFunction) -> ExperimentCase:
    """Return the running case as seen from an experiment that is called in it.

    Args:
        case: The running case, seen from the caller.
        experiment: The experiment that is called.

    Returns:
        The view that is current while it runs. It is kept in ``case.known``, where the next call finds it.

    Raises:
        StrategyError: If the strategy of an experiment that no plan foresaw raises, or chooses what it was not given.
        BindingError: If the caller's config does not reach its parameters.
    """
    option = case.assigned(experiment)
    if option is None:
        option = _inherited(case, experiment)
    if option is None:
        option = case.assign(experiment, _choose(experiment)[0])
        if isinstance(case.root, ExperimentFunction):
            case.root.learn(experiment)
    return case.view(experiment, option)


def _inherited(case: ExperimentCase, experiment: ExperimentFunction) -> Option | None:
    """Return the config of the nearest caller that shares its configs, or of any if it has none at all."""
    caller: ExperimentCase | None = case
    while caller is not None:
        current = caller.current
        if isinstance(current, ExperimentFunction) and _passes_on(current, experiment):
            return experiment.inherit(caller.option)
        caller = caller.parent
    return None


def _passes_on(caller: ExperimentFunction, experiment: ExperimentFunction) -> bool:
    if not experiment.options:
        return bool(caller.options)
    shares = experiment.configs is caller.configs
    return shares and not experiment.has_own_configs and not caller.has_own_configs
