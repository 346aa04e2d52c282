"""One call as data: the config each experiment runs under, the plan of cases, and how they are reached."""

from spearmint.cases.case import ExperimentCase
from spearmint.cases.plan import Plan

__all__ = ["ExperimentCase", "Plan"]
