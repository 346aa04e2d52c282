"""The tables of a report in a terminal, and a report's numbers by column."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from spearmint.evaluation.directions import COST
from spearmint.evaluation.race import RaceOutcome
from spearmint.evaluation.report.best import races_for_lowest
from spearmint.evaluation.report.effects import Effect, by_importance
from spearmint.evaluation.report.labels import (
    readable,
    seconds_text,
    short_id,
    short_names,
    text_of,
    value_text,
    varying_parameters,
)
from spearmint.evaluation.report.row_values import corrected
from spearmint.evaluation.report.summary import Summary, best_first, best_of, latencies
from spearmint.evaluation.run.case_names import EvaluatedCase
from spearmint.evaluation.run.result_table import ResultTable
from spearmint.evaluation.spending import usd_text
from spearmint.redaction import redactor
from spearmint.render import counted
from spearmint.statistics.intervals import Estimate
from spearmint.statistics.paired import Difference

_SHOWN_ERRORS = 3
_FEWEST_TO_WIN = 2  # of which one is main
_SHOWN_CASES = 12
_SHOWN_VALUES = 40
_LONGEST_ERROR = 300
_LONGEST_NAME = 60
_LEAST_P = 1e-4
_CAPTION = (
    "* main, which the others are compared with row by row; intervals of differences and p are adjusted for all "
    "comparisons of a metric (Holm)."
)


def columns_of(case: EvaluatedCase, summaries: Sequence[Summary], results: ResultTable) -> dict[str, Any]:
    """Return everything about a case as plain values by column."""
    p50, p95 = latencies(results, case.position)
    row: dict[str, Any] = {"case": case.case_id, "is_main": case.is_main}
    if len(case.assignment) > 1:
        row |= {f"experiment.{name}": config_id for name, config_id in case.assignment.items()}
    row |= {f"config.{path}": value for path, value in case.parameters.items()}
    row |= {"failures": results.failures(case.position), "latency.p50": p50, "latency.p95": p95}
    row |= {f"{metric}.mean": results.mean(case.position, metric) for metric in results.measured[1:]}
    for one in summaries:
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
    title: str,
    cases: Sequence[EvaluatedCase],
    summaries: Mapping[str, Sequence[Summary]],
    effects: Mapping[str, Sequence[Effect]],
    results: ResultTable,
    *,
    race: RaceOutcome | None,
) -> Iterator[Table | Text]:
    """Lay a report out for a terminal: for each metric which parameter matters, then main and the best cases."""
    yield Text(readable(title), style="bold")
    if len(varying_parameters(cases)) > 1:  # with one parameter, the table of cases says the same
        for metric, found in effects.items():
            yield _effects_table(metric, found)
    for metric, of_metric in summaries.items():
        lower = races_for_lowest(race, metric)
        yield from _cases_table(metric, cases, of_metric, results, lower=lower)
        yield from _winner_line(metric, of_metric, results, lower=lower)
    for case in cases:
        for text, count in results.error_samples(case.position)[:_SHOWN_ERRORS]:
            yield Text(
                f"{short_id(case.case_id)}: {count} x {text_of(redactor().hide(text), _LONGEST_ERROR)}", style="red"
            )
    if len(cases) > 1:
        yield Text(_CAPTION, style="dim")


def title_of(function: str, data: str, results: ResultTable) -> str:
    """Return a report's heading."""
    cases, rows, repeats = results.shape
    again = f", {repeats} times each" if repeats > 1 else ""
    return f"{function}: {counted(cases, 'case')} on {counted(rows, 'row')} of {data}{again}"


