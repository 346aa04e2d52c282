"""The plots of a report, as SVG that takes its colours from the page around it."""

import html
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

from spearmint.evaluation.report.scales import Scale, number, scale_over
from spearmint.evaluation.report.summary import Summary
from spearmint.evaluation.report.table import seconds_text, short_id, varying_parameters
from spearmint.evaluation.run.case_names import EvaluatedCase

_LABEL = 390  # pixels for what stands left of a plot
_PLOT = 450
_ASIDE = 190
_ROW = 26
_HEAD = 30
_LONGEST_LABEL = 52  # characters
_AXIS_HEIGHT = 260
_FEW_VALUES = 7
_SHAPES = {"higher": "up", "lower": "down"}


def label_of(case: EvaluatedCase, varying: Sequence[str]) -> str:
    """Return what tells a case from the others: its id, and the values in which they differ."""
    values = " · ".join(f"{path.rpartition('.')[2]}={_text(case.parameters.get(path, '-'))}" for path in varying)
    return f"{short_id(case.case_id)}  {values}".strip()


def forest(metric: str, cases: Sequence[EvaluatedCase], told: Sequence[Summary]) -> str:
    """Draw means with their intervals, a line for each case, with main's mean as the line to compare with.

    Args:
        metric: Name of the metric.
        cases: The cases to draw.
        told: What each did, in the same order.
    """
    varying = varying_parameters(cases)
    values = [value for one in told for value in (one.estimate.value, one.estimate.low, one.estimate.high)]
    scale = scale_over(values, _LABEL, _LABEL + _PLOT)
    height = _HEAD + _ROW * len(cases) + 8
    parts = [_axis(scale, height, number)]
    main = next((one.estimate.value for one in told if one.is_main), math.nan)
    if not math.isnan(main):
        x = scale(main)
        parts.append(f'<line class="main-line" x1="{x}" x2="{x}" y1="{_HEAD - 6}" y2="{height}"/>')
    for position, (case, one) in enumerate(zip(cases, told, strict=True)):
        parts.append(_forest_row(_HEAD + _ROW * position + _ROW / 2, scale, label_of(case, varying), one))
    title = f"{metric}: mean and 95 % interval of each config"
    return _svg(title, _LABEL + _PLOT + _ASIDE, height, parts)


def _forest_row(y: float, scale: Scale, label: str, one: Summary) -> str:
    mean = one.estimate
    shape = "main" if one.is_main else _SHAPES.get(one.verdict, "same")
    tip = f"{label}: {number(mean.value)} [{number(mean.low)}, {number(mean.high)}], {mean.n} rows, {one.errors} errors"
    if one.difference is not None:
        found = one.difference
        tip += f"; {found.value:+.4g} [{found.low:+.4g}, {found.high:+.4g}] vs. main, p={found.adjusted:.2g}"
        tip += f", {one.verdict}"
    parts = [_label(y, label, is_main=one.is_main)]
    if not math.isnan(mean.value):
        if not math.isnan(mean.low):
            ends = f'x1="{scale(mean.low)}" x2="{scale(mean.high)}"'
            parts.append(f'<line class="interval {shape}" {ends} y1="{y}" y2="{y}"/>')
        parts.append(_mark(scale(mean.value), y, shape))
    shown = (
        f"{number(mean.value)}" if one.difference is None else f"{number(mean.value)}  ({one.difference.value:+.3g})"
    )
    parts.append(f'<text class="value" x="{_LABEL + _PLOT + 14}" y="{y + 4}">{html.escape(shown)}</text>')
    return f"<g class='row'><title>{html.escape(tip)}</title>{_band(y)}{''.join(parts)}</g>"


