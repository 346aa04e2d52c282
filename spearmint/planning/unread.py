"""A warning, where an experiment is declared, of configs that differ in what no parameter gets."""

import builtins
from types import FunctionType

from spearmint.registry.experiment import ExperimentFunction
from spearmint.registry.unread_keys import unread_keys, unread_message
from spearmint.warn import warn


def warn_of_unread_keys(experiment: ExperimentFunction) -> None:
    """Warn of keys that reach no parameter of an experiment that was just declared, or of what its config passes to.

    Nothing is said as long as that cannot be known: where it takes no config itself, and where it names what is not
    defined yet. An evaluation looks again.
    """
    if not experiment.binder.slots or not unread_keys(experiment.options, [experiment]):
        return
    # Opened for a warning only: the rooms that read code take a while to import.
    from spearmint.discovery.reach.code_digest import digest_of  # noqa: PLC0415
    from spearmint.planning.search import find_reachable  # noqa: PLC0415

    function = experiment.function
    if type(function) is not FunctionType:
        return
    names = digest_of(function.__code__).globals_read
    if not names <= function.__globals__.keys() | vars(builtins).keys():
        return
    reached = find_reachable(experiment, ()).experiments
    experiment.state.reachabilities.clear()
    readers = [experiment, *(one for one in reached if one is not experiment and not one.options)]
    keys = unread_keys(experiment.options, readers)
    if keys:
        warn(unread_message(experiment.name, keys, readers))
