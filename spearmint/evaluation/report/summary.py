"""From the results to what each config did: means, intervals, latency, and differences from main."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from spearmint.errors import EvaluationError
from spearmint.evaluation.directions import LOWER_IS_BETTER, TOKENS_IN
from spearmint.evaluation.race import RaceOutcome
from spearmint.evaluation.report.row_values import compare, estimate_of
from spearmint.evaluation.run.case_names import EvaluatedCase
from spearmint.evaluation.run.result_table import ResultTable
from spearmint.statistics.intervals import Estimate
from spearmint.statistics.paired import Difference, simultaneous
from spearmint.suggest import did_you_mean


@dataclass(frozen=True, slots=True)
class Summary:
    """What one config did by one metric.

    Attributes:
        case_id: Which config, or case of several.
        is_main: Whether it is the one that others are compared with.
        metric: Name of the metric.
        errors: Cells without a value, as the function or the scorer failed.
        estimate: Rows with a value, their mean and its 95 % interval.
        difference: The paired difference from main; None for main itself.
        p50: Median of the seconds that the function took; NaN where it never returned.
        p95: Their 95th percentile.
        fate: What became of it in a race, in words; empty where there was none.
        is_dropped: Whether it left the race.
    """

    case_id: str
    is_main: bool
    metric: str
    errors: int
    estimate: Estimate
    difference: Difference | None
    p50: float
    p95: float
    fate: str = ""
    is_dropped: bool = False

    @property
    def is_in_question(self) -> bool:
        """Whether it may be the best: it has a mean, and has not left a race."""
        return not (math.isnan(self.estimate.value) or self.is_dropped)

    @property
    def verdict(self) -> str:
        """What the data say of the difference from main, in words, empty for main itself; after a race, its fate."""
        if self.fate:
            return self.fate
        if self.difference is None:
            return ""
        shortage = self.difference.shortage
        return f"inconclusive: {shortage}" if shortage else self.difference.verdict


def summarize(results: ResultTable, cases: Sequence[EvaluatedCase], metric: str) -> list[Summary]:
    """Return what each case did by a metric, in their order; differences are adjusted for all of them."""
    values = [results.values(case.position, metric) for case in cases]
    found = [None, *simultaneous([compare(results, one, values[0]) for one in values[1:]])]
    return [
        Summary(
            case.case_id,
            case.is_main,
            metric,
            results.metric_errors(case.position, metric),
            estimate_of(results, one),
            compared,
            *latencies(results, case.position),
        )
        for case, one, compared in zip(cases, values, found, strict=True)
    ]


def latencies(results: ResultTable, case: int) -> tuple[float, float]:
    """Return median and 95th percentile of the seconds that the function took under a case."""
    seconds = results.seconds[case]
    known = seconds[~np.isnan(seconds)]
    if not len(known):
        return math.nan, math.nan
    p50, p95 = np.quantile(known, [0.5, 0.95])
    return float(p50), float(p95)


def disagreements(results: ResultTable, metrics: Sequence[str], count: int) -> list[int]:
    """Return the rows on which the cases differ most, the most different first.

    Each metric counts by its spread among the cases on a row, relative to its whole range.
    """
    cases, rows, _ = results.shape
    spread = np.zeros(rows)
    for metric in metrics:
        highest, lowest = np.full(rows, -math.inf), np.full(rows, math.inf)
        for case in range(cases):  # one case at a time, as all at once would take as much again as the results
            values = results.values(case, metric)
            highest, lowest = np.fmax(highest, values), np.fmin(lowest, values)
        seen = highest >= lowest
        whole = float(highest[seen].max() - lowest[seen].min()) if seen.any() else 0.0
        if whole > 0:
            spread[seen] += (highest[seen] - lowest[seen]) / whole
    order = np.argsort(-spread, kind="stable")[:count]
    return [int(row) for row in order if spread[row] > 0]


def with_fates(summaries: Sequence[Summary], race: RaceOutcome) -> list[Summary]:
    """Return summaries with what became of each case in a race."""
    ids = [one.case_id for one in summaries]
    return [
        replace(one, fate=race.fate(position, ids), is_dropped=position not in race.survivors)
        for position, one in enumerate(summaries)
    ]


def best_of(summaries: Sequence[Summary], *, lower: bool = False) -> int | None:
    """Return the position of the case with the best mean, of those that have not left a race; None without a mean."""
    known = [position for position, one in enumerate(summaries) if one.is_in_question]
    sign = -1 if lower else 1
    return max(known, key=lambda one: sign * summaries[one].estimate.value, default=None)


def best_first(summaries: Sequence[Summary], *, lower: bool = False) -> list[int]:
    """Return the positions of cases by one metric: main, then the others from the best mean to the worst.

    Those that left a race come last: their means are of other rows.
    """

    def rank(position: int) -> tuple[bool, bool, float]:
        one = summaries[position]
        value = one.estimate.value
        worst = math.inf if math.isnan(value) else value if lower else -value
        return not one.is_main, one.is_dropped, worst

    return sorted(range(len(summaries)), key=rank)


def known_metric(results: ResultTable, metric: str) -> str:
    """Return the name of a metric.

    Raises:
        EvaluationError: If there is no such metric.
    """
    known = [*results.metrics, *results.measured]
    if metric in known:
        return metric
    if metric in LOWER_IS_BETTER:
        advice = "Give prices=" if TOKENS_IN in known else "Give usage=, a function from an output to its tokens"
        raise EvaluationError(f"Cannot tell metric {metric!r}: it is not known of any call. {advice}.")
    raise EvaluationError(f"Cannot tell metric {metric!r}: there are {', '.join(known)}.{did_you_mean(metric, known)}")
