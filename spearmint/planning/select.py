"""One call becomes a plan: which experiments take part, who inherits its caller's config, who adds a dimension."""

import importlib
from collections.abc import Callable, Sequence
from typing import Any, cast

from spearmint.cases.case import ExperimentCase
from spearmint.cases.join_log import Assignments, JoinLog
from spearmint.cases.plan import Dimension, Plan
from spearmint.cases.versions import Version, versions
from spearmint.config.model import Config
from spearmint.context.current import attributes_var
from spearmint.planning.capture import active, record
from spearmint.planning.choose import Chosen, assigned_options, choose_options, options_of
from spearmint.planning.reachability import Reachability
from spearmint.registry.experiment import ExperimentFunction
from spearmint.strategies.builtin import invalid_choice_error, strategy_error
from spearmint.strategies.split import Assignment
from spearmint.untraced import untraced

_NO_VARIANTS = ()  # CPython has one empty tuple.
_MOST_CACHED_CASES = 100  # Beyond, cases are made when they are asked for, and not kept.


def prepare() -> None:
    """Import what plans are made with, as experiments are declared.

    A first call imports nothing: the child of a fork would wait for ever for an import that another thread was at, and
    a signal handler that raises would leave a module half made.
    """
    importlib.import_module("spearmint.planning.search")


def select(
    experiment: ExperimentFunction, args: tuple[Any, ...] = (), *, full_check: bool = False
) -> tuple[ExperimentCase, Plan | None]:
    """Choose for a call outside any case.

    Args:
        experiment: The experiment that is called.
        args: The positional arguments of the call, of which the first may be a receiver.
        full_check: Whether to make sure that all that is known of the code still holds, rather than a part of it.

    Returns:
        The main case, and the plan if it holds variants.

    Raises:
        StrategyError: If a strategy raises, or chooses what it was not given.
    """
    version = versions.current
    reachability = _reachability_of(experiment, args, full_check=full_check)
    choice = reachability.choice
    if choice is None:
        choice = _choose_for_call(experiment, reachability, args, version)
    elif choice[1] is None:
        _cache_case(experiment, choice[0], args)
    if choice[1] is None and choice[0].assignments and experiment in choice[0].assignments:
        choice = choice[0], cast("Plan", choice[0].plan)  # A call that is to be told, which only a whole `Call` does.
    return record(choice) if active else choice


def select_anew(experiment: ExperimentFunction, args: tuple[Any, ...] = ()) -> tuple[ExperimentCase, Plan | None]:
    """Do what `select` does for an experiment whose strategy may choose differently each time."""
    cached_cases = experiment.state.cached_cases
    if not cached_cases or active:
        return select(experiment, args)
    declared = experiment.declared
    configs = [*declared.configs]
    try:  # As `_ask`, whose call would take a tenth of the time.
        choice = (
            declared.choose(configs, attributes_var.get()) if declared.takes_attributes else declared.choose(configs)
        )
    except Exception as error:
        raise strategy_error(declared.strategy, error, experiment.name) from error
    try:
        main, variants = choice
    except (TypeError, ValueError) as error:
        raise invalid_choice_error(declared.strategy, choice, experiment.name) from error
    case = cached_cases.get(id(main))
    if case is not None and variants is _NO_VARIANTS:
        return case, None
    version = versions.current
    # It may just be changing, together with others that the call reaches.
    chosen = options_of(experiment, declared, choice) if declared is experiment.declared.at(version.number) else None
    selection = _choose_for_call(experiment, _reachability_of(experiment, args), args, version, chosen)
    return record(selection) if active else selection


def select_assigned(
    experiment: ExperimentFunction, args: tuple[Any, ...] = ()
) -> tuple[ExperimentCase, Plan | None, Assignment | None]:
    """Do what `select` does for an experiment whose strategy assigns units, and tell what it has assigned."""
    split = experiment.declared.split
    if split is None or active:  # Something else may choose, as where a test has pinned it.
        selection = select(experiment, args)
        return *selection, _assignment(experiment, selection[0])
    try:
        assignment = split.assign(attributes_var.get())
    except Exception as error:
        raise strategy_error(split, error, experiment.name) from error
    others = split.others(assignment) if split.shadow else ()
    case = experiment.state.cached_cases.get(id(assignment.config))
    if case is not None and not others:
        return case, None, assignment
    version = versions.current
    declared = experiment.declared.at(version.number)
    if declared.split is not split:  # It is just changing, together with others that the call reaches.
        split = declared.split
        if split is None:
            return *select(experiment, args), None
        assignment = split.assign(attributes_var.get())
        others = split.others(assignment)
    chosen = assigned_options(declared, assignment, others)
    selection = _choose_for_call(experiment, _reachability_of(experiment, args), args, version, chosen)
    return *(record(selection) if active else selection), assignment


def _assignment(experiment: ExperimentFunction, case: ExperimentCase) -> Assignment | None:
    found = case.assignments and case.assignments.get(experiment)
    return found[0] if found else None


