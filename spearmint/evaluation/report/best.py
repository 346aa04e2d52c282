"""The best case of a report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spearmint.config.model import Config
from spearmint.errors import EvaluationError
from spearmint.evaluation.report.summary import Summary
from spearmint.statistics.intervals import Estimate


@dataclass(frozen=True, slots=True)
class Best:
    """The case with the best mean of a metric.

    Attributes:
        case_id: Its id.
        assignment: From the name of each experiment that takes part to its config.
        parameters: The values of the parameters that vary between cases, by path.
        summary: What it did.
        corrected: Its mean and 95 % interval without the flattery of having won: the best of many looks better than it
            is. NaN where that cannot be told: for clustered rows, or where failures make another case the best on the
            rows that all cases have a value of.
        nested: Names of the nested experiments whose configs vary.
    """

    case_id: str
    assignment: Mapping[str, Config]
    parameters: Mapping[str, Any]
    summary: Summary
    corrected: Estimate
    nested: Sequence[str] = ()

    @property
    def config(self) -> Config:
        """The config of the function that was evaluated.

        Raises:
            EvaluationError: If cases differ in nested experiments too, so that this config alone tells no best.
        """
        if self.nested:
            varying = ", ".join(self.nested)
            advice = "Use .assignment, which has a config for each experiment, or .parameters"
            raise EvaluationError(
                f"Cannot tell one config of the best case {self.case_id!r}: {varying} vary too. {advice}."
            )
        return next(iter(self.assignment.values()))
