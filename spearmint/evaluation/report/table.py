"""The tables of a report: a line for each case."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich import box
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from spearmint.evaluation.report.summary import Summary, latencies
from spearmint.evaluation.run.case_names import EvaluatedCase
from spearmint.evaluation.run.result_table import ResultTable

_SHORT_ID = 12
_SHOWN_ERRORS = 3
_LEAST_P = 1e-4
_CAPTION = (
    "* main, which the others are compared with row by row; p is adjusted for all comparisons of a metric (Holm)."
)


def columns_of(case: EvaluatedCase, told: Sequence[Summary], ledger: ResultTable) -> dict[str, Any]:
    """Return everything about a case as plain values by column.

    Args:
        case: The case.
        told: What it did by each metric.
        ledger: The results.
    """
    p50, p95 = latencies(ledger, case.position)
    row: dict[str, Any] = {"case": case.case_id, "is_main": case.is_main}
    if len(case.assignment) > 1:
        row |= {f"experiment.{name}": config_id for name, config_id in case.assignment.items()}
    row |= {f"config.{path}": value for path, value in case.parameters.items()}
    row |= {"failures": ledger.failures(case.position), "latency.p50": p50, "latency.p95": p95}
    for one in told:
        mean = one.estimate
        row |= {
            f"{one.metric}.n": mean.n,
            f"{one.metric}.errors": one.errors,
            f"{one.metric}.mean": mean.value,
            f"{one.metric}.low": mean.low,
            f"{one.metric}.high": mean.high,
        }
        if one.difference is not None:
            found = one.difference
            row |= {
                f"{one.metric}.difference": found.value,
                f"{one.metric}.difference.low": found.low,
                f"{one.metric}.difference.high": found.high,
                f"{one.metric}.p_value": found.adjusted,
                f"{one.metric}.verdict": one.verdict,
            }
    return row


def tables_of(
    title: str, cases: Sequence[EvaluatedCase], told: Mapping[str, Sequence[Summary]], ledger: ResultTable
) -> Iterator[Table | Text]:
    """Lay a report out for a terminal: a table for each metric.

    Args:
        title: What was evaluated.
        cases: The cases, main first.
        told: What each did, by metric.
        ledger: The results.
    """
    yield Text(title, style="bold")
    for metric, summaries in told.items():
        yield _table(metric, cases, summaries)
    for case in cases:
        for text, count in ledger.error_samples(case.position)[:_SHOWN_ERRORS]:
            yield Text(f"{short_id(case.case_id)}: {count} x {text}", style="red")
    if len(cases) > 1:
        yield Text(_CAPTION, style="dim")


def title_of(function: str, data: str, ledger: ResultTable) -> str:
    """Return a report's heading."""
    cases, rows, repeats = ledger.shape
    again = f", {repeats} times each" if repeats > 1 else ""
    return f"{function}: {cases} {'case' if cases == 1 else 'cases'} on {rows} rows of {data}{again}"


def _table(metric: str, cases: Sequence[EvaluatedCase], summaries: Sequence[Summary]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("case", no_wrap=True)
    varying = varying_parameters(cases)
    for path in varying:
        table.add_column(path.replace(".", "\n"), justify="right", overflow="fold")
    table.add_column(f"{metric}\nmean", justify="right", style="bold", no_wrap=True)
    table.add_column("95 %\ninterval", no_wrap=True)
    if len(cases) > 1:
        for name in ("vs.\nmain", "95 %\ninterval", "\np"):
            table.add_column(name, justify="left" if "%" in name else "right", no_wrap=True)
        table.add_column("\nverdict", no_wrap=True)
    for name in ("rows", "errors", "p50", "p95"):
        table.add_column(f"\n{name}", justify="right", no_wrap=True)
    for case, one in zip(cases, summaries, strict=True):
        name = short_id(case.case_id) + (" *" if case.is_main else "")
        parameters = [escape(str(case.parameters.get(path, ""))) for path in varying]
        ends = [str(one.estimate.n), str(one.errors), seconds_text(one.p50), seconds_text(one.p95)]
        table.add_row(escape(name), *parameters, *_score_cells(one, has_others=len(cases) > 1), *ends)
    return table


def short_id(case_id: str) -> str:
    """Return what of an id is enough to tell it by."""
    parts = case_id.split("+")
    length = 8 if len(parts) == 1 else 4  # of the ids of several experiments, few characters each will do
    return "+".join(part if len(part) <= _SHORT_ID else part[:length] for part in parts)


def seconds_text(seconds: float) -> str:
    """Return a duration in the unit that suits it."""
    if math.isnan(seconds):
        return "-"
    if seconds == 0:
        return "0 s"
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e9:.0f} ns"


def varying_parameters(cases: Sequence[EvaluatedCase]) -> list[str]:
    """Return the paths of the parameters that are not the same in all cases."""
    paths = dict.fromkeys(path for case in cases for path in case.parameters)
    return [path for path in paths if len({repr(case.parameters.get(path)) for case in cases}) > 1]


def _score_cells(one: Summary, *, has_others: bool) -> list[str]:
    mean, found = one.estimate, one.difference
    cells = [_number(mean.value), _interval(mean.low, mean.high)]
    if not has_others:
        return cells
    if found is None:
        return [*cells, "", "", "", ""]
    p_value = "" if math.isnan(found.adjusted) else "<1e-4" if found.adjusted < _LEAST_P else f"{found.adjusted:.2g}"
    return [*cells, _number(found.value, "+"), _interval(found.low, found.high, "+"), p_value, one.verdict]


def _number(value: float, sign: str = "") -> str:
    return "-" if math.isnan(value) else f"{value:{sign}.3f}"


def _interval(low: float, high: float, sign: str = "") -> str:
    return "" if math.isnan(low) or math.isnan(high) else f"{low:{sign}.3f} {high:{sign}.3f}"
