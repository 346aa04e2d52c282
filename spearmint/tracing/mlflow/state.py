"""What there is of MLflow in this process, found without importing any of it, and where it is set to write."""

import sys
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class TraceDestination:
    """Where MLflow was set to write when a trace began; the worker finds out what is None.

    Attributes:
        tracking_uri: Given to ``mlflow.set_tracking_uri``.
        experiment_id: Of the active run, or given to ``mlflow.set_experiment``.
        run_id: The active run.
    """

    tracking_uri: str | None = None
    experiment_id: str | None = None
    run_id: str | None = None


NOWHERE = TraceDestination()
_last = [NOWHERE]


def current_destination() -> TraceDestination:
    """Return where MLflow is set to write now."""
    fluent = sys.modules.get("mlflow.tracking.fluent")
    service = sys.modules.get("mlflow.tracking._tracking_service.utils")
    if fluent is None or service is None:
        return NOWHERE
    uri = getattr(service, "_tracking_uri", None)
    experiment_id = getattr(fluent, "_active_experiment_id", None)
    run_id = None
    runs = getattr(fluent, "_active_run_stack", None)
    if runs is not None and (run := _active_run(runs)) is not None:
        run_id, experiment_id = run.info.run_id, run.info.experiment_id
    last = _last[0]  # It seldom changes.
    if last.tracking_uri == uri and last.experiment_id == experiment_id and last.run_id == run_id:
        return last
    _last[0] = made = TraceDestination(uri, experiment_id, run_id)
    return made


def _active_run(runs: Any) -> Any:
    """Return the run that this thread is in; else the only one there is, which another thread may have begun."""
    own = runs.get()
    if own:
        return own[-1]
    others = [run for stack in runs.get_all_thread_values().values() for run in stack]
    return max(others, key=lambda run: run.info.start_time) if others else None


def wants_live() -> bool:
    """Tell whether spans of others are to nest in those of executions: autologging is on, or a span is open."""
    autologging = sys.modules.get("mlflow.utils.autologging_utils")
    integrations = getattr(autologging, "AUTOLOGGING_INTEGRATIONS", None)
    if integrations and any(not config.get("disable", True) for config in integrations.values()):
        return True
    return open_span() is not None


def open_span() -> Any:
    """Return the OpenTelemetry span of MLflow that is open here, or None."""
    provider = sys.modules.get("mlflow.tracing.provider")
    current = getattr(provider, "get_current_otel_span", None)
    span = None if current is None else current()
    return span if span is not None and getattr(span, "is_recording", bool)() else None


def has_context() -> bool:
    """Tell whether MLflow's context holds anything, which a variant was given a copy of."""
    provider = sys.modules.get("mlflow.tracing.provider")
    api = getattr(provider, "get_context_api", None)
    return api is not None and bool(api().get_current())