def latencies_chart(cases: Sequence[EvaluatedCase], told: Sequence[Summary]) -> str:
    """Draw how long the function took under each case: a bar from the median to the 95th percentile.

    Args:
        cases: The cases to draw.
        told: What each did by any metric.
    """
    varying = varying_parameters(cases)
    scale = scale_over([0.0, *(one.p95 for one in told)], _LABEL, _LABEL + _PLOT)
    scale = Scale(0.0, scale.high, _LABEL, _LABEL + _PLOT)
    height = _HEAD + _ROW * len(cases) + 8
    parts = [_axis(scale, height, seconds_text)]
    for position, (case, one) in enumerate(zip(cases, told, strict=True)):
        y = _HEAD + _ROW * position + _ROW / 2
        label = label_of(case, varying)
        row = [_label(y, label, is_main=one.is_main)]
        if not math.isnan(one.p50):
            left, right = scale(one.p50), scale(one.p95)
            size = f'width="{max(1.0, right - left):.2f}" height="10"'
            row.append(f'<rect class="bar" x="{left}" y="{y - 5}" {size} rx="3"/>')
            row.append(f'<circle class="median" cx="{left}" cy="{y}" r="5"/>')
        p50, p95 = seconds_text(one.p50), seconds_text(one.p95)
        shown = f"{p50} to {p95}"
        row.append(f'<text class="value" x="{_LABEL + _PLOT + 14}" y="{y + 4}">{shown}</text>')
        tip = html.escape(f"{label}: half of the cells within {p50}, 95 % within {p95}")
        parts.append(f"<g class='row'><title>{tip}</title>{_band(y)}{''.join(row)}</g>")
    return _svg("Latency of each config: median and 95th percentile", _LABEL + _PLOT + _ASIDE, height, parts)


