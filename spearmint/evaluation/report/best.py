"""The best case of a report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spearmint.config.model import Config
from spearmint.errors import EvaluationError
from spearmint.evaluation.directions import is_lower_better
from spearmint.evaluation.race import RaceOutcome
from spearmint.evaluation.report.summary import Summary, best_of
from spearmint.evaluation.run.case_names import EvaluatedCase
from spearmint.statistics.intervals import Estimate


def races_for_lowest(outcome: RaceOutcome | None, metric: str) -> bool:
    """Tell whether less of a metric is better, by what it is or since cases have raced for it."""
    return is_lower_better(metric) or (outcome is not None and metric == outcome.race.metric and outcome.race.lower)


def best_position(summaries: Sequence[Summary], metric: str, outcome: RaceOutcome | None, *, lower: bool) -> int | None:
    """Return the position of the best case by a metric, or of a race's winner; None where none has a value of it.

    Raises:
        EvaluationError: If cases have raced for the highest value, and the lowest is asked for.
    """
    if outcome is None or metric != outcome.race.metric:
        return best_of(summaries, lower=lower)
    if lower != outcome.race.lower:
        advice = f"Race({metric!r}, lower=True) races for the lowest"
        raise EvaluationError(f"Cannot tell the lowest {metric!r}: cases have raced for the highest. {advice}.")
    return outcome.winner if summaries[outcome.winner].is_in_question else None


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


def varying_nested(cases: Sequence[EvaluatedCase]) -> list[str]:
    """Return the names of the experiments beside the function whose configs vary."""
    _, *nested = cases[0].assignment
    return [name for name in nested if len({case.case.get_config_id(name) for case in cases}) > 1]
