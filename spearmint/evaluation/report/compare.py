"""Runs against runs: each case against the same assignment in an earlier run, row by row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spearmint.errors import EvaluationError
from spearmint.evaluation.report.gate import Gate, GateResult, decide
from spearmint.evaluation.report.saved_run import SavedRun
from spearmint.statistics.clusters import clustered_test
from spearmint.statistics.intervals import Values
from spearmint.statistics.paired import Difference, PairedTest, paired_test, simultaneous
from spearmint.suggest import did_you_mean

RowNumbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ComparedCase:
    """A case in both runs, by one metric.

    Attributes:
        case_id: Its id in the new run.
        old: Its mean in the old run, over the rows that both have a value of; NaN without rows.
        new: Its mean in the new run, over the same rows.
        difference: The new one less the old one, row by row; adjusted for all cases of the metric.
        newly_failed: Rows on which the function failed now and had not before.
    """

    case_id: str
    old: float
    new: float
    difference: Difference
    newly_failed: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs, side by side.

    Attributes:
        cases: By metric, the cases that both have.
        rows: How many rows both have.
        new_rows: How many the new run alone has.
        lost_rows: How many the old run alone has.
        new_cases: Ids of the cases that the new run alone has.
        lost_cases: Ids of those that the old run alone has.
    """

    cases: Mapping[str, Sequence[ComparedCase]]
    rows: int
    new_rows: int
    lost_rows: int
    new_cases: Sequence[str]
    lost_cases: Sequence[str]

    def check_gate(self, gate: Gate, candidate: str | None = None) -> list[GateResult]:
        """Decide for each case whether it is as good as it was, as `spearmint.evaluation.report.gate` does of main.

        Args:
            gate: The gate.
            candidate: The case that it holds for alone; None for all.

        Raises:
            EvaluationError: If there is no such metric, or no such case.
        """
        if gate.metric not in self.cases:
            hint = did_you_mean(gate.metric, self.cases)
            known = ", ".join(self.cases)
            raise EvaluationError(f"Cannot hold {gate.metric!r} against the old run: both have {known}.{hint}")
        found = [one for one in self.cases[gate.metric] if candidate in (None, one.case_id)]
        if not found:
            ids = [one.case_id for one in self.cases[gate.metric]]
            hint = did_you_mean(str(candidate), ids)
            raise EvaluationError(f"Cannot compare candidate {candidate!r}: both runs have {', '.join(ids)}.{hint}")
        return [decide(gate, one.case_id, one.difference, one.newly_failed) for one in found]


def compare_runs(old: SavedRun, new: SavedRun) -> Comparison:
    """Compare each case of a run with the same assignment in an earlier one, on the rows that both have.

    Args:
        old: The earlier run.
        new: The later one.

    Returns:
        The comparison. P-values and intervals are adjusted for all cases of a metric, by Holm's method.

    Raises:
        EvaluationError: If the runs have no row, no case or no metric in common.
    """
    places = {row: position for position, row in enumerate(old.rows)}
    in_new = np.array([position for position, row in enumerate(new.rows) if row in places], dtype=np.int64)
    in_old = np.array([places[row] for row in new.rows if row in places], dtype=np.int64)
    known = {case.assignment: position for position, case in enumerate(old.cases)}
    pairs = [(position, known[case.assignment]) for position, case in enumerate(new.cases) if case.assignment in known]
    metrics = [metric for metric in new.values if metric in old.values]
    for name, found in (("row", len(in_new)), ("case with the same configs", len(pairs)), ("metric", len(metrics))):
        if not found:
            raise EvaluationError(f"Cannot compare {old.name!r} with {new.name!r}: they have no {name} in common.")
    both = {case.assignment for case in new.cases} & set(known)
    return Comparison(
        {metric: _cases(metric, pairs, old, new, rows=(in_old, in_new)) for metric in metrics},
        rows=len(in_new),
        new_rows=len(new.rows) - len(in_new),
        lost_rows=len(old.rows) - len(in_new),
        new_cases=[case.case_id for case in new.cases if case.assignment not in both],
        lost_cases=[case.case_id for case in old.cases if case.assignment not in both],
    )


def _cases(
    metric: str,
    pairs: Sequence[tuple[int, int]],
    old: SavedRun,
    new: SavedRun,
    *,
    rows: tuple[RowNumbers, RowNumbers],
) -> list[ComparedCase]:
    in_old, in_new = rows
    sides = [(old.values[metric][there][in_old], new.values[metric][here][in_new]) for here, there in pairs]
    clusters = None if new.clusters is None else new.clusters[in_new]
    differences = simultaneous([_test(ours, main, clusters) for main, ours in sides])
    compared = []
    for (here, there), (before, now), difference in zip(pairs, sides, differences, strict=True):
        has_both = ~(np.isnan(before) | np.isnan(now))
        means = [float(side[has_both].mean()) if has_both.any() else float("nan") for side in (before, now)]
        newly = new.failed[here][in_new] & ~old.failed[there][in_old]
        compared.append(ComparedCase(new.cases[here].case_id, means[0], means[1], difference, int(newly.sum())))
    return compared


def _test(ours: Values, main: Values, clusters: RowNumbers | None) -> PairedTest:
    has_both = ~(np.isnan(ours) | np.isnan(main))
    if clusters is None or not has_both.any():
        return paired_test(ours, main)
    return clustered_test(ours[has_both] - main[has_both], clusters[has_both].tolist())
