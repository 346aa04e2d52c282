"""From moments to what each arm did by a metric: means, and differences from the main arm."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy import stats

from spearmint.evaluation.online.metric import OnlineMetric
from spearmint.evaluation.online.unit_statistics import MetricMoments
from spearmint.statistics.intervals import CONFIDENCE, Estimate, wilson
from spearmint.statistics.looks import (
    GapSeries,
    MomentSeries,
    RunningBounds,
    adjusted_gaps,
    mean_gaps,
    ratio_gaps,
    running_bounds,
)
from spearmint.statistics.multiple import adjusted_levels, holm
from spearmint.statistics.paired import FEWEST_ROWS, Difference, Verdict
from spearmint.statistics.regression_adjustment import adjusted_gap
from spearmint.statistics.sequential import half_width, mixture_precision
from spearmint.statistics.unpaired import Gap, Moments, mean_gap, ratio_gap

SEQUENTIAL = "confidence sequence"
_SERIES = {"plain": mean_gaps, "ratio": ratio_gaps, "adjusted": adjusted_gaps}
_GAPS = {"plain": mean_gap, "ratio": ratio_gap, "adjusted": adjusted_gap}


@dataclass(frozen=True, slots=True)
class UnitDifference(Difference):
    """How far an arm's mean is from the main arm's, over units of their own.

    Attributes:
        alpha: How likely a false alarm is to be, over all arms of the metric.
        fewest: Units of the smaller of the two arms.
        doubt: Why the records can bear no verdict, in a sentence; empty where they can.
    """

    alpha: float = 1 - CONFIDENCE
    fewest: int = 0
    doubt: str = ""

    @property
    def shortage(self) -> str:
        """What is missing for a verdict, in words; empty where nothing is."""
        if self.doubt:
            return self.doubt
        return f"{self.fewest} units in an arm, at least {FEWEST_ROWS} are needed" if self.fewest < FEWEST_ROWS else ""

    @property
    def verdict(self) -> Verdict:
        """What the data say; ``"inconclusive"`` where the records can bear no verdict, or units are too few."""
        if self.shortage or math.isnan(self.adjusted):
            return "inconclusive"
        if self.adjusted > self.alpha:
            return "no clear difference"
        return "higher" if self.value > 0 else "lower"


@dataclass(frozen=True, slots=True)
class OnlineSummary:
    """What one arm did by one metric.

    Attributes:
        case_id: The arm: its config id.
        is_main: Whether it is the one that others are compared with.
        metric: Name of the metric.
        kind: ``"sum"``, ``"mean"`` or ``"ratio"``.
        estimate: Units with a value, their mean (of a ratio, the ratio) and its interval.
        difference: The difference from main; None for main itself.
        error: Standard error of the difference; NaN for main itself.
    """

    case_id: str
    is_main: bool
    metric: str
    kind: str
    estimate: Estimate
    difference: UnitDifference | None
    error: float = math.nan

    @property
    def verdict(self) -> str:
        """What the data say of the difference from main, in words; empty for main itself."""
        if self.difference is None:
            return ""
        if self.difference.doubt:
            return f"no verdict: {self.difference.doubt}"
        shortage = self.difference.shortage
        return f"inconclusive: {shortage}" if shortage else self.difference.verdict


@dataclass(frozen=True, slots=True)
class Looks:
    """The difference of an arm from main as it became known.

    Attributes:
        gaps: Units, difference and standard error at each look.
        bounds: Bounds and p-value at each look, which hold together with all before.
    """

    gaps: GapSeries
    bounds: RunningBounds

    @property
    def has_drifted(self) -> bool:
        """Whether the intervals of all looks have nothing in common."""
        return len(self.bounds.low) > 0 and bool(self.bounds.low[-1] > self.bounds.high[-1])


@dataclass(frozen=True, slots=True)
class Design:
    """How differences are judged.

    Attributes:
        alpha: How likely a false alarm is to be, over all arms of a metric.
        horizon: About how many units the verdict is expected at.
        is_sequential: Whether it holds at every look, or at one that was planned.
        is_adjusted: Whether differences are less what units' values before explain.
    """

    alpha: float
    horizon: float
    is_sequential: bool
    is_adjusted: bool

    @property
    def rho2(self) -> float:
        """The precision with which intervals are narrowest at the horizon."""
        return mixture_precision(self.horizon, self.alpha)

    def way(self, metric: OnlineMetric) -> str:
        """Return the name of the way in which a metric's differences are made."""
        return "ratio" if metric.kind == "ratio" else "adjusted" if self.is_adjusted else "plain"


