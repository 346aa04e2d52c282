"""The HTML page of a report: one file that needs no network."""

import html
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from spearmint.evaluation.dataset import Row
from spearmint.evaluation.report.charts import forest, label_of, latencies_chart, parallel
from spearmint.evaluation.report.scales import number
from spearmint.evaluation.report.summary import Summary, disagreements
from spearmint.evaluation.report.table import seconds_text, short_id, varying_parameters
from spearmint.evaluation.run.case_names import EvaluatedCase
from spearmint.evaluation.run.result_table import CellKey, ResultTable

_MOST_CASES = 60  # in a plot or a table, and main in any case
_MOST_LINES = 300
_ROWS = 10
_CASES_OF_A_ROW = 12
_LONGEST_TEXT = 400
_KEY = (
    '<div class="key" aria-hidden="true"><span class="main">◆ main</span><span class="up">▲ higher than main</span>'
    '<span class="down">▼ lower than main</span><span class="same">● no clear difference, or too few rows</span></div>'
)


@dataclass(frozen=True, slots=True)
class Content:
    """What a page shows.

    Attributes:
        title: Its heading.
        cases: The cases, main first.
        told: What each did, by metric.
        ledger: The results.
        rows: Gives all rows of the data.
        errors: How many errors there were.
    """

    title: str
    cases: Sequence[EvaluatedCase]
    told: Mapping[str, Sequence[Summary]]
    ledger: ResultTable
    rows: Iterator[Row]
    errors: int


def page_of(content: Content) -> str:
    """Return a whole HTML page."""
    style = files("spearmint.evaluation").joinpath("page.css").read_text(encoding="utf-8")
    cases, rows, repeats = content.ledger.shape
    facts = {
        "cases": cases,
        "rows": rows,
        "repeats": repeats,
        "cells": cases * rows * repeats,
        "errors": content.errors,
    }
    listed = "".join(f"<li><b>{count:,}</b> {name}</li>" for name, count in facts.items())
    title = html.escape(content.title)
    view = '<meta name="viewport" content="width=device-width, initial-scale=1">'
    head = f'<meta charset="utf-8">{view}<title>{title}</title>'
    body = "".join(_sections(content))
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}<style>{style}</style></head><body><main>'
        f'<header><h1>{title}</h1><ul class="facts">{listed}</ul></header>{body}'
        "<footer>Made by Spearmint.</footer></main></body></html>\n"
    )


def _sections(content: Content) -> Iterator[str]:
    scores = "".join(_scores(content, metric, told) for metric, told in content.told.items())
    text = (
        "Mean of each config with its 95 % interval. Configs are compared with main row by row; the p-values behind "
        "“higher” and “lower” are adjusted for all comparisons of a metric."
    )
    yield f"<section><h2>Scores</h2><p>{text}</p>{_KEY}{scores}</section>"
    yield f"<section><h2>All numbers</h2>{_wide('All numbers', _table(content))}</section>"
    first = next(iter(content.told.values()), [])
    chosen = _chosen(first)
    if chosen:
        drawn = latencies_chart([content.cases[one] for one in chosen], [first[one] for one in chosen])
        text = "Seconds that the function itself took: ● median, bar up to the 95th percentile."
        yield f"<section><h2>Latency</h2><p>{text}</p>{_wide('Latency', drawn)}</section>"
    lines = _chosen(first, _MOST_LINES)
    drawn = parallel(
        [content.cases[one] for one in lines],
        {metric: [told[one] for one in lines] for metric, told in list(content.told.items())[:3]},
    )
    if drawn:
        text = (
            "A line for each config, from its parameters to its means; the stronger its colour, the higher the first "
            "metric. Main is dashed."
        )
        yield f"<section><h2>Parameters</h2><p>{text}</p>{_wide('Parameters', drawn)}</section>"
    if len(content.cases) > 1:
        yield _disagreeing(content)
    ledger = content.ledger
    samples = [(case, *sample) for case in content.cases for sample in ledger.error_samples(case.position)]
    if samples:
        yield _errors(samples)


def _scores(content: Content, metric: str, told: Sequence[Summary]) -> str:
    chosen = _chosen(told)
    left = len(told) - len(chosen)
    note = f"<p>{left} more configs, whose means lie between these, are in the table only.</p>" if left else ""
    drawn = forest(metric, [content.cases[one] for one in chosen], [told[one] for one in chosen])
    return f"<h3>{html.escape(metric)}</h3>{_wide(metric, drawn)}{note}"


def _chosen(told: Sequence[Summary], most: int = _MOST_CASES) -> list[int]:
    """Return the positions of main, then the highest and lowest of the others, by their means."""
    others = [one for one in range(len(told)) if not told[one].is_main]
    others.sort(key=lambda one: -told[one].estimate.value if not math.isnan(told[one].estimate.value) else math.inf)
    if len(others) >= most:
        half = (most - 1) // 2
        others = [*others[: most - 1 - half], *others[len(others) - half :]]
    return [*(one for one in range(len(told)) if told[one].is_main), *others]


def _table(content: Content) -> str:
    varying = varying_parameters(content.cases)
    head = "".join(f'<th scope="col">{html.escape(path)}</th>' for path in varying)
    for metric in content.told:
        head += f'<th scope="col">{html.escape(metric)}</th><th scope="col">95 % interval</th>'
        if len(content.cases) > 1:
            head += '<th scope="col">vs. main</th><th scope="col">p</th><th scope="col" class="verdict">verdict</th>'
        head += '<th scope="col">rows</th><th scope="col">errors</th>'
    head += '<th scope="col">p50</th><th scope="col">p95</th>'
    body = "".join(_table_row(content, case, varying) for case in content.cases)
    return (
        f"<table><caption>Every config; main first, and marked ◆.</caption>"
        f'<thead><tr><th scope="col">case</th>{head}</tr></thead><tbody>{body}</tbody></table>'
    )


