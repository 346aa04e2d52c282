"""By what a stored result is recognised: the content of row and assignment, the versions of function and scorers."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spearmint.config.model import Config, generate_config_id
from spearmint.discovery.reach.code_version import version_of
from spearmint.errors import ConfigError, EvaluationError
from spearmint.evaluation.dataset import Dataset, Row
from spearmint.evaluation.run.case_names import EvaluatedCase
from spearmint.registry.experiment import ExperimentFunction
from spearmint.scorers import Scorer


@dataclass(frozen=True, slots=True)
class RowKey:
    """A row by its content.

    Attributes:
        inputs: Digest of its inputs.
        nth: How many rows with equal inputs stand before it.
        expectations: Digest of its expectations.
    """

    inputs: str
    nth: int
    expectations: str


@dataclass(frozen=True, slots=True)
class Identity:
    """What must be equal for a stored result to count.

    Attributes:
        case_ids: The ids of the cases, as reports name them.
        cases: For each case the digest of its assignment, by content; of equal ones each has its own.
        rows: The rows by content.
        code: The version of the function.
        scorers: From each scorer to its version.
    """

    case_ids: Sequence[str]
    cases: Sequence[str]
    rows: Sequence[RowKey]
    code: str
    scorers: Mapping[str, str]


def identify(
    function: Callable[..., Any], cases: Sequence[EvaluatedCase], dataset: Dataset, scorers: Sequence[Scorer]
) -> Identity:
    """Return what the results of an evaluation are recognised by; it reads all rows."""
    digests = case_digests(cases)
    versions = scorer_versions(scorers)
    # A score against main counts only as long as main is what it was.
    against_main = {scorer.name: f"{versions[scorer.name]}-{digests[0]}" for scorer in scorers if scorer.is_pairwise}
    return Identity(
        case_ids=[case.case_id for case in cases],
        cases=digests,
        rows=row_keys(dataset),
        code=code_version_of(function, cases[0].case.plan),
        scorers={**versions, **against_main},
    )


def code_version_of(function: Callable[..., Any], plan: Any) -> str:
    """Return the version of a function and of the experiments that its plan reaches."""
    reached = [one.function for one in plan.discovered if isinstance(one, ExperimentFunction)]
    return version_of([function, *reached])


def scorer_versions(scorers: Iterable[Scorer]) -> dict[str, str]:
    """Return the version of each scorer, by its name."""
    return {scorer.name: version_of([scorer.source]) for scorer in scorers}


def row_keys(dataset: Dataset) -> list[RowKey]:
    """Return what each row is recognised by.

    Raises:
        EvaluationError: If a row holds a value that has no form that is the same in every process.
    """
    equal_inputs: Counter[str] = Counter()
    rows = []
    for row in dataset.rows():
        inputs = _digest(row, "inputs", row.inputs)
        rows.append(RowKey(inputs, equal_inputs[inputs], _digest(row, "expectations", row.expectations)))
        equal_inputs[inputs] += 1
    return rows


def case_digests(cases: Sequence[EvaluatedCase]) -> list[str]:
    """Return for each case the digest of its assignment, by content; of equal ones each has its own."""
    equal_cases: Counter[str] = Counter()
    digests = []
    for case in cases:
        digest = _assignment(case)
        equal_cases[digest] += 1
        digests.append(digest if equal_cases[digest] == 1 else f"{digest}#{equal_cases[digest]}")
    return digests


def _digest(row: Row, what: str, content: Mapping[str, Any]) -> str:
    try:
        return generate_config_id({what: dict(content)})
    except ConfigError as error:
        message = f"Cannot resume or save with the row at {row.place}, whose {what} could not be recognised: {error}"
        raise EvaluationError(message) from error


def _assignment(case: EvaluatedCase) -> str:
    names = list(case.assignment)
    contents = [
        [name, _content(case.config if index == 0 else case.case.get_config(name))] for index, name in enumerate(names)
    ]
    return hashlib.sha256(json.dumps(contents).encode()).hexdigest()[:16]


def _content(config: Config) -> str:
    try:
        return generate_config_id(dict(config))
    except ConfigError:  # Its content has no form; then the id that was given is all there is.
        return config.config_id
