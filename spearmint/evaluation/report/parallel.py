"""Parallel coordinates: each case a line through its parameters and its means."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spearmint.evaluation.report.labels import labels_of, short_names, text_of, varying_parameters
from spearmint.evaluation.report.scales import Scale, number, scale_over
from spearmint.evaluation.report.summary import Summary
from spearmint.evaluation.run.case_names import EvaluatedCase

_TOP, _BOTTOM = 44.0, 304.0  # pixels
_FIRST = 80
_FEW_VALUES = 7
_SHADES = 10
_HIGHEST = 1e300  # beyond which integers are no floats
_MISSING = object()


@dataclass(frozen=True, slots=True)
class Axis:
    """One parameter or metric: its name, place and ticks, in pixels."""

    name: str
    x: float
    ticks: Sequence[tuple[float, str]]
    is_metric: bool


@dataclass(frozen=True, slots=True)
class Polyline:
    """One case: its path, how strongly it is coloured (0 to 10), and everything about it."""

    path: str
    shade: int
    is_main: bool
    tip: str


@dataclass(frozen=True, slots=True)
class Parallel:
    """The plot, in pixels."""

    width: float
    axes: Sequence[Axis]
    lines: Sequence[Polyline]


def parallel(cases: Sequence[EvaluatedCase], summaries: Mapping[str, Sequence[Summary]]) -> Parallel | None:
    """Draw each case as a line through its parameters and its means, coloured by the first metric; None without any."""
    varying = varying_parameters(cases)
    if not varying or len(cases) < 2:  # noqa: PLR2004
        return None
    names = short_names(varying)
    columns = [(names[path], [case.parameters.get(path, _MISSING) for case in cases], False) for path in varying]
    columns += [(name, [one.estimate.value for one in of_metric], True) for name, of_metric in summaries.items()]
    gap = max(120, min(190, 900 // max(1, len(columns) - 1)))
    axes, heights = [], []
    for index, (name, values, is_metric) in enumerate(columns):
        placed, ticks = _place_values(values, is_metric=is_metric)
        # Lines that share a value of a parameter run side by side, not on top of each other.
        spread = 0 if is_metric else min(16.0, 3.0 * len(cases))
        apart = [(position / max(1, len(cases) - 1) - 0.5) * spread for position in range(len(cases))]
        heights.append([y + shift for y, shift in zip(placed, apart, strict=True)])
        axes.append(Axis(name, _FIRST + index * gap, ticks, is_metric))
    means = [one.estimate.value for one in next(iter(summaries.values()), [])] or [math.nan] * len(cases)
    shades = scale_over(means, 0, _SHADES, room=0)
    labels = labels_of(cases)
    lines = []
    for one in sorted(
        range(len(cases)), key=lambda position: -math.inf if math.isnan(means[position]) else means[position]
    ):
        path = _curve([(_FIRST + index * gap, round(column[one], 2)) for index, column in enumerate(heights)])
        of_metrics = ", ".join(
            f"{name} {number(of_metric[one].estimate.value)}" for name, of_metric in summaries.items()
        )
        shade = 0 if math.isnan(means[one]) else round(shades(means[one]))
        lines.append(Polyline(path, shade, cases[one].is_main, f"{labels[one]}: {of_metrics}"))
    return Parallel(gap * (len(columns) - 1) + 200, axes, lines)


def _place_values(values: Sequence[Any], *, is_metric: bool) -> tuple[list[float], list[tuple[float, str]]]:
    """Return where values stand on their axis, and the axis's ticks."""
    if is_metric or all(map(_is_number, values)):
        scale = scale_over([float(value) for value in values], _BOTTOM, _TOP, room=0.02)
        known = sorted({float(value) for value in values if math.isfinite(value)})
        shown = known if len(known) <= _FEW_VALUES and not is_metric else scale.ticks(4)
        placed = [scale(value) if math.isfinite(value) else _BOTTOM for value in values]
        return placed, [(scale(value), number(value)) for value in shown]
    texts = ["-" if value is _MISSING else text_of(value, 11) for value in values]
    names = list(dict.fromkeys(texts))
    scale = Scale(0, max(1, len(names) - 1), _BOTTOM, _TOP)
    places = {text: scale(index) for index, text in enumerate(names)}
    return [places[text] for text in texts], [(y, text) for text, y in places.items()]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _HIGHEST


def _curve(points: Sequence[tuple[float, float]]) -> str:
    made = f"M{points[0][0]} {points[0][1]}"
    for (x1, y1), (x2, y2) in itertools.pairwise(points):
        middle = (x1 + x2) / 2
        made += f"C{middle} {y1} {middle} {y2} {x2} {y2}"
    return made
