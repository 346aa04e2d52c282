"""The table of rows and configs on a page: scores, and outputs to compare, as JSON that a script of the page shows."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spearmint.evaluation.dataset import Row
from spearmint.evaluation.marks import row_digest
from spearmint.evaluation.report.labels import cut, text_of
from spearmint.evaluation.report.row_parts import LONGEST_BEGINNING, Output, Parts, json_text, size_of
from spearmint.evaluation.run.result_table import KEPT_OUTPUTS, CellKey, ResultTable
from spearmint.redaction import redactor
from spearmint.render import counted
from spearmint.statistics.intervals import is_pass_or_fail

MOST_BYTES = 40_000_000
"""Of the JSON on a page, so that the page stays below 50 MB: beyond them outputs go to files beside it, if they may."""
MOST_WRITTEN = 1_000_000_000
"""Bytes of outputs in such files."""
_SHARE_OF_ROWS = 0.5  # of the bytes on a page, which rows and their scores may take; outputs have the rest
_LONGEST_NAME = 80
_MOST_INPUTS = 30

WholeOutputs = Callable[[Row, Sequence[int]], Mapping[int, str]]
"""Returns whole outputs on a row as a page may show them, by the positions of the cases; not all need be there."""


@dataclass(frozen=True, slots=True)
class RowTable:
    """What the table holds.

    Attributes:
        text: The cases, and for each row the scores and where its inputs and outputs are, as JSON that may stand in a
            script element.
        parts: The inputs and outputs that the page holds, likewise, by the numbers of the parts.
        notes: What it leaves out, in sentences.
    """

    text: str
    parts: Mapping[int, str]
    notes: Sequence[str]


@dataclass(frozen=True, slots=True)
class Column:
    """A case of the table: its position, and how it is named."""

    position: int
    label: str


def row_table(
    columns: Sequence[Column],
    metrics: Sequence[str],
    results: ResultTable,
    rows: Iterable[Row],
    *,
    whole: WholeOutputs | None = None,
    write: Callable[[str], str] | None = None,
    most: int,
) -> RowTable:
    """Return the table of rows and cases.

    Args:
        columns: The cases, main first.
        metrics: Names of the metrics.
        results: What came of the cells.
        rows: The rows.
        whole: Where whole outputs are to be had; None for their beginnings.
        write: Writes a part of the table to a file beside the page, and returns where the page finds it; None where
            the page is to be one file.
        most: Bytes that its JSON on the page may take, about.
    """
    values = {metric: _by_row([results.values(one.position, metric) for one in columns]) for metric in metrics}
    failed = _by_row([results.failed_rows(one.position) for one in columns])
    has_run = _by_row([results.has_run(one.position) for one in columns])
    held = most if write is not None else round(most * (1 - _SHARE_OF_ROWS))
    parts = Parts(held, write=write, most_written=MOST_WRITTEN)
    room, shown, left_out, unkept, unnamed = round(most * _SHARE_OF_ROWS), [], 0, 0, 0
    positions = [one.position for one in columns]
    for row in rows:
        if room <= 0:
            left_out += 1
            continue
        number = row.number
        found = {} if whole is None else whole(row, positions)
        outputs = [_output(results, CellKey(one, number, 0), found.get(one)) for one in positions]
        unkept += int((has_run[number] & ~failed[number]).sum()) - sum(one is not None for one in outputs)
        scores = [[_short(value) for value in values[metric][number].tolist()] for metric in metrics]
        given = _given(row)
        part, places = parts.add(number, given, outputs)
        digest = row_digest(row.inputs, row.expectations)
        unnamed += digest is None
        told = {
            "number": number,
            "head": given["inputs"][0][1] if given["inputs"] else "",
            "digest": digest,
            "scores": scores,
            "failed": np.flatnonzero(failed[number]).tolist(),
            "absent": np.flatnonzero(~has_run[number]).tolist(),
            "outputs": places,
            "part": part,
        }
        text = json_text(told)
        room -= size_of(text) + (size_of(json_text(given)) if write is None else 0)
        parts.reserve(size_of(text))
        shown.append(text)
    parts.close()
    head = {
        "cases": [cut(one.label, LONGEST_BEGINNING) for one in columns],
        "metrics": [{"name": name, "passes": _is_pass_or_fail(values[name])} for name in metrics],
        "parts": parts.names,
    }
    data = f'{json_text(head)[:-1]},"rows":[{",".join(shown)}]}}'
    notes = [*_left_out(columns, results, rows=left_out, unkept=max(0, unkept)), *_cut(parts, unnamed)]
    return RowTable(data, parts.held, notes)


def _output(results: ResultTable, cell: CellKey, whole: str | None) -> Output | None:
    beginning = results.output(cell)  # Its secrets were hidden when it was kept.
    text = cut(beginning, LONGEST_BEGINNING) if whole is None and beginning is not None else whole
    digest = results.digest(cell)
    return None if text is None else Output(text, None if digest is None else digest.hex())


def _given(row: Row) -> dict[str, Any]:
    inputs, expectations = redactor().redact_together(row.inputs, row.expectations)
    return {"inputs": _named(inputs), "expected": _named(expectations)}


def _named(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(text_of(name, _LONGEST_NAME), value_on_page(value)) for name, value in list(values.items())[:_MOST_INPUTS]]


def value_on_page(value: Any) -> str:
    """Return a value of a row as text of bounded length, without secrets."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=repr)
    return cut(redactor().hide(text), LONGEST_BEGINNING)


def _left_out(columns: Sequence[Column], results: ResultTable, *, rows: int, unkept: int) -> Iterator[str]:
    cases, _, repeats = results.shape
    if cases > len(columns):
        yield f"{cases - len(columns):,} more configs are left out."
    if rows:
        yield f"{rows:,} more rows are left out, as the page would be too large; to_dataframe(cells=True) has them."
    if unkept:
        yield f"{unkept:,} outputs were not kept: a report keeps those of {KEPT_OUTPUTS:,} cells, and with store= all."
    if repeats > 1:
        yield f"Scores are of all {repeats} repeats, outputs of the first."


def _cut(parts: Parts, unnamed: int) -> Iterator[str]:
    if parts.shortened:
        yield f"Of {parts.shortened:,} outputs only the beginnings are here, as the page would be too large."
    if parts.refused:
        yield f"{parts.refused:,} outputs are left out, as the page would be too large."
    if unnamed:
        yield f"{counted(unnamed, 'row')} cannot be marked, for want of a form that is the same in every process."


def _by_row(columns: Sequence[NDArray[Any]]) -> NDArray[Any]:
    return np.stack(columns, axis=1)


def _short(value: float) -> float | None:
    """Return a score with as many digits as a page shows; None where there is none that JSON can say."""
    if not np.isfinite(value):
        return None
    short = float(f"{value:.4g}")
    return int(short) if short.is_integer() else short


def _is_pass_or_fail(values: NDArray[np.float64]) -> bool:
    known = values[~np.isnan(values)]
    return len(known) > 0 and bool(is_pass_or_fail(known))
