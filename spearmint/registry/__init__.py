"""What an experiment is, and where the experiments of the process are found by name."""

from spearmint.registry.experiment import ExperimentFunction
from spearmint.registry.registry import ExperimentFunctionRegistry, registry

__all__ = ["ExperimentFunction", "ExperimentFunctionRegistry", "registry"]
