"""Run one function under many configurations: one gives the caller its result, the others run beside it."""

import importlib
from typing import Any

__version__ = "0.1.0"

# From each public name to the module that has it, imported on first use: pydantic alone takes a while. Type checkers
# read `__init__.pyi`, which tests/test_package.py holds to the same names.
_MODULES = {
    "AsyncExperimentRunner": "spearmint.proxy.runner",
    "BackgroundStats": "spearmint.execution.limits",
    "Bind": "spearmint.config",
    "Budget": "spearmint.evaluation.budget",
    "Config": "spearmint.config",
    "DynamicValue": "spearmint.config",
    "ExperimentCase": "spearmint.cases",
    "ExperimentResults": "spearmint.results",
    "ExperimentRunner": "spearmint.proxy.runner",
    "ExposureStats": "spearmint.online.options",
    "FunctionResult": "spearmint.results",
    "INJECTED": "spearmint.config",
    "Limits": "spearmint.evaluation.limits",
    "Pairwise": "spearmint.evaluation.pairwise",
    "Race": "spearmint.evaluation.race",
    "Range": "spearmint.config",
    "RuntimeContext": "spearmint.context",
    "SettingsStats": "spearmint.online.reload",
    "Spearmint": "spearmint.api",
    "TracingStats": "spearmint.tracing.options",
    "aflush": "spearmint.process",
    "background_stats": "spearmint.process",
    "capture": "spearmint.planning.capture",
    "code_version": "spearmint.discovery.reach.code_version",
    "configure": "spearmint.process",
    "disable": "spearmint.registry.switches",
    "enable": "spearmint.registry.switches",
    "experiment": "spearmint.api",
    "exposure_stats": "spearmint.process",
    "feedback_stats": "spearmint.process",
    "flush": "spearmint.process",
    "install": "spearmint.instrument.install",
    "metrics": "spearmint.process",
    "online_report": "spearmint.evaluation.online.online_report",
    "precomputed": "spearmint.evaluation.marks",
    "reload": "spearmint.online.reload",
    "settings_stats": "spearmint.online.reload",
    "token": "spearmint.online.outcomes",
    "tracing_stats": "spearmint.process",
    "track": "spearmint.online.outcomes",
    "uninstall": "spearmint.instrument.install",
}

__all__ = list(_MODULES)


def __getattr__(name: str) -> Any:
    module = _MODULES.get(name)
    if module is None:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    value = globals()[name] = getattr(importlib.import_module(module), name)
    return value


def load_ipython_extension(shell: Any) -> None:
    """Serve ``%load_ext spearmint``: install the settings that are found, and see cells as modules are seen."""
    importlib.import_module("spearmint.integrations.ipython").load_extension(shell)


def unload_ipython_extension(shell: Any) -> None:
    """Serve ``%unload_ext spearmint``."""
    importlib.import_module("spearmint.integrations.ipython").unload_extension(shell)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
