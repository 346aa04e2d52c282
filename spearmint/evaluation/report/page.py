"""The HTML page of a report, one file that needs no network, and what a notebook shows of it."""

import functools
import math
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from spearmint.evaluation.dataset import Dataset
from spearmint.evaluation.directions import COST, LATENCY
from spearmint.evaluation.race import RaceOutcome
from spearmint.evaluation.report.advice import Advice, Leader, advice_of
from spearmint.evaluation.report.best import best_position, races_for_lowest
from spearmint.evaluation.report.charts import (
    Chart,
    Scatter,
    effects_chart,
    interval_text,
    latency_chart,
    scatter,
    scores_chart,
)
from spearmint.evaluation.report.effects import Effect
from spearmint.evaluation.report.labels import (
    cut,
    labels_of,
    readable,
    seconds_text,
    short_id,
    short_names,
    text_of,
    value_text,
    varying_parameters,
)
from spearmint.evaluation.report.parallel import parallel
from spearmint.evaluation.report.row_table import MOST_BYTES, Column, RowTable, row_table, value_on_page
from spearmint.evaluation.report.scales import number
from spearmint.evaluation.report.summary import Summary, best_first, disagreements
from spearmint.evaluation.report.whole_outputs import whole_outputs
from spearmint.evaluation.run.case_names import EvaluatedCase
from spearmint.evaluation.run.result_table import CellKey, ResultTable
from spearmint.evaluation.spending import usd_text
from spearmint.redaction import redactor

_FEW_CASES = 13  # main and the best ones, which are shown at once
_MANY_CASES = 100  # which can be shown
_MOST_LINES = 300
_TABLE_ROWS = 500
_ROWS = 10
_CASES_OF_A_ROW = 12
_METRICS = 3  # that have plots of more than one dimension
_LONGEST_TEXT = 400
_LONGEST_CELL = 80
_MOST_INPUTS = 30


@dataclass(frozen=True, slots=True)
class Content:
    """What a page shows.

    Attributes:
        title: Its heading.
        cases: The cases, main first.
        summaries: What each did, by metric.
        effects: What each value of each parameter does, by metric.
        results: What came of the cells.
        dataset: The rows.
        errors: How many errors there were.
        race: How the cases raced; None where all ran on all rows.
        notes: What stands under the heading, in sentences.
        costs: What a call of each cost; None where nothing is known of it.
    """

    title: str
    cases: Sequence[EvaluatedCase]
    summaries: Mapping[str, Sequence[Summary]]
    effects: Mapping[str, Sequence[Effect]]
    results: ResultTable
    dataset: Dataset
    errors: int
    race: RaceOutcome | None = None
    notes: Sequence[str] = ()
    costs: Sequence[Summary] | None = None

    def best(self, metric: str) -> int | None:
        """Return the position of the best case by a metric; None where no case has a value of it."""
        lower = races_for_lowest(self.race, metric)
        return best_position(self.summaries[metric], metric, self.race, lower=lower)

    def order(self, metric: str) -> list[int]:
        """Return the positions of the cases by a metric: main, then from the best to the worst."""
        return best_first(self.summaries[metric], lower=races_for_lowest(self.race, metric))

    @property
    def first_order(self) -> list[int]:
        """The positions of the cases by the first metric; as they are without one."""
        metric = next(iter(self.summaries), None)
        return list(range(len(self.cases))) if metric is None else self.order(metric)


def page_of(content: Content, write: Callable[[str], str] | None = None) -> str:
    """Return a whole HTML page.

    Args:
        content: What it shows.
        write: Writes a part of the table of rows to a file beside the page where it would be too large, and returns
            where the page finds it; None where the page is to be one file.
    """
    cases, rows, repeats = content.results.shape
    facts = [(cases, "cases"), (rows, "rows"), (repeats, "repeats"), (cases * rows * repeats, "cells")]
    labels = labels_of(content.cases)
    values = {
        "advice": [one for metric in content.summaries if (one := _advice(content, labels, metric)) is not None],
        "rows": _rows(content, labels, write),
        "script": _source("marks.js") + _source("rows.js"),
        "facts": [(f"{count:,}", name) for count, name in [*facts, (content.errors, "errors")]],
        "left_out": max(0, len(content.cases) - _MANY_CASES),
        "scatters": list(_scatters(content, labels)),
        "cost": _cost(content, labels),
        "latency": _latency(content, labels),
        "parallel": _parallel(content),
        "table": _table(content),
        "disagreements": list(_disagreeing(content, labels)) if len(content.cases) > 1 else None,
        "failures": [
            (short_id(case.case_id), count, cut(redactor().hide(text), _LONGEST_TEXT))
            for case in content.cases[:_MANY_CASES]
            for text, count in content.results.error_samples(case.position)
        ],
    }
    nonce = secrets.token_urlsafe(16)
    styles = _source("charts.css") + _source("page.css")
    return _rendered("page.html.j2", _answers(content, labels) | values | {"nonce": nonce, "style": styles})


