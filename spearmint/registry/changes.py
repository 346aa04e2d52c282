"""Several experiments changed as one: every call sees all of the changes, or none."""

import logging
from collections.abc import Callable, Iterable, Sequence

from spearmint.cases.versions import versions
from spearmint.registry.declared import Declared
from spearmint.registry.experiment import ExperimentFunction
from spearmint.registry.state import epoch

logger = logging.getLogger("spearmint")

listeners: list[Callable[[Sequence[str]], object]] = []
"""Called with the names of the experiments that have changed, once calls find them so."""

Change = tuple[ExperimentFunction, Declared]


def publish(changes: Iterable[Change]) -> None:
    """Let calls that begin from now on choose from what experiments are declared with anew.

    Calls that are under way end as they began, the experiments that they are still to call included. Copies of a
    definition inside a function, and the first of them, which stands for all in plans, change with it.

    Args:
        changes: Experiments, each with what `ExperimentFunction.declare_anew` returned.
    """
    with versions.lock:
        version = versions.upcoming()
        changed: set[ExperimentFunction] = set()
        for experiment, declared in changes:
            for one in (experiment, experiment.canonical, *experiment.canonical.copies):
                if one not in changed:
                    changed.add(one)
                    one.change(declared, version.number)
        if changed:
            versions.publish(version)
            epoch.invalidate_all()
    names = sorted({one.name for one in changed})
    for tell in tuple(listeners) if names else ():
        try:
            tell(names)
        except Exception:
            logger.exception("A listener to changed settings failed")
