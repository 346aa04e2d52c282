"""An undiscovered experiment joins the case that is running."""

import sys
from functools import partial
from types import FrameType

from spearmint.cases.bound_config import BoundConfig
from spearmint.cases.case import ExperimentCase
from spearmint.cases.detached_case import DetachedCase
from spearmint.cases.edge import Edge
from spearmint.cases.join_log import JoinLog
from spearmint.context.current import attributes_var, experiment_case_var
from spearmint.frames import has_no_frame
from spearmint.planning.choose import choose_options
from spearmint.planning.select import select
from spearmint.registry.experiment import ExperimentFunction
from spearmint.registry.value import ValueExperiment
from spearmint.warn import warn_once


def join(case: ExperimentCase, experiment: ExperimentFunction) -> ExperimentCase:
    """Return the running case as seen from an experiment that is called in it.

    Args:
        case: The running case, seen from the caller.
        experiment: The experiment that is called.

    Returns:
        The view that is current while it runs. It is kept in ``case.known``, where the next call finds it.

    Raises:
        StrategyError: If the strategy of an undiscovered experiment raises, or chooses what it was not given.
        BindingError: If the caller's config does not reach its parameters.
    """
    if type(case) is DetachedCase:
        _warn_of_thread(case, experiment)
        experiment_case_var.set(None)  # From the next call on, the thread is what it would be without the warning.
        return select(experiment)[0]
    canonical = experiment.canonical
    is_root = canonical is case.root and bool(experiment.options)
    option = case.assigned(canonical) if is_root else _inherited(case, experiment)
    if option is None:
        option = case.assigned(canonical)
    if option is None:
        case = _with_own_log(case, canonical)
        option = _option_of_undiscovered(case, canonical)
    if canonical not in case.plan.discovered:
        _record(case, canonical, sys._getframe(1).f_back)  # noqa: SLF001 - the caller of the experiment
    return case.view(experiment, option)


def join_value(case: ExperimentCase, value: ValueExperiment) -> BoundConfig:
    """Return what a value is in the running case, whose plan has not discovered the read.

    Args:
        case: The running case, seen from the experiment that is running.
        value: The value.

    Returns:
        Its config in the case, which all further reads find there.

    Raises:
        StrategyError: If its strategy raises, or chooses what it was not given.
    """
    case = _with_own_log(case, value)
    option = _option_of_undiscovered(case, value)
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - the read that is looked for is the user's
    while frame is not None and has_no_frame(frame.f_code):
        frame = frame.f_back
    _record(case, value, frame)
    return option


def _with_own_log(case: ExperimentCase, experiment: ExperimentFunction) -> ExperimentCase:
    """Return a case whose log is not shared by calls with other attributes, if these matter to what joins it."""
    if case.log.is_shared and experiment.takes_attributes:
        case = case.with_log(case.log.for_attributes(attributes_var.get()))
        experiment_case_var.set(case)  # The experiment that is running resets it when it ends.
    return case


def _option_of_undiscovered(case: ExperimentCase, experiment: ExperimentFunction) -> BoundConfig:
    """Return the option of an experiment that has no config in the case yet."""
    if not experiment.options:
        return experiment.default_binding
    return case.log.join(experiment, partial(_choose, experiment, case.log))


def _choose(experiment: ExperimentFunction, log: JoinLog) -> tuple[BoundConfig, ...]:
    chosen = choose_options(experiment, log.version)
    if chosen.assignment is not None:
        log.assignments[experiment] = chosen.assignment, chosen.main
    return (chosen.main, *chosen.variants)


def _warn_of_thread(case: ExperimentCase, experiment: ExperimentFunction) -> None:
    """Say, once for each, that an experiment was called on a thread that was started in a case and did not keep it."""
    message = (
        f"{experiment.name} runs outside the case of {case.root.name}, under its main config: it was called on a "
        "thread that was started there. Submit spearmint.context.propagate(f) to the thread, or use "
        "install(propagate_threads=True). This is said once."
    )
    warn_once(("thread", experiment.name), message)


def _record(case: ExperimentCase, experiment: ExperimentFunction, frame: FrameType | None) -> None:
    """Remember which experiment has called, or read, an undiscovered one; the frame is that of the code that did."""
    place = (
        "" if frame is None else f"{frame.f_globals.get('__name__')}:{frame.f_code.co_qualname}, line {frame.f_lineno}"
    )
    caller, root = case.current, case.root
    case.log.record(Edge(experiment, caller, "dynamic", partial(str, place)))
    if isinstance(caller, ExperimentFunction):
        caller.canonical.state.record_dynamic_call(experiment, place)
    if isinstance(root, ExperimentFunction):
        root.state.forget_cases()  # What has joined the running case is for this call alone.


def _inherited(case: ExperimentCase, experiment: ExperimentFunction) -> BoundConfig | None:
    """Return the config of the nearest caller that shares its configs, or of any if it has none at all."""
    caller: ExperimentCase | None = case
    while caller is not None:
        current = caller.current
        if isinstance(current, ExperimentFunction) and passes_on(current, experiment):
            return experiment.inherit(caller.option)
        caller = caller.parent
    return None


def passes_on(caller: ExperimentFunction, experiment: ExperimentFunction) -> bool:
    """Tell whether an experiment runs under the config of one that calls it, or calls what calls it."""
    if experiment.is_pinned:
        return False
    if not experiment.options:
        return bool(caller.options)
    shares = experiment.family is caller.family
    return shares and not experiment.has_own_configs and not caller.has_own_configs