def notebook_of(content: Content) -> str:
    """Return what a notebook shows: the best by each metric, which parameter matters, and the best cases."""
    return _rendered("notebook.html.j2", _answers(content, labels_of(content.cases)) | {"style": _source("charts.css")})


def _rendered(name: str, values: Mapping[str, Any]) -> str:
    return readable(_templates().get_template(name).render(values))


@functools.cache
def _templates() -> Environment:
    loader = PackageLoader("spearmint.evaluation.report", "templates")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


@functools.cache
def _source(name: str) -> str:
    return files("spearmint.evaluation.report").joinpath("templates", name).read_text(encoding="utf-8")


def _answers(content: Content, labels: Sequence[str]) -> dict[str, Any]:
    """Return what stands first: the best, the effects, and main with the best cases, by metric."""
    best, scores = [], []
    for metric, summaries in content.summaries.items():
        order = content.order(metric)
        shown = order[:_MANY_CASES]
        scores.append(
            scores_chart(metric, [labels[one] for one in shown], [summaries[one] for one in shown], _FEW_CASES)
        )
        position = content.best(metric)
        if position is not None:
            extreme = "Lowest" if races_for_lowest(content.race, metric) else "Highest"
            best.append((extreme, metric, labels[position], _best_text(summaries[position])))
    is_told = len(varying_parameters(content.cases)) > 1  # with one parameter, the scores say the same
    effects: list[Chart] = [effects_chart(*item) for item in content.effects.items()] if is_told else []
    return {"title": cut(content.title, _LONGEST_TEXT), "best": best, "effects": effects, "scores": scores} | {
        "notes": content.notes
    }


def _advice(content: Content, labels: Sequence[str], metric: str) -> Advice | None:
    position = content.best(metric)
    if position is None:
        return None
    summaries, lower = content.summaries[metric], races_for_lowest(content.race, metric)
    found = Leader(labels[position], summaries[position], summaries[0], lower)
    return advice_of(found, position, content.results, content.race, content.costs)


def _rows(content: Content, labels: Sequence[str], write: Callable[[str], str] | None) -> RowTable | None:
    """Return the table of rows and configs; None without a metric."""
    if not content.summaries:
        return None
    columns = [Column(one, labels[one]) for one in content.first_order[:_MANY_CASES]]
    metrics, rows = list(content.summaries), content.dataset.rows()
    with whole_outputs(content.results, content.cases) as whole:
        return row_table(columns, metrics, content.results, rows, whole=whole, write=write, most=MOST_BYTES)


def _best_text(one: Summary) -> str:
    mean = one.estimate
    text = f"{number(mean.value)} {interval_text(mean.low, mean.high)}"
    if one.difference is None:
        return f"{text}, main"
    found = one.difference
    interval = interval_text(found.low, found.high, "+")
    return f"{text}, {found.value:+.3g} {interval} vs. main, {one.verdict}"


def _latency(content: Content, labels: Sequence[str]) -> Chart | None:
    first = next(iter(content.summaries.values()), None)
    if first is None:
        return None
    chosen = content.first_order[:_FEW_CASES]
    return latency_chart([labels[one] for one in chosen], [first[one] for one in chosen])


def _scatters(content: Content, labels: Sequence[str]) -> Iterator[Scatter]:
    """Yield the plots of metrics against cost, where that is known, and against latency."""
    usd = None if content.costs is None else [one.estimate.value for one in content.costs]
    for metric, summaries in list(content.summaries.items())[:_METRICS]:
        expenses = [(LATENCY, [one.p50 for one in summaries]), *([] if usd is None else [(COST, usd)])]
        for expense, spent in reversed(expenses):
            if (found := scatter(metric, labels, summaries, expense, spent)) is not None:
                yield found