def full_plan(
    experiment: ExperimentFunction,
    configs: Sequence[Config] | None = None,
    args: tuple[Any, ...] = (),
    *,
    varies: Callable[[ExperimentFunction], bool] = lambda _: True,
) -> Plan:
    """Return the plan of a call that runs under every config of all that it reaches, whatever strategies would choose.

    Args:
        experiment: The experiment.
        configs: The configs, main first; by default all of its own.
        args: The positional arguments of the call, of which the first may be a receiver.
        varies: Tells which experiments have all their configs in it; the others have their first, or a test's pin.

    Returns:
        The plan.

    Raises:
        ConfigError: If a config does not reach a parameter, or cannot be copied.
    """
    if configs is None:
        options = experiment.options or (experiment.default_binding,)
    else:
        options = tuple(experiment.find_bound_config(config) or experiment.compile_option(config) for config in configs)
    reachability = _reachability_of(experiment, args, full_check=True)
    dimensions = [Dimension(experiment, options if varies(experiment) else options[:1])]
    for one in reachability.dimensions:
        every = (choose_options(one).main,) if one.is_pinned else one.options
        dimensions.append(Dimension(one, every if varies(one) else every[:1]))
    return _plan_over(experiment, reachability, dimensions)


def reached_from(experiment: ExperimentFunction, args: tuple[Any, ...] = ()) -> frozenset[ExperimentFunction]:
    """Return the experiments that a call reaches, itself included, as far as its code and earlier calls tell."""
    return _reachability_of(experiment, args, full_check=True).experiments


def _reachability_of(
    experiment: ExperimentFunction, args: tuple[Any, ...], *, full_check: bool = False
) -> Reachability:
    """Return what a call reaches.

    It is looked for anew when an experiment in it has recorded a dynamic call, or when a name that mattered has
    another value, as after a reload. Where there are many names, some are looked at each time, in turn.
    """
    state = experiment.state
    key = None if state.key_of is None or not args else state.key_of(args[0])
    found: Reachability | None = state.reachabilities.get(key)
    if found is not None and ((found.skips_validation and not full_check) or found.is_valid(full_check=full_check)):
        return found
    return _found_anew(experiment, args)


@untraced
def _found_anew(experiment: ExperimentFunction, args: tuple[Any, ...]) -> Reachability:
    # Imported by `prepare`, since the rooms that read code take a while.
    from spearmint.planning.search import find_reachable  # noqa: PLC0415

    experiment.state.forget_cases()
    return find_reachable(experiment, args)


def _choose_for_call(
    experiment: ExperimentFunction,
    reachability: Reachability,
    args: tuple[Any, ...],
    version: Version,
    chosen: Chosen | None = None,
) -> tuple[ExperimentCase, Plan | None]:
    revision = experiment.state.revision
    if chosen is None:
        chosen = choose_options(experiment, version)
    choices = [(experiment, chosen), *((one, choose_options(one, version)) for one in reachability.dimensions)]
    return _chosen_case(experiment, reachability, args, choices, (version, revision))


@untraced
def _chosen_case(
    experiment: ExperimentFunction,
    reachability: Reachability,
    args: tuple[Any, ...],
    choices: Sequence[tuple[ExperimentFunction, Chosen]],
    basis: tuple[Version, int],
) -> tuple[ExperimentCase, Plan | None]:
    """Return main's case, and the plan if it holds variants, and keep them where later calls have the same."""
    state, chosen = experiment.state, choices[0][1]
    version, revision = basis
    declared = experiment.declared.at(version.number)
    plan = _plan(experiment, reachability, choices)
    log = JoinLog(is_shared=True, version=version)
    case = plan.main_case(log)
    has_variants = plan.size > 1
    if (declared.is_constant or not declared.options) and reachability.is_constant:
        if has_variants and plan.size <= _MOST_CACHED_CASES and not plan.overflow:
            plan = plan.with_cases(log)
        reachability.choice = case, plan if has_variants else None
        if not has_variants:
            _cache_case(experiment, case, args)
    elif not has_variants and not reachability.dimensions and state.key_of is None and not active:
        # It serves calls of other units too.
        alone = case if chosen.assignment is None else plan.without_assignments().main_case(log)
        experiment.cache_case_by_config(alone)
    # Another thread has recorded a dynamic call meanwhile, has begun to capture, or has read the settings anew.
    if state.revision != revision or active or versions.current is not version:
        state.forget_cases()
        reachability.choice = None
    return case, plan if has_variants or _is_told_by_call(plan) else None


def _is_told_by_call(plan: Plan) -> bool:
    """Tell whether a unit is assigned a value: how its call ends is to be told, which only a whole `Call` does."""
    return bool(plan.assignments) and not all(one.is_called for one in plan.assignments or ())


def _cache_case(experiment: ExperimentFunction, case: ExperimentCase, args: tuple[Any, ...]) -> None:
    """Let further calls run in a case without asking; of methods, those on instances of the same class."""
    state = experiment.state
    if experiment.collects or active:
        return
    if state.key_of is None:
        state.cache_case(case)
    elif args and not state.receiver_names and not issubclass(type(args[0]), type):
        state.cache_case(case, type(args[0]))
    if active:  # Another thread has begun to capture meanwhile.
        state.forget_cases()


def _plan(
    experiment: ExperimentFunction, reachability: Reachability, choices: Sequence[tuple[ExperimentFunction, Chosen]]
) -> Plan:
    dimensions = [Dimension(one, (chosen.main, *chosen.variants)) for one, chosen in choices]
    assigned: Assignments = {one: (chosen.assignment, chosen.main) for one, chosen in choices if chosen.assignment}
    return _plan_over(experiment, reachability, dimensions, assigned)


def _plan_over(
    experiment: ExperimentFunction,
    reachability: Reachability,
    dimensions: Sequence[Dimension],
    assignments: Assignments | None = None,
) -> Plan:
    settings = experiment.settings
    return Plan(
        experiment,
        tuple(dimensions),
        settings.combine,
        reachability.edges,
        reachability.experiments,
        settings.max_cases,
        assignments=assignments,
    )
