"""The table of rows and configs on a page: scores, and outputs to compare, as JSON that a script of the page shows."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spearmint.evaluation.dataset import Row
from spearmint.evaluation.report.labels import cut, text_of
from spearmint.evaluation.run.result_table import KEPT_OUTPUTS, CellKey, ResultTable
from spearmint.redaction import redactor
from spearmint.statistics.intervals import is_pass_or_fail

MOST_BYTES = 40_000_000
"""Of the JSON on a page, so that the page stays below 50 MB: beyond them outputs are left out, then rows."""
_SHARE_OF_ROWS = 0.5  # of these bytes, which rows, their inputs and scores may take; outputs have the rest
_LONGEST_TEXT = 400
_LONGEST_NAME = 80
_MOST_INPUTS = 30


@dataclass(frozen=True, slots=True)
class RowTable:
    """What the table holds.

    Attributes:
        text: The data, as JSON that may stand in a script element.
        notes: What it leaves out, in sentences.
    """

    text: str
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
    most: int = MOST_BYTES,
) -> RowTable:
    """Return the table of rows and cases.

    Args:
        columns: The cases, main first.
        metrics: Names of the metrics.
        results: What came of the cells.
        rows: The rows.
        most: Bytes that its JSON may take, about.
    """
    values = {metric: _by_row([results.values(one.position, metric) for one in columns]) for metric in metrics}
    failed = _by_row([results.failed_rows(one.position) for one in columns])
    has_run = _by_row([results.has_run(one.position) for one in columns])
    texts = _Texts(round(most * (1 - _SHARE_OF_ROWS)))
    room, shown, left_out, unkept = round(most * _SHARE_OF_ROWS), [], 0, 0
    for row in rows:
        if room <= 0:
            left_out += 1
            continue
        number = row.number
        outputs = [results.output(CellKey(one.position, number, 0)) for one in columns]
        unkept += int((has_run[number] & ~failed[number]).sum()) - sum(one is not None for one in outputs)
        scores = [[_short(value) for value in values[metric][number].tolist()] for metric in metrics]
        told = _given(row) | {
            "scores": scores,
            "failed": np.flatnonzero(failed[number]).tolist(),
            "absent": np.flatnonzero(~has_run[number]).tolist(),
            "outputs": [texts.place(one) for one in outputs],
        }
        text = _json(told)
        room -= len(text.encode("utf-8", "backslashreplace"))
        shown.append(text)
    head = {
        "cases": [cut(one.label, _LONGEST_TEXT) for one in columns],
        "metrics": [{"name": name, "passes": _is_pass_or_fail(values[name])} for name in metrics],
        "texts": texts.listed,
    }
    data = f'{_json(head)[:-1]},"rows":[{",".join(shown)}]}}'
    notes = _left_out(columns, results, outputs=texts.refused, rows=left_out, unkept=max(0, unkept))
    return RowTable(data, list(notes))


class _Texts:
    """Outputs, each different one once, up to a number of bytes."""

    def __init__(self, room: int) -> None:
        self._places: dict[str, int] = {}
        self._room = room
        self.listed: list[str] = []
        self.refused = 0

    def place(self, text: str | None) -> int | None:
        """Return where an output stands in the list; None where it is not known, or there is no room for it."""
        if text is None:
            return None
        if (found := self._places.get(text)) is not None:
            return found
        beginning = cut(text, _LONGEST_TEXT)  # its secrets were hidden when it was kept
        size = len(_json(beginning).encode("utf-8", "backslashreplace"))
        if size > self._room:
            self.refused += 1
            return None
        self._room -= size
        self._places[text] = len(self.listed)
        self.listed.append(beginning)
        return self._places[text]


def _given(row: Row) -> dict[str, Any]:
    inputs, expectations = redactor().redact_together(row.inputs, row.expectations)
    return {"number": row.number, "inputs": _named(inputs), "expected": _named(expectations)}


def _named(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(text_of(name, _LONGEST_NAME), value_on_page(value)) for name, value in list(values.items())[:_MOST_INPUTS]]


def value_on_page(value: Any) -> str:
    """Return a value of a row as text of bounded length, without secrets."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=repr)
    return cut(redactor().hide(text), _LONGEST_TEXT)


def _left_out(
    columns: Sequence[Column], results: ResultTable, *, outputs: int, rows: int, unkept: int
) -> Iterator[str]:
    cases, _, repeats = results.shape
    if cases > len(columns):
        yield f"{cases - len(columns):,} more configs are left out."
    if rows:
        yield f"{rows:,} more rows are left out, as the page would be too large; to_dataframe(cells=True) has them."
    if outputs:
        yield f"{outputs:,} outputs are left out, as the page would be too large."
    if unkept:
        yield f"{unkept:,} outputs were not kept: a report keeps those of {KEPT_OUTPUTS:,} cells."
    if repeats > 1:
        yield f"Scores are of all {repeats} repeats, outputs of the first."


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


def _json(value: Any) -> str:
    """Return JSON that ends no script element and opens no comment."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c")