def _cost(content: Content, labels: Sequence[str]) -> Chart | None:
    """Show what a call costs under main and the best cases."""
    if content.costs is None:
        return None
    chosen = content.first_order[:_FEW_CASES]
    named = [labels[one] for one in chosen]
    return scores_chart("US dollars for a call", named, [content.costs[one] for one in chosen], _FEW_CASES)


def _parallel(content: Content) -> Any:
    lines = content.first_order[:_MOST_LINES] if content.summaries else []
    summaries = {
        name: [of_metric[one] for one in lines] for name, of_metric in list(content.summaries.items())[:_METRICS]
    }
    return parallel([content.cases[one] for one in lines], summaries)


def _table(content: Content) -> dict[str, Any]:
    """Return heads and rows of the table of all numbers, as text."""
    names = short_names(varying_parameters(content.cases))
    has_others = len(content.cases) > 1
    heads = ["case", *names.values()]
    for metric in content.summaries:
        heads += [metric, "95 % interval", *(["vs. main", "p", "verdict"] if has_others else []), "rows", "errors"]
    order = content.first_order
    rows = [_table_row(content, content.cases[one], names, has_others=has_others) for one in order[:_TABLE_ROWS]]
    money = [] if content.costs is None else ["cost"]
    return {"heads": [*heads, *money, "p50", "p95"], "rows": rows, "left_out": len(order) - len(rows)}


def _table_row(content: Content, case: EvaluatedCase, names: Iterable[str], *, has_others: bool) -> dict[str, Any]:
    cells = [value_text(case.parameters, path, _LONGEST_CELL) for path in names]
    p50 = p95 = math.nan
    for summaries in content.summaries.values():
        one = summaries[case.position]
        p50, p95 = one.p50, one.p95
        cells += [number(one.estimate.value), interval_text(one.estimate.low, one.estimate.high)]
        if has_others:
            found = one.difference
            difference = f"{found.value:+.3g} {interval_text(found.low, found.high, '+')}" if found else ""
            cells += [difference, f"{found.adjusted:.2g}" if found else "", one.verdict]
        cells += [str(one.estimate.n), str(one.errors)]
    if content.costs is not None:
        cells.append(usd_text(content.costs[case.position].estimate.value))
    cells += [seconds_text(p50), seconds_text(p95)]
    return {
        "id": short_id(case.case_id),
        "whole": cut(case.case_id, _LONGEST_TEXT),
        "main": case.is_main,
        "cells": cells,
    }


def _disagreeing(content: Content, labels: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield the rows whose scores differ most between cases, the most different first."""
    metrics = list(content.summaries)
    values_of = {name: [content.results.values(case.position, name) for case in content.cases] for name in metrics}
    wanted = disagreements(content.results, metrics, _ROWS)
    found = {row.number: row for row in content.dataset.rows() if row.number in wanted}
    for row in (found[one] for one in wanted if one in found):
        scores = {metric: [values[row.number] for values in of_metric] for metric, of_metric in values_of.items()}
        order = sorted(range(len(content.cases)), key=lambda one: [-_known(scores[metric][one]) for metric in metrics])
        if len(order) > _CASES_OF_A_ROW:
            order = [*order[: _CASES_OF_A_ROW // 2], *order[-_CASES_OF_A_ROW // 2 :]]
        inputs, expectations = redactor().redact_together(row.inputs, row.expectations)
        outputs = [content.results.output(CellKey(one, row.number, 0)) or "" for one in order]
        yield {
            "number": row.number,
            "head": value_on_page(next(iter(inputs.values()), "")),
            "given": [(text_of(name, _LONGEST_CELL), value_on_page(value)) for name, value in _first(inputs)],
            "expected": [(text_of(name, _LONGEST_CELL), value_on_page(value)) for name, value in _first(expectations)],
            "metrics": metrics,
            "cases": [
                (
                    labels[one],
                    [number(float(scores[metric][one])) for metric in metrics],
                    cut(redactor().hide(output), _LONGEST_TEXT),
                )
                for one, output in zip(order, outputs, strict=True)
            ],
        }


def _first(values: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return list(values.items())[:_MOST_INPUTS]


def _known(value: float) -> float:
    return -math.inf if math.isnan(value) else float(value)