def parallel(cases: Sequence[EvaluatedCase], told: Mapping[str, Sequence[Summary]]) -> str:
    """Draw each case as a line through its parameters and its means, coloured by the first metric.

    Args:
        cases: The cases to draw.
        told: What each did, by metric.

    Returns:
        The plot; empty where fewer than two cases differ in nothing.
    """
    varying = varying_parameters(cases)
    if not varying or len(cases) < 2:  # noqa: PLR2004 - there is nothing to compare
        return ""
    columns: list[tuple[str, list[Any]]] = [(path, [case.parameters.get(path) for case in cases]) for path in varying]
    metrics: list[tuple[str, list[Any]]] = [
        (name, [one.estimate.value for one in of_metric]) for name, of_metric in told.items()
    ]
    gap = max(120, min(190, 900 // max(1, len(columns) + len(metrics) - 1)))
    width = gap * (len(columns) + len(metrics) - 1) + 200
    axes, heights = [], []
    for index, (name, values) in enumerate([*columns, *metrics]):
        x = 80 + index * gap
        placed, axis = _coordinate_axis(x, name, values, is_metric=index >= len(columns))
        # Lines that share a value of a parameter run side by side, not on top of each other.
        spread = 0 if index >= len(columns) else min(16.0, 3.0 * len(cases))
        apart = [(position / max(1, len(cases) - 1) - 0.5) * spread for position in range(len(cases))]
        heights.append([y + shift for y, shift in zip(placed, apart, strict=True)])
        axes.append(axis)
    shades = scale_over(metrics[0][1], 0, 100, room=0) if metrics else Scale(0, 1, 0, 100)
    lines = []
    for position in sorted(range(len(cases)), key=lambda one: _sortable(metrics[0][1][one]) if metrics else 0):
        shade = shades(metrics[0][1][position]) if metrics and not math.isnan(metrics[0][1][position]) else 0
        points = [(80 + index * gap, column[position]) for index, column in enumerate(heights)]
        tip = f"{label_of(cases[position], varying)}: " + ", ".join(
            f"{name} {number(values[position])}" for name, values in metrics
        )
        kind = "case main" if cases[position].is_main else "case"
        lines.append(
            f'<path class="{kind}" style="--shade:{shade:.0f}%" d="{_curve(points)}">'
            f"<title>{html.escape(tip)}</title></path>"
        )
    drawn = f'<g class="cases">{"".join(lines)}</g><g class="axes">{"".join(axes)}</g>'
    return _svg("Parameters of the configs and their means, a line for each config", width, _AXIS_HEIGHT + 80, [drawn])


def _coordinate_axis(x: float, name: str, values: Sequence[Any], *, is_metric: bool) -> tuple[list[float], str]:
    """Return where the values stand on an axis of parallel coordinates, and the axis."""
    bottom, top = _AXIS_HEIGHT + 44.0, 44.0
    numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    if numeric:
        scale = scale_over(values, bottom, top, room=0.02)
        known = sorted({float(value) for value in values if math.isfinite(value)})
        shown = known if len(known) <= _FEW_VALUES and not is_metric else scale.ticks(4)
        marks = [(scale(value), number(value)) for value in shown]
        placed = [scale(value) if math.isfinite(value) else bottom for value in values]
    else:
        names = list(dict.fromkeys(_text(value) for value in values))
        scale = Scale(0, max(1, len(names) - 1), bottom, top)
        marks = [(scale(index), text) for index, text in enumerate(names)]
        placed = [scale(names.index(_text(value))) for value in values]
    kind = "coordinate metric" if is_metric else "coordinate"
    parts = [f'<line class="{kind}" x1="{x}" x2="{x}" y1="{top}" y2="{bottom}"/>']
    for y, text in marks:
        cut = html.escape(_cut(text, 11))
        parts.append(f'<text class="tick" x="{x - 7}" y="{y + 4}" text-anchor="end">{cut}</text>')
    head, whole = html.escape(_cut(name, 18)), html.escape(name)
    parts.append(f'<text class="{kind} name" x="{x}" y="22" text-anchor="middle">{head}<title>{whole}</title></text>')
    return placed, f"<g>{''.join(parts)}</g>"


def _curve(points: Sequence[tuple[float, float]]) -> str:
    made = f"M{points[0][0]} {points[0][1]}"
    for (x1, y1), (x2, y2) in itertools.pairwise(points):
        middle = (x1 + x2) / 2
        made += f"C{middle} {y1} {middle} {y2} {x2} {y2}"
    return made


def _axis(scale: Scale, height: float, shown: Any) -> str:
    parts = []
    for tick in scale.ticks():
        x = scale(tick)
        parts.append(f'<line class="grid" x1="{x}" x2="{x}" y1="{_HEAD - 6}" y2="{height}"/>')
        text = html.escape(shown(tick))
        parts.append(f'<text class="tick" x="{x}" y="{_HEAD - 12}" text-anchor="middle">{text}</text>')
    return "".join(parts)


def _mark(x: float, y: float, shape: str) -> str:
    corners = {
        "up": f"{x},{y - 6} {x + 6},{y + 5} {x - 6},{y + 5}",
        "down": f"{x},{y + 6} {x + 6},{y - 5} {x - 6},{y - 5}",
        "main": f"{x},{y - 6} {x + 6},{y} {x},{y + 6} {x - 6},{y}",
    }
    if shape in corners:
        return f'<polygon class="mark {shape}" points="{corners[shape]}"/>'
    return f'<circle class="mark {shape}" cx="{x}" cy="{y}" r="5"/>'


def _band(y: float) -> str:
    return f'<rect class="band" x="0" y="{y - _ROW / 2}" width="{_LABEL + _PLOT + _ASIDE}" height="{_ROW}"/>'


def _label(y: float, label: str, *, is_main: bool) -> str:
    text = html.escape(_cut(label, _LONGEST_LABEL - 8 * is_main))  # which is set in bold
    kind = "label main" if is_main else "label"
    return f'<text class="{kind}" x="4" y="{y + 4}">{"◆ " if is_main else ""}{text}</text>'


def _svg(title: str, width: float, height: float, parts: Sequence[str]) -> str:
    size = f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}"'
    return f'<svg role="img" aria-label="{html.escape(title)}" {size}>{"".join(parts)}</svg>'


def _sortable(value: float) -> float:
    return -math.inf if math.isnan(value) else value


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"
