"""Between tests: settings of the process as they were, nothing under way, counts from zero."""

import sys
from dataclasses import asdict, dataclass
from typing import Any

from spearmint.execution.limits import PoolLimits
from spearmint.execution.pool import variant_pool
from spearmint.process import background_stats, feedback_stats, flush, tracing_stats
from spearmint.registry.registry import registry
from spearmint.tracing import recorder
from spearmint.tracing.exporter import exporter
from spearmint.tracing.feedback import feedback
from spearmint.tracing.options import TracingOptions

_INSTALL = "spearmint.instrument.install"


@dataclass(frozen=True, slots=True)
class State:
    """What code can set for the whole process.

    Attributes:
        limits: What background work may take.
        options: How executions are traced.
        handles: What is installed.
    """

    limits: PoolLimits
    options: TracingOptions
    handles: tuple[Any, ...]


def state() -> State:
    """Return what is set for the process."""
    return State(variant_pool.limits, exporter.options, _handles())


def initial_state() -> State:
    """Return what is set in a process that has set nothing."""
    return State(PoolLimits(), TracingOptions(), ())


def restore_state(before: State) -> None:
    """Set the process as it was, and uninstall what has been installed since."""
    if variant_pool.limits != before.limits:
        variant_pool.configure(**asdict(before.limits))
    if exporter.options != before.options:
        exporter.options = before.options
        recorder.set_options({})  # It keeps what it has read of the options.
    for handle in reversed(_handles()):
        if handle not in before.handles:
            handle.uninstall()


def _handles() -> tuple[Any, ...]:
    module = sys.modules.get(_INSTALL)  # Where it was never imported, nothing is installed.
    return () if module is None else tuple(module.installed())


def settle(timeout: float) -> int:
    """Wait for background work and its traces, and return how many of both have not ended."""
    if _pending() and not flush(timeout):
        return _pending()
    return 0


def _pending() -> int:
    return background_stats().pending + tracing_stats().pending + feedback_stats().pending


def clear() -> None:
    """Count background work and traces from zero, where nothing is under way."""
    variant_pool.account.clear()
    exporter.clear()
    feedback.clear()


def forget_locals(function: Any) -> None:
    """Take the experiments out of the registry that were declared in the body of a function."""
    if function is not None:
        registry.forget(f"{function.__module__}:{function.__qualname__}.<locals>.")