def _effects_table(metric: str, effects: Sequence[Effect]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("\nparameter", overflow="fold")
    table.add_column("\nvalue", justify="right", overflow="fold")
    _add_score_columns(table, metric, has_others=True)
    table.add_column("\nrows", justify="right", no_wrap=True)
    for path, found in by_importance(effects):
        for position, one in enumerate(found):
            name = text_of(path, _LONGEST_NAME) if position == 0 else ""
            value = one.label + (" *" if one.difference is None else "")
            scores = _score_cells(one.estimate, one.difference, one.verdict, has_others=True)
            _add_row(table, [name, value, *scores, str(one.estimate.n)])
    return table


def _cases_table(
    metric: str,
    cases: Sequence[EvaluatedCase],
    summaries: Sequence[Summary],
    results: ResultTable,
    *,
    lower: bool,
) -> Iterator[Table | Text]:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("case", no_wrap=True)
    names = short_names(varying_parameters(cases))
    for name in names.values():
        table.add_column(Text(readable(name).replace(".", "\n").replace(": ", ":\n")), justify="right", overflow="fold")
    _add_score_columns(table, metric, has_others=len(cases) > 1)
    has_cost = COST in results.measured
    for name in ("rows", "errors", *(["cost"] if has_cost else []), "p50", "p95"):
        table.add_column(f"\n{name}", justify="right", no_wrap=True)
    shown = best_first(summaries, lower=lower)[:_SHOWN_CASES]
    for position in shown:
        case, one = cases[position], summaries[position]
        name = short_id(case.case_id) + (" *" if case.is_main else "")
        parameters = [value_text(case.parameters, path, _SHOWN_VALUES) for path in names]
        cost = [usd_text(results.mean(case.position, COST))] if has_cost else []
        ends = [str(one.estimate.n), str(one.errors), *cost, seconds_text(one.p50), seconds_text(one.p95)]
        scores = _score_cells(one.estimate, one.difference, one.verdict, has_others=len(cases) > 1)
        _add_row(table, [name, *parameters, *scores, *ends])
    yield table
    if len(shown) < len(cases):
        of = f"with a {'higher' if lower else 'lower'} mean of {text_of(metric, _LONGEST_NAME)}"
        rest = f"{len(cases) - len(shown)} more cases {of} are in to_dataframe() and save()."
        yield Text(rest, style="dim")


def _winner_line(metric: str, summaries: Sequence[Summary], results: ResultTable, *, lower: bool) -> Iterator[Text]:
    """Say how good the best case is without the flattery of having won, where there were several to win against."""
    known = [position for position, one in enumerate(summaries) if one.is_in_question]
    if len(known) <= _FEWEST_TO_WIN:
        return
    best = best_of(summaries, lower=lower)
    if best is None:
        return
    found = corrected(results, metric, known, best, lower=lower)
    if not math.isnan(found.low):
        text = (
            f"The best of {len(known)} has won by luck too: {_number(found.value)} [{_interval(found.low, found.high)}]"
        )
        yield Text(f"{text} is its {text_of(metric, _LONGEST_NAME)} corrected for that.", style="dim")


def _add_score_columns(table: Table, metric: str, *, has_others: bool) -> None:
    table.add_column(Text(f"{text_of(metric, _LONGEST_NAME)}\nmean"), justify="right", style="bold", no_wrap=True)
    table.add_column("95 %\ninterval", no_wrap=True)
    if has_others:
        for name in ("vs.\nmain", "\ninterval", "\np"):
            table.add_column(name, justify="left" if "interval" in name else "right", no_wrap=True)
        table.add_column("\nverdict", no_wrap=True)


def _score_cells(mean: Estimate, found: Difference | None, verdict: str, *, has_others: bool) -> list[str]:
    cells = [_number(mean.value), _interval(mean.low, mean.high)]
    if not has_others:
        return cells
    if found is None:
        return [*cells, "", "", "", ""]
    p_value = "" if math.isnan(found.adjusted) else "<1e-4" if found.adjusted < _LEAST_P else f"{found.adjusted:.2g}"
    return [*cells, _number(found.value, "+"), _interval(found.low, found.high, "+"), p_value, verdict]


def _add_row(table: Table, cells: Sequence[str]) -> None:
    table.add_row(*map(Text, cells))  # as text, since what users write may look like markup


def _number(value: float, sign: str = "") -> str:
    return "-" if math.isnan(value) else f"{value:{sign}.3f}"


def _interval(low: float, high: float, sign: str = "") -> str:
    return "" if math.isnan(low) or math.isnan(high) else f"{low:{sign}.3f} {high:{sign}.3f}"
