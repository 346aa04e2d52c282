"""What the plots of a report on an online experiment show, in units of an SVG's view box; the templates draw it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from spearmint.evaluation.online.comparison import Looks, OnlineSummary
from spearmint.evaluation.online.facts import OnlineFacts
from spearmint.evaluation.report.scales import Scale, number, scale_over
from spearmint.statistics.intervals import Values

WIDTH, HEIGHT = 720.0, 200.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 64.0, 12.0, 10.0, 26.0
_MOST_POINTS = 400
_WIDEST = 6.0
"""Times the last interval's width, beyond which early intervals are cut, so that the last ones can be seen."""


@dataclass(frozen=True, slots=True)
class LineChart:
    """Lines over a scale.

    Attributes:
        title: What it shows.
        description: The same in a sentence with its numbers, for those who cannot see it.
        x_ticks: Positions with their texts.
        y_ticks: The same.
        zero: Where the line of no difference stands; None without one.
        band: The path of an area; empty without one.
        lines: Names, kinds (a class of the style sheet) and paths.
    """

    title: str
    description: str
    x_ticks: Sequence[tuple[float, str]]
    y_ticks: Sequence[tuple[float, str]]
    zero: float | None
    band: str
    lines: Sequence[tuple[str, str, str]]


def sequence_chart(summary: OnlineSummary, looks: Looks) -> LineChart | None:
    """Show how an arm's interval narrows with more units; None where there is nothing to show yet."""
    gaps, bounds = looks.gaps, looks.bounds
    known = np.flatnonzero(np.isfinite(bounds.low) & np.isfinite(bounds.high) & np.isfinite(gaps.value))
    if len(known) < 2 or summary.difference is None:  # noqa: PLR2004 - a line has two ends
        return None
    # Where there are many looks, some are drawn, the last one among them.
    chosen = known[np.unique(np.linspace(0, len(known) - 1, min(_MOST_POINTS, len(known))).astype(int))]
    n, value, low, high = gaps.n[chosen], gaps.value[chosen], bounds.low[chosen], bounds.high[chosen]
    middle, reach = (low[-1] + high[-1]) / 2, max(high[-1] - low[-1], 1e-12) * _WIDEST
    low, high = np.maximum(low, middle - reach), np.minimum(high, middle + reach)
    across = Scale(0.0, float(n[-1]), _LEFT, WIDTH - _RIGHT)
    up = scale_over([0.0, *low.tolist(), *high.tolist()], HEIGHT - _BOTTOM, _TOP)
    value = np.clip(value, up.low, up.high)
    lower, upper = _points(across, up, n, low), _points(across, up, n, high)
    found = summary.difference
    text = (
        f"{summary.metric} of {summary.case_id} less main's after {found.n} units: {found.value:+.4g}, interval "
        f"{found.low:+.4g} to {found.high:+.4g}"
    )
    return LineChart(
        f"{summary.metric}: {summary.case_id} less main",
        text,
        [(across(tick), f"{tick:,.0f}") for tick in across.ticks(5)],
        [(up(tick), number(tick)) for tick in up.ticks(4)],
        up(0.0),
        f"M{' L'.join([*upper, *reversed(lower)])} Z",
        [("difference", "difference", f"M{' L'.join(_points(across, up, n, value))}")],
    )


def exposures_chart(facts: OnlineFacts) -> LineChart | None:
    """Show how many units each arm has over time; None where all came at once."""
    if len(facts.times) < 2:  # noqa: PLR2004 - a line has two ends
        return None
    totals = np.cumsum(facts.gained, axis=1)
    width = facts.times[1] - facts.times[0]
    ends = np.array([facts.times[0], *(time + width for time in facts.times)], dtype=float)
    across = Scale(float(ends[0]), float(ends[-1]), _LEFT, WIDTH - _RIGHT)
    up = Scale(0.0, float(totals.max()) * 1.05, HEIGHT - _BOTTOM, _TOP)
    lines = [
        (arm, f"arm{position % 6}", f"M{' L'.join(_points(across, up, ends, np.array([0.0, *totals[position]])))}")
        for position, arm in enumerate(facts.arms)
    ]
    counts = ", ".join(f"{arm} {count}" for arm, count in zip(facts.arms, facts.units.counts, strict=True))
    ticks = [ends[0] + (ends[-1] - ends[0]) * share for share in (0.0, 0.5, 1.0)]
    return LineChart(
        "Units exposed over time",
        f"Units by arm at the end: {counts}",
        [(across(tick), _when(tick, ends[-1] - ends[0])) for tick in ticks],
        [(up(tick), f"{tick:,.0f}") for tick in up.ticks(4)],
        None,
        "",
        lines,
    )


def _points(across: Scale, up: Scale, xs: Values, ys: Values) -> list[str]:
    return [f"{across(float(x)):g},{up(float(y)):g}" for x, y in zip(xs, ys, strict=True) if not math.isnan(y)]


def _when(time: float, span: float) -> str:
    is_short = span < 2 * 86_400e9  # ns
    return datetime.fromtimestamp(time / 1e9, UTC).strftime("%m-%d %H:%M" if is_short else "%Y-%m-%d")
