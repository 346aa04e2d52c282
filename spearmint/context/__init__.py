"""What is current while code runs: the case of an experiment, and attributes that strategies read."""

from spearmint.context.current import RuntimeContext, attributes_var, experiment_case_var, propagate

__all__ = ["RuntimeContext", "attributes_var", "experiment_case_var", "propagate"]
