"""The cases that an evaluation compares, main first, each with a name of its own."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spearmint.cases.case import ExperimentCase
from spearmint.config.flatten import flatten
from spearmint.config.model import Config
from spearmint.errors import PlanError
from spearmint.planning.select import full_plan
from spearmint.registry.experiment import ExperimentFunction


@dataclass(frozen=True, slots=True, eq=False)
class EvaluatedCase:
    """One case, as the report names it.

    Attributes:
        position: Its place in the plan; 0 is main.
        case_id: The id of its config; where nested experiments have configs too, all their ids, joined with ``+``.
        case: The case itself.
        config: The config of the function that is evaluated.
        assignment: From the name of each experiment with a config of its own to that config's id.
        parameters: Every value in its configs by path; those of nested experiments after the function's name.
    """

    position: int
    case_id: str
    case: ExperimentCase
    config: Config
    assignment: Mapping[str, str]
    parameters: Mapping[str, Any]

    @property
    def is_main(self) -> bool:
        """Whether the others are compared with it."""
        return self.position == 0


def evaluated_cases(
    experiment: ExperimentFunction, configs: Sequence[Config] | None, args: tuple[Any, ...]
) -> list[EvaluatedCase]:
    """Return every case of a function, whatever its strategy would choose.

    Args:
        experiment: The experiment.
        configs: The configs, main first; None for its own.
        args: Positional arguments that every call gets first.

    Raises:
        PlanError: If there are more than its ``max_cases``.
        BindingError: If a config does not reach a parameter.
    """
    plan = full_plan(experiment, configs, args)
    limit = experiment.settings.max_cases
    if limit is not None and plan.size > limit:
        sizes = " x ".join(f"{len(one.options)} ({one.experiment.name})" for one in plan.dimensions)
        message = (
            f"Cannot evaluate {experiment.name} over {plan.size} cases: max_cases is {limit}, and its options are "
        )
        raise PlanError(f"{message}{sizes}. Give fewer configs, combine='one_at_a_time', or a larger max_cases.")
    seen: Counter[str] = Counter()
    return [_named(position, case, seen) for position, case in enumerate(plan.cases())]


def _named(position: int, case: ExperimentCase, seen: Counter[str]) -> EvaluatedCase:
    assignment = case.assignment
    case_id = "+".join(assignment.values())
    seen[case_id] += 1
    if seen[case_id] > 1:  # A config may stand there twice, to compare a function with itself.
        case_id = f"{case_id}#{seen[case_id]}"
    parameters = flatten(case.config)
    for name in list(assignment)[1:]:
        parameters |= flatten(case.get_config(name), f"{name.rpartition('.')[2].rpartition(':')[2]}: ")
    return EvaluatedCase(position, case_id, case, case.config, assignment, parameters)
