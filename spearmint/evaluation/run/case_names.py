"""The cases that an evaluation compares, main first, each with a name of its own."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spearmint.cases.case import ExperimentCase
from spearmint.cases.edge import ExperimentRef
from spearmint.cases.parameters import short_name
from spearmint.config.flatten import flatten
from spearmint.config.model import Config
from spearmint.errors import EvaluationError, PlanError
from spearmint.planning.select import full_plan
from spearmint.redaction import redactor
from spearmint.registry.experiment import ExperimentFunction
from spearmint.suggest import did_you_mean


@dataclass(frozen=True, slots=True, eq=False)
class EvaluatedCase:
    """One case, as the report names it.

    Attributes:
        position: Its place in the plan; 0 is main.
        case_id: The id of its config; where nested experiments have configs too, all their ids, joined with ``+``.
        case: The case itself.
        config: The config of the function that is evaluated.
        assignment: From the name of each experiment with a config of its own to that config's id.
        parameters: Every value in its configs by path; those of nested experiments after the function's name. Secrets
            are masked.
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
    experiment: ExperimentFunction,
    configs: Sequence[Config] | None,
    args: tuple[Any, ...],
    *,
    vary: Sequence[Callable[..., Any] | str] | None = None,
) -> list[EvaluatedCase]:
    """Return every case of a function, whatever its strategy and those of nested experiments would choose.

    Args:
        experiment: The experiment.
        configs: The configs, main first; None for its own.
        args: Positional arguments that every call gets first.
        vary: The experiments whose configs are compared, as functions or by name; the others keep their first config.
            None for all.

    Raises:
        EvaluationError: If the function reaches no experiment that ``vary`` names.
        PlanError: If there are more cases than its ``max_cases``.
        BindingError: If a config does not reach a parameter.
    """
    wanted = [getattr(one, "__func__", one) for one in vary or ()]
    plan = full_plan(experiment, configs, args, varies=lambda one: vary is None or any(_is(one, it) for it in wanted))
    taking_part = [dimension.experiment for dimension in plan.dimensions]
    for one in wanted:
        if not any(_is(experiment, one) for experiment in taking_part):
            names = [experiment.name for experiment in taking_part]
            label = one if isinstance(one, str) else getattr(one, "__qualname__", repr(one))
            message = f"Cannot vary {label!r}: {experiment.name} reaches no such experiment with configs, but "
            raise EvaluationError(f"{message}{', '.join(names)}.{did_you_mean(str(label), names)}")
    if plan.overflow:
        raise PlanError(plan.overflow.replace("Cannot run", "Cannot evaluate", 1))
    seen: Counter[str] = Counter()
    return [named_case(position, case, seen) for position, case in enumerate(plan.cases())]


def named_case(position: int, case: ExperimentCase, seen: Counter[str]) -> EvaluatedCase:
    """Return a case with a name that differs from those seen before."""
    assignment = case.config_ids
    case_id = case.case_id
    seen[case_id] += 1
    if seen[case_id] > 1:  # A config may stand there twice, to compare a function with itself.
        case_id = f"{case_id}#{seen[case_id]}"
    parameters = flatten(case.config)
    for name in list(assignment)[1:]:
        parameters |= flatten(case.get_config(name), f"{short_name(name)}: ")
    return EvaluatedCase(position, case_id, case, case.config, assignment, redactor().redact(parameters))


def _is(experiment: ExperimentRef, wanted: Callable[..., Any] | str) -> bool:
    if isinstance(wanted, str):
        return experiment.name == wanted
    return experiment.function == wanted  # A proxy equals the function that it wraps.
