"""Configs that are forced on the experiments of one request, for a person who wants to see them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from spearmint.cases.bound_config import BoundConfig
from spearmint.planning.capture import active
from spearmint.registry.declared import Declared
from spearmint.registry.experiment import ExperimentFunction
from spearmint.registry.forced import forced_id
from spearmint.registry.state import epoch

_forced_var: ContextVar[Mapping[str, str] | None] = ContextVar("spearmint_forced", default=None)


@contextmanager
def forcing(forced: Mapping[str, str]) -> Iterator[None]:
    """Force configs on experiments that are called inside ``with``, in this context.

    While such a block is open, no call of the process runs in a cached case; calls outside choose as they do anyway.

    Args:
        forced: From targets to ids of configs.
    """
    token = _forced_var.set(forced)
    block = object()  # Equal to itself alone: another thread may force the same, and end first.
    active.append(block)
    epoch.invalidate_all()  # A call in a cached case would pass unseen.
    try:
        yield
    finally:
        active.remove(block)
        _forced_var.reset(token)


def forced_option(experiment: ExperimentFunction, declared: Declared) -> BoundConfig | None:
    """Return the option that is forced on an experiment here; None where a switch or a test has pinned it."""
    forced = _forced_var.get()
    if forced is None or experiment.is_pinned:
        return None
    wanted = forced_id(forced, experiment)
    return next((option for option in declared.options if option.config_id == wanted), None)
