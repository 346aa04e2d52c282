"""Whether a config may take main's place: decided on the bound of an interval, not on a mean that chance made."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from spearmint.errors import EvaluationError
from spearmint.evaluation.directions import is_lower_better
from spearmint.evaluation.race import RaceOutcome
from spearmint.evaluation.report.report import Report
from spearmint.evaluation.report.scales import percent
from spearmint.render import counted
from spearmint.statistics.paired import Difference
from spearmint.suggest import did_you_mean

GateVerdict = Literal["pass", "regression", "inconclusive"]


@dataclass(frozen=True, slots=True)
class Gate:
    """What a config must hold against main.

    Attributes:
        metric: Name of the metric; ``"latency"`` is in seconds.
        margin: How much better than main it must be at least; below 0, how much worse it may be.
        lower: Whether less of the metric is better.
    """

    metric: str
    margin: float
    lower: bool = False


@dataclass(frozen=True, slots=True)
class GateResult:
    """What a gate decides of one config.

    Attributes:
        gate: The gate.
        case_id: The config, or case.
        verdict: ``"pass"``, ``"regression"`` or ``"inconclusive"``.
        reason: The numbers behind it, in a sentence.
    """

    gate: Gate
    case_id: str
    verdict: GateVerdict
    reason: str


def parse_gate(text: str, lower: tuple[str, ...] = ()) -> Gate:
    """Read a gate such as ``"accuracy=-0.02"``; of the metrics in ``lower``, and of latency, less is better."""
    metric, equals, margin = text.rpartition("=")
    try:
        number = float(margin)
    except ValueError:
        number = math.nan
    if not equals or not metric or not math.isfinite(number):
        advice = "Write METRIC=MARGIN, such as accuracy=-0.02: no more than 0.02 worse than main"
        raise EvaluationError(f"Cannot read the gate {text!r}: it is no metric and number. {advice}.")
    return Gate(metric.strip(), number, is_lower_better(metric.strip(), lower))


def check_gate(report: Report, gate: Gate, candidate: str | None = None) -> list[GateResult]:
    """Decide for each config but main, or for the candidate alone, whether it passes.

    It passes if even the worse bound of the interval of its paired difference from main is no worse than the margin,
    and is a regression if even the better bound is worse. The interval is that of the report: at 95 % for one config,
    and adjusted for all where there are several. Between the two, with too few rows, or where it
    fails on rows that main did, the data cannot tell. After a race, the rows held out alone decide, on the winner.
    """
    if report.race is not None:
        return [_check_winner(report, report.race, gate)]
    summaries = report.summary(gate.metric)
    if len(summaries) < 2:  # noqa: PLR2004 - main and another
        message = f"Cannot hold {gate.metric!r} against main: main is the only config. Give others beside it."
        raise EvaluationError(message)
    results = []
    for case, one in zip(report.cases[1:], summaries[1:], strict=True):
        assert one.difference is not None  # noqa: S101 - only main has none
        newly = report.results.failed_rows(case.position) & ~report.results.failed_rows(0)
        results.append(decide(gate, case.case_id, one.difference, int(np.sum(newly))))
    if candidate is None:
        return results
    chosen = [one for one in results if one.case_id == candidate]
    if not chosen:
        ids = [one.case_id for one in results]
        hint = did_you_mean(candidate, ids)
        raise EvaluationError(f"Cannot hold candidate {candidate!r} against main: there are {', '.join(ids)}.{hint}")
    return chosen


def decide(gate: Gate, case_id: str, found: Difference, newly: int) -> GateResult:
    """Hold a difference against a gate; ``newly`` is the number of rows that failed and did not under main."""
    sign = -1 if gate.lower else 1
    worse, better = sorted((sign * found.low, sign * found.high))
    numbers = f"{found.value:+.4g}, {percent(found.confidence)} interval {found.low:+.4g} to {found.high:+.4g}"
    verdict: GateVerdict = "inconclusive"
    if found.shortage:
        reason = found.shortage
    elif better < gate.margin:
        verdict, reason = "regression", f"{numbers}, is beyond the margin {gate.margin:+g}"
    elif worse < gate.margin or math.isnan(worse):
        reason = f"{numbers}, has the margin {gate.margin:+g} in it"
    elif newly:
        reason = f"{numbers}, is within the margin {gate.margin:+g}, but {counted(newly, 'row')} failed that main did"
    else:
        verdict, reason = "pass", f"{numbers}, is within the margin {gate.margin:+g}"
    return GateResult(gate, case_id, verdict, reason)


def _check_winner(report: Report, race: RaceOutcome, gate: Gate) -> GateResult:
    """Hold a race's winner against a gate."""
    case_id = report.cases[race.winner].case_id
    found = report.confirmation(gate.metric)
    if race.winner == 0:
        is_enough = gate.margin <= 0
        reason = "main has won the race" + ("" if is_enough else f", and is no {gate.margin:g} better than itself")
        return GateResult(gate, case_id, "pass" if is_enough else "regression", reason)
    if found is None:
        advice = "Give Race(confirm=...) a share of the rows"
        raise EvaluationError(f"Cannot hold {gate.metric!r} against main: the race held no rows out. {advice}.")
    newly = report.results.failed_rows(race.winner) & ~report.results.failed_rows(0)
    return decide(gate, case_id, found, int(np.sum(newly[race.held_out])))


def worst(results: list[GateResult]) -> GateVerdict:
    """Return what all of them come to: a regression of any is one, and so, else, is what cannot be told."""
    verdicts = {one.verdict for one in results}
    return "regression" if "regression" in verdicts else "inconclusive" if "inconclusive" in verdicts else "pass"
