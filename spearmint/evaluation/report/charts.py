"""What the plots of a report show, in percent of their width and height; the templates draw it."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from spearmint.evaluation.directions import LATENCY
from spearmint.evaluation.report.effects import Effect, by_importance
from spearmint.evaluation.report.labels import seconds_text
from spearmint.evaluation.report.scales import Scale, number, percent, scale_over
from spearmint.evaluation.report.summary import Summary
from spearmint.evaluation.spending import usd_text
from spearmint.render import counted
from spearmint.statistics.paired import Difference

_KINDS = {"higher": "up", "lower": "down"}
_MARGIN = 4.0  # percent left free at either end, for marks and ticks
_LABELLED = 8  # points of a scatter that are named below it


@dataclass(frozen=True, slots=True)
class Mark:
    """One line of a plot of intervals.

    Attributes:
        label: What it is.
        kind: ``"main"``, ``"up"``, ``"down"`` or ``"same"``: how it compares with main.
        x: Where its mark stands, in percent; None without a value.
        low: Where its bar begins; None without one.
        high: Where its bar ends.
        text: Its value, in words.
        tip: Everything about it.
    """

    label: str
    kind: str
    x: float | None
    low: float | None
    high: float | None
    text: str
    tip: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines of intervals over one scale.

    Attributes:
        title: What it shows.
        ticks: Positions in percent, with their texts.
        line: Where the line to compare with stands; None without one.
        groups: Heads, and the lines below each.
        more: Lines that are shown when asked for.
    """

    title: str
    ticks: Sequence[tuple[float, str]]
    line: float | None
    groups: Sequence[tuple[str, Sequence[Mark]]]
    more: Sequence[Mark] = ()


@dataclass(frozen=True, slots=True)
class Point:
    """One case in the plot of a metric against latency or cost; ``number`` is 0 where it is not named."""

    x: float
    y: float
    kind: str
    number: int
    label: str
    tip: str


@dataclass(frozen=True, slots=True)
class Scatter:
    """A metric against latency or cost: points, and the ticks of both axes in percent."""

    title: str
    points: Sequence[Point]
    x_ticks: Sequence[tuple[float, str]]
    y_ticks: Sequence[tuple[float, str]]


def scores_chart(metric: str, labels: Sequence[str], summaries: Sequence[Summary], shown: int) -> Chart:
    """Show means with their intervals, and main's mean as a line; beyond ``shown`` cases, the others when asked for."""
    scale = _scale([value for one in summaries for value in (one.estimate.value, one.estimate.low, one.estimate.high)])
    marks = []
    for label, one in zip(labels, summaries, strict=True):
        mean = one.estimate
        counts = f"{counted(mean.n, 'row')}, {counted(one.errors, 'error')}"
        tip = f"{label}: {number(mean.value)} {interval_text(mean.low, mean.high)}, {counts}"
        text = number(mean.value)
        if one.difference is not None:
            tip += f"; {_difference_text(one.difference)}, {one.verdict}"
            text += f" ({one.difference.value:+.3g})" if not math.isnan(one.difference.value) else ""
        kind = "main" if one.is_main else _KINDS.get(one.verdict, "same")
        marks.append(_mark(scale, label, kind, (mean.value, mean.low, mean.high), (text, tip)))
    main = next((one.estimate.value for one in summaries if one.is_main), math.nan)
    title = f"{metric}: mean and 95 % interval"
    return Chart(title, _ticks(scale, number), _place(scale, main), [("", marks[:shown])], marks[shown:])


def effects_chart(metric: str, effects: Sequence[Effect]) -> Chart:
    """Show how far each value of each parameter is from main's, with all else equal."""
    found = [one.difference for one in effects if one.difference is not None]
    scale = _scale([0.0, *(value for one in found for value in (one.value, one.low, one.high))])
    groups = []
    for path, of_parameter in by_importance(effects):
        marks = []
        for one in of_parameter:
            label, mean = one.label, one.estimate
            tip = f"{path}={label}: {number(mean.value)} {interval_text(mean.low, mean.high)}, {counted(mean.n, 'row')}"
            if one.difference is None:
                marks.append(_mark(scale, label, "main", (0.0, math.nan, math.nan), (number(mean.value), tip)))
                continue
            bounds = (one.difference.value, one.difference.low, one.difference.high)
            text = f"{number(mean.value)} ({one.difference.value:+.3g})" if one.difference.n else "varies with others"
            tip += f"; {_difference_text(one.difference)}, {one.verdict}"
            marks.append(_mark(scale, label, _KINDS.get(one.verdict, "same"), bounds, (text, tip)))
        groups.append((path, marks))
    title = f"{metric}: difference from main's value of each parameter"
    return Chart(title, _ticks(scale, lambda value: f"{value:+.3g}"), _place(scale, 0.0), groups)


