"""One call becomes a plan: which experiments take part, who inherits its caller's config, who adds a dimension."""

from spearmint.cases import Dimension, ExperimentCase, Option, Plan
from spearmint.context import attributes_var
from spearmint.registry import ExperimentFunction
from spearmint.strategies import ask, strange_choice


def choose(experiment: ExperimentFunction) -> tuple[Option, tuple[Option, ...]]:
    """Ask an experiment's strategy, once.

    Args:
        experiment: The experiment.

    Returns:
        The main option and the variants; for an experiment without configs, its plain option and none.

    Raises:
        StrategyError: If the strategy raises, or chooses what it was not given.
    """
    if not experiment.options:
        return experiment.plain_option, ()
    attributes = attributes_var.get() if experiment.takes_attributes else None
    # A list of its own, so that a strategy may sort or shorten it.
    choice = ask(experiment.strategy, list(experiment.configs), attributes, experiment.name)
    main = experiment.option_of(choice[0])
    variants = tuple(experiment.option_of(config) for config in choice[1])
    if main is None or None in variants:
        raise strange_choice(experiment.strategy, choice, experiment.name)
    return main, variants  # type: ignore[return-value] - no None is left


def select(experiment: ExperimentFunction) -> tuple[ExperimentCase, Plan | None]:
    """Choose for a call outside any case.

    Args:
        experiment: The experiment that is called.

    Returns:
        The main case, and the plan if it holds variants.

    Raises:
        StrategyError: If a strategy raises, or chooses what it was not given.
    """
    main, variants = choose(experiment)
    if not variants and not experiment.learned:
        case = experiment.main_case(main)
        if not experiment.options or (experiment.is_constant and not experiment.collects):
            experiment.ready[None] = case
        return case, None
    plan = Plan(experiment, _dimensions(experiment, (main, *variants)), experiment.settings.combine)
    return plan.main, plan if len(plan) > 1 else None


def _dimensions(root: ExperimentFunction, options: tuple[Option, ...]) -> tuple[Dimension, ...]:
    dimensions = {root: Dimension(root, options)}
    for reference in root.learned.keyrefs():  # A list, which other threads do not lengthen meanwhile.
        experiment = reference()
        if experiment is not None and experiment.options and experiment not in dimensions:
            main, variants = choose(experiment)
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
        option = case.assign(experiment, choose(experiment)[0])
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
