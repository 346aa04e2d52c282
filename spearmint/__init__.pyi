# What type checkers read, since `spearmint/__init__.py` imports its modules on first use.

from spearmint.api import Spearmint, experiment
from spearmint.cases import ExperimentCase
from spearmint.config import INJECTED, Bind, Config, DynamicValue, Range
from spearmint.context import RuntimeContext
from spearmint.discovery.reach.code_version import code_version
from spearmint.evaluation.budget import Budget
from spearmint.evaluation.limits import Limits
from spearmint.evaluation.marks import precomputed
from spearmint.evaluation.online.online_report import online_report
from spearmint.evaluation.pairwise import Pairwise
from spearmint.evaluation.race import Race
from spearmint.execution.limits import BackgroundStats
from spearmint.instrument.install import install, uninstall
from spearmint.online.options import ExposureStats
from spearmint.online.outcomes import token, track
from spearmint.online.reload import SettingsStats, reload, settings_stats
from spearmint.planning.capture import capture
from spearmint.process import (
    aflush,
    background_stats,
    configure,
    exposure_stats,
    feedback_stats,
    flush,
    metrics,
    tracing_stats,
)
from spearmint.proxy.runner import AsyncExperimentRunner, ExperimentRunner
from spearmint.registry.switches import disable, enable
from spearmint.results import ExperimentResults, FunctionResult
from spearmint.tracing.options import TracingStats

__all__ = [
    "INJECTED",
    "AsyncExperimentRunner",
    "BackgroundStats",
    "Bind",
    "Budget",
    "Config",
    "DynamicValue",
    "ExperimentCase",
    "ExperimentResults",
    "ExperimentRunner",
    "ExposureStats",
    "FunctionResult",
    "Limits",
    "Pairwise",
    "Race",
    "Range",
    "RuntimeContext",
    "SettingsStats",
    "Spearmint",
    "TracingStats",
    "aflush",
    "background_stats",
    "capture",
    "code_version",
    "configure",
    "disable",
    "enable",
    "experiment",
    "exposure_stats",
    "feedback_stats",
    "flush",
    "install",
    "metrics",
    "online_report",
    "precomputed",
    "reload",
    "settings_stats",
    "token",
    "tracing_stats",
    "track",
    "uninstall",
]

__version__: str

def load_ipython_extension(shell: object) -> None: ...
def unload_ipython_extension(shell: object) -> None: ...