def latency_chart(labels: Sequence[str], summaries: Sequence[Summary]) -> Chart:
    """Show how long the function took: a bar from the median to the 95th percentile."""
    scale = scale_over([0.0, *(one.p95 for one in summaries)], _MARGIN, 100 - _MARGIN)
    scale = Scale(0.0, scale.high, _MARGIN, 100 - _MARGIN)
    marks = []
    for label, one in zip(labels, summaries, strict=True):
        p50, p95 = seconds_text(one.p50), seconds_text(one.p95)
        tip = f"{label}: half of the cells within {p50}, 95 % within {p95}"
        kind = "main" if one.is_main else "same"
        marks.append(_mark(scale, label, kind, (one.p50, one.p50, one.p95), (f"{p50} to {p95}", tip)))
    return Chart("Latency: median and 95th percentile", _ticks(scale, seconds_text), None, [("", marks)])


def scatter(
    metric: str, labels: Sequence[str], summaries: Sequence[Summary], expense: str, spent: Sequence[float]
) -> Scatter | None:
    """Show a metric against latency or cost; main, and cases that none beats in both, are named.

    Args:
        metric: The metric.
        labels: What to call the cases.
        summaries: What each did.
        expense: What is on the other axis: `LATENCY` in seconds, or `COST` in US dollars.
        spent: How much of it each took.
    """
    known = [one for one in range(len(summaries)) if not math.isnan(summaries[one].estimate.value + spent[one])]
    if len(known) < 2:  # noqa: PLR2004 - there is nothing to compare
        return None
    shown = seconds_text if expense == LATENCY else usd_text
    across = scale_over([spent[one] for one in known], 6, 94)
    up = scale_over([summaries[one].estimate.value for one in known], 92, 8)
    front = _front(summaries, spent, known)
    named = {position: order for order, position in enumerate(front[:_LABELLED], 1)}
    points = []
    for one in sorted(known, key=lambda position: position in named):  # named ones are drawn over the others
        mean = summaries[one].estimate.value
        kind = "main" if summaries[one].is_main else "front" if one in front else "same"
        tip = f"{labels[one]}: {metric} {number(mean)}, {shown(spent[one])}"
        points.append(Point(across(spent[one]), up(mean), kind, named.get(one, 0), labels[one], tip))
    title = f"{metric} against {'median latency' if expense == LATENCY else 'mean cost'}"
    return Scatter(title, points, _ticks(across, shown, 4), _ticks(up, number, 4))


def _front(summaries: Sequence[Summary], spent: Sequence[float], known: Sequence[int]) -> list[int]:
    """Return main, and the cases that no other beats in both mean and expense, the best mean first."""
    best, least = [], math.inf
    for one in sorted(known, key=lambda position: (-summaries[position].estimate.value, spent[position])):
        if spent[one] < least:
            best.append(one)
            least = spent[one]
    mains = [one for one in known if summaries[one].is_main]
    return [*mains, *(one for one in best if one not in mains)]


def interval_text(low: float, high: float, sign: str = "") -> str:
    """Return an interval in brackets; nothing where there is none."""
    return "" if math.isnan(low) or math.isnan(high) else f"[{low:{sign}.3g}, {high:{sign}.3g}]"


def _difference_text(found: Difference) -> str:
    interval = f"{percent(found.confidence)} interval {interval_text(found.low, found.high, '+')}"
    return f"{found.value:+.4g} vs. main, {interval}, p={found.adjusted:.2g}"


def _mark(scale: Scale, label: str, kind: str, bounds: tuple[float, float, float], words: tuple[str, str]) -> Mark:
    x, low, high = (_place(scale, value) for value in bounds)
    return Mark(label, kind, x, low, high if low is not None else None, *words)


def _scale(values: Sequence[float]) -> Scale:
    return scale_over(values, _MARGIN, 100 - _MARGIN)


def _place(scale: Scale, value: float) -> float | None:
    return None if math.isnan(value) else scale(value)


def _ticks(scale: Scale, shown: Callable[[float], str], count: int = 4) -> list[tuple[float, str]]:
    return [(scale(tick), shown(tick)) for tick in scale.ticks(count)]