def _table_row(content: Content, case: EvaluatedCase, varying: Sequence[str]) -> str:
    mark = " ◆" if case.is_main else ""
    whole = html.escape(case.case_id)
    cells = [f'<th scope="row" title="{whole}"><code>{html.escape(short_id(case.case_id))}</code>{mark}</th>']
    cells += [f"<td>{html.escape(str(case.parameters.get(path, '')))}</td>" for path in varying]
    p50 = p95 = math.nan
    for told in content.told.values():
        one = told[case.position]
        p50, p95 = one.p50, one.p95
        cells.append(f"<td>{number(one.estimate.value)}</td><td>{_interval(one.estimate.low, one.estimate.high)}</td>")
        if len(content.cases) > 1:
            cells.append(_compared(one))
        cells.append(f"<td>{one.estimate.n}</td><td>{one.errors}</td>")
    cells.append(f"<td>{seconds_text(p50)}</td><td>{seconds_text(p95)}</td>")
    return f"<tr{' class=main' if case.is_main else ''}>{''.join(cells)}</tr>"


def _compared(one: Summary) -> str:
    found = one.difference
    if found is None:
        return "<td></td><td></td><td></td>"
    kind = {"higher": "up", "lower": "down"}.get(one.verdict, "")
    difference = f"{found.value:+.3g} {_interval(found.low, found.high, '+')}"
    return f'<td class="{kind}">{difference}</td><td>{found.adjusted:.2g}</td><td class="verdict">{one.verdict}</td>'


def _interval(low: float, high: float, sign: str = "") -> str:
    return "" if math.isnan(low) or math.isnan(high) else f"[{low:{sign}.3g}, {high:{sign}.3g}]"


def _disagreeing(content: Content) -> str:
    metrics = list(content.told)
    wanted = disagreements(content.ledger, metrics, _ROWS)
    if not wanted:
        return "<section><h2>Rows on which configs disagree</h2><p>There are none.</p></section>"
    found = {row.number: row for row in content.rows if row.number in wanted}
    shown = "".join(_one_row(content, metrics, found[row], is_open=row == wanted[0]) for row in wanted if row in found)
    text = f"The {len(wanted)} rows whose scores differ most between configs, the most different first."
    return f"<section><h2>Rows on which configs disagree</h2><p>{text}</p>{shown}</section>"


def _one_row(content: Content, metrics: Sequence[str], row: Row, *, is_open: bool) -> str:
    ledger, varying = content.ledger, varying_parameters(content.cases)
    values = {
        metric: [ledger.values(case.position, metric)[row.number] for case in content.cases] for metric in metrics
    }
    order = sorted(range(len(content.cases)), key=lambda one: [-_known(values[metric][one]) for metric in metrics])
    if len(order) > _CASES_OF_A_ROW:
        order = [*order[: _CASES_OF_A_ROW // 2], *order[-_CASES_OF_A_ROW // 2 :]]
    head = "".join(f'<th scope="col">{html.escape(metric)}</th>' for metric in metrics)
    body = ""
    for one in order:
        output = ledger.output(CellKey(one, row.number, 0))
        cells = "".join(f"<td>{number(float(values[metric][one]))}</td>" for metric in metrics)
        label = html.escape(label_of(content.cases[one], varying))
        shown = f'<td class="text"><code>{html.escape(output or "")}</code></td>'
        body += f'<tr><th scope="row">{label}</th>{cells}{shown}</tr>'
    given = "".join(_given(name, value) for name, value in row.inputs.items())
    given += "".join(_given(f"{name} ✓", value) for name, value in row.expectations.items())
    table = (
        f'<table><caption>Scores and outputs on this row, best first.</caption><thead><tr><th scope="col">config</th>'
        f'{head}<th scope="col" class="text">output</th></tr></thead><tbody>{body}</tbody></table>'
    )
    first = next(iter(row.inputs.values()), "")
    return (
        f"<details{' open' if is_open else ''}><summary>Row {row.number}: <code>{_json(first)}</code></summary>"
        f'<dl class="row-inputs">{given}</dl>{_wide(f"Row {row.number}", table)}</details>'
    )


def _given(name: str, value: Any) -> str:
    return f"<dt>{html.escape(name)}</dt><dd><code>{_json(value)}</code></dd>"


def _errors(samples: Sequence[tuple[EvaluatedCase, str, int]]) -> str:
    rows = "".join(
        f'<tr><th scope="row"><code>{html.escape(short_id(case.case_id))}</code></th><td>{count}</td>'
        f'<td class="text"><code>{html.escape(text)}</code></td></tr>'
        for case, text, count in samples
    )
    head = '<th scope="col">case</th><th scope="col">times</th><th scope="col" class="text">error</th>'
    return (
        f"<section><h2>Errors</h2><table><caption>What the function and the scorers raised.</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></section>"
    )


def _wide(label: str, content: str) -> str:
    """Let something scroll by itself where the screen is narrow, also with the keyboard."""
    return f'<div class="wide" role="group" tabindex="0" aria-label="{html.escape(label)}">{content}</div>'


def _known(value: float) -> float:
    return -math.inf if math.isnan(value) else float(value)


def _json(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=repr)
    return html.escape(text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}…")
