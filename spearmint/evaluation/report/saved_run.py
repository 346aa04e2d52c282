"""An evaluation as a JSON file: what another run is compared with."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spearmint.errors import EvaluationError
from spearmint.evaluation.run.case_names import EvaluatedCase
from spearmint.evaluation.run.identity import RowKey, case_digests
from spearmint.evaluation.run.result_table import ResultTable
from spearmint.statistics.intervals import Values

_FORMAT = 1


@dataclass(frozen=True, slots=True)
class SavedCase:
    """A case of a saved run.

    Attributes:
        case_id: Its id, as the report names it.
        assignment: Digest of its configs by content.
        is_main: Whether others were compared with it.
    """

    case_id: str
    assignment: str
    is_main: bool


@dataclass(frozen=True, slots=True)
class SavedRun:
    """What a file holds.

    Attributes:
        name: Its path.
        function: Name of the function that was evaluated.
        cases: The cases, main first.
        rows: For each row the digest of its inputs, and how many equal ones stand before it.
        values: From each metric to its values, by case and row; NaN where there is none.
        failed: Whether the function failed, by case and row.
        clusters: For each row the number of its cluster; None where rows stand for themselves.
    """

    name: str
    function: str
    cases: Sequence[SavedCase]
    rows: Sequence[tuple[str, int]]
    values: Mapping[str, Values]
    failed: NDArray[np.bool_]
    clusters: NDArray[np.int64] | None


def run_as_json(function: str, cases: Sequence[EvaluatedCase], rows: Sequence[RowKey], table: ResultTable) -> str:
    """Return the text of the file.

    Raises:
        EvaluationError: If cases have raced, so that each has rows of its own.
    """
    if table.is_raced:
        advice = "Evaluate without race= what later runs are compared with"
        raise EvaluationError(f"Cannot save a race as a run: its cases ran on different rows. {advice}.")
    saved = [
        {"case_id": case.case_id, "assignment": digest, "is_main": case.is_main}
        for case, digest in zip(cases, case_digests(cases), strict=True)
    ]
    values = {
        metric: [_numbers(table.values(case.position, metric)) for case in cases]
        for metric in (*table.metrics, *table.measured)
    }
    content = {
        "spearmint_run": _FORMAT,
        "function": function,
        "cases": saved,
        "rows": [[row.inputs, row.nth] for row in rows],
        "values": values,
        "failed": [np.flatnonzero(table.failed_rows(case.position)).tolist() for case in cases],
        "clusters": None if table.clusters is None else table.clusters.tolist(),
    }
    return json.dumps(content, separators=(",", ":"))


def load_run(path: str | Path) -> SavedRun:
    """Read what `run_as_json` has written.

    Raises:
        EvaluationError: If the file cannot be read, or holds something else.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        cause = error.strerror or type(error).__name__
        raise EvaluationError(f"Cannot read the run {str(path)!r}: {cause}. Correct the path.") from error
    except ValueError as error:
        raise EvaluationError(f"Cannot read the run {str(path)!r}: it is no text ({error}). {_ADVICE}.") from error
    return run_of_text(text, str(path))


def run_of_text(text: str, name: str) -> SavedRun:
    """Return what the text of a file says.

    Raises:
        EvaluationError: If it is something else.
    """
    try:
        content = json.loads(text)
    except ValueError as error:
        raise EvaluationError(f"Cannot read the run {name!r}: it is no JSON ({error}). {_ADVICE}.") from error
    version = content.get("spearmint_run") if isinstance(content, dict) else None
    if version != _FORMAT:
        cause = "it is no run" if version is None else f"it has format {version!r}, and this version reads {_FORMAT}"
        raise EvaluationError(f"Cannot read the run {name!r}: {cause}. {_ADVICE}.")
    try:
        return _run_of(name, content)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        message = f"Cannot read the run {name!r}: it is damaged ({type(error).__name__}: {error}). {_ADVICE}."
        raise EvaluationError(message) from error


_ADVICE = 'Give a file of report.save("run.json") or of spearmint evaluate --report run.json'


def _run_of(name: str, content: Mapping[str, Any]) -> SavedRun:
    cases = [SavedCase(one["case_id"], one["assignment"], one["is_main"]) for one in content["cases"]]
    rows = [(str(inputs), int(nth)) for inputs, nth in content["rows"]]
    shape = len(cases), len(rows)
    values = {metric: np.array(table, dtype=np.float64) for metric, table in content["values"].items()}
    failed = np.zeros(shape, dtype=bool)
    for case, positions in enumerate(content["failed"]):
        failed[case, positions] = True
    clusters = content["clusters"]
    for metric, table in values.items():
        if table.shape != shape:
            raise ValueError(f"{metric!r} has values of shape {table.shape}, not {shape}")
    return SavedRun(
        name, content["function"], cases, rows, values, failed, None if clusters is None else np.array(clusters)
    )


def _numbers(values: Values) -> list[float | None]:
    return [None if np.isnan(value) else value for value in values.tolist()]