def compare_arms(
    metric: OnlineMetric, moments: MetricMoments, arms: Sequence[str], design: Design
) -> tuple[list[OnlineSummary], list[Looks]]:
    """Return what each arm did by a metric, main first, and how the differences of the others became known."""
    last = [arm.last() for arm in moments.arms]
    gaps = [_GAPS[design.way(metric)](one, last[0]) for one in last[1:]]
    series = [_known(design.way(metric), one, moments.arms[0]) for one in moments.arms[1:]]
    p_values = [
        _p_value(gap, running_bounds(of_arm, design.rho2, design.alpha), design)
        for gap, of_arm in zip(gaps, series, strict=True)
    ]
    adjusted = holm(p_values)
    levels = adjusted_levels(p_values, adjusted, design.alpha)
    looks = [
        Looks(of_arm, running_bounds(of_arm, design.rho2, level)) for of_arm, level in zip(series, levels, strict=True)
    ]
    summaries = [
        OnlineSummary(
            arm, position == 0, metric.name, metric.kind, _estimate(metric, one, design, is_rate=is_rate), None
        )
        for position, (arm, one, is_rate) in enumerate(zip(arms, last, moments.are_rates, strict=True))
    ]
    for position, (gap, p, q, level) in enumerate(zip(gaps, p_values, adjusted, levels, strict=True), 1):
        bounds = _bounds(gap, looks[position - 1].bounds, level, design)
        test = _test_name(metric, design)
        fewest = min(last[position].n, last[0].n)
        one = summaries[position]
        found = UnitDifference(gap.n, gap.value, *bounds, p, q, test, 1 - level, None, design.alpha, fewest)
        summaries[position] = OnlineSummary(
            one.case_id, one.is_main, one.metric, one.kind, one.estimate, found, gap.error
        )
    return summaries, looks


def _known(way: str, ours: MomentSeries, main: MomentSeries) -> GapSeries:
    """Return the differences look by look; those with too few units for the interval to hold narrow nothing."""
    found = _SERIES[way](ours, main)
    error = found.error.copy()
    error[(ours.n < FEWEST_ROWS) | (main.n < FEWEST_ROWS)] = math.nan
    return GapSeries(found.n, found.value, error)


def _p_value(gap: Gap, bounds: RunningBounds, design: Design) -> float:
    if not design.is_sequential or math.isnan(gap.value):
        return gap.p_value
    if gap.error == 0 and gap.value != 0:
        return math.nan  # No unit differs from others of its arm, which says nothing of how units vary.
    return float(bounds.p_value[-1])


def _bounds(gap: Gap, bounds: RunningBounds, level: float, design: Design) -> tuple[float, float]:
    if not design.is_sequential:
        return gap.interval(level)
    if not len(bounds.low) or math.isinf(bounds.low[-1]):
        return math.nan, math.nan
    return float(bounds.low[-1]), float(bounds.high[-1])


def _test_name(metric: OnlineMetric, design: Design) -> str:
    name = SEQUENTIAL if design.is_sequential else "Welch's t"
    way = design.way(metric)
    return f"{name}, delta method" if way == "ratio" else f"{name}, CUPED" if way == "adjusted" else name


def _estimate(metric: OnlineMetric, arm: Moments, design: Design, *, is_rate: bool) -> Estimate:
    """Return an arm's mean, or ratio, with an interval that is as valid as the differences are."""
    none = Moments(arm.n, 0.0, 0.0, 1.0) if metric.kind == "ratio" else Moments(arm.n, 0.0, 0.0)
    if arm.n == 0:
        return Estimate(0, math.nan, math.nan, math.nan)
    if is_rate and not design.is_sequential:
        return wilson(round(arm.mean * arm.n), arm.n)
    gap = (ratio_gap if metric.kind == "ratio" else mean_gap)(arm, none)  # from an arm of which all is known to be 0
    if not gap.error > 0:
        return Estimate(arm.n, gap.value, math.nan, math.nan)
    if design.is_sequential:
        half = half_width(gap.error, arm.n, design.rho2, design.alpha)
    else:
        half = gap.error * float(stats.t.isf(design.alpha / 2, arm.n - 1))
    return Estimate(arm.n, gap.value, gap.value - half, gap.value + half)
