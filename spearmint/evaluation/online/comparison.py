"""From moments to what each arm did by a metric: means, and differences from the main arm."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from scipy import stats

from spearmint.evaluation.online.metric import OnlineMetric
from spearmint.evaluation.online.unit_statistics import MetricMoments
from spearmint.evaluation.online.weighted_statistics import WeightedMoments
from spearmint.statistics.intervals import CONFIDENCE, Estimate, Values, wilson
from spearmint.statistics.looks import (
    GapSeries,
    RunningBounds,
    adjusted_by,
    adjusted_gaps,
    as_ratios,
    mean_gaps,
    ratio_gaps,
    running_bounds,
    slopes,
)
from spearmint.statistics.multiple import adjusted_levels, holm
from spearmint.statistics.paired import FEWEST_ROWS, Difference, Verdict
from spearmint.statistics.regression_adjustment import adjusted_gap
from spearmint.statistics.sequential import half_width, mixture_precision
from spearmint.statistics.unpaired import Gap, Moments, mean_gap, ratio_gap
from spearmint.statistics.weighted_looks import WeightedSeries, with_common_spread

SEQUENTIAL = "confidence sequence"
_SERIES = {"plain": mean_gaps, "ratio": ratio_gaps, "adjusted": adjusted_gaps}
_GAPS = {"plain": mean_gap, "ratio": ratio_gap, "adjusted": adjusted_gap}


@dataclass(frozen=True, slots=True)
class UnitDifference(Difference):
    """How far an arm's mean is from the main arm's, over units of their own.

    Attributes:
        alpha: How likely a false alarm is to be, over all arms of the metric.
        fewest: Units of the smaller of the two arms; where units have weights, how many of equal weight tell as much.
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


@dataclass(frozen=True, slots=True)
class _Compared:
    """An arm against main: now, look by look, and how many units the smaller of the two has."""

    gap: Gap
    series: GapSeries
    fewest: int


def compare_arms(
    metric: OnlineMetric, moments: MetricMoments | WeightedMoments, arms: Sequence[str], design: Design
) -> tuple[list[OnlineSummary], list[Looks]]:
    """Return what each arm did by a metric, main first, and how the differences of the others became known."""
    if isinstance(moments, WeightedMoments):
        compared, estimates = _compared_by_weight(metric, moments.arms, design)
    else:
        compared, estimates = _compared(metric, moments, design)
    p_values = [_p_value(one.gap, running_bounds(one.series, design.rho2, design.alpha), design) for one in compared]
    adjusted = holm(p_values)
    levels = adjusted_levels(p_values, adjusted, design.alpha)
    looks = [
        Looks(one.series, running_bounds(one.series, design.rho2, level))
        for one, level in zip(compared, levels, strict=True)
    ]
    test = _test_name(metric, design) + (", inverse propensity" if isinstance(moments, WeightedMoments) else "")
    summaries = [OnlineSummary(arms[0], True, metric.name, metric.kind, estimates[0], None)]  # noqa: FBT003 - a field
    for position, (one, p, q, level) in enumerate(zip(compared, p_values, adjusted, levels, strict=True), 1):
        gap = one.gap
        bounds = _bounds(gap, looks[position - 1].bounds, level, design)
        found = UnitDifference(gap.n, gap.value, *bounds, p, q, test, 1 - level, None, design.alpha, one.fewest)
        summaries.append(
            OnlineSummary(arms[position], False, metric.name, metric.kind, estimates[position], found, gap.error)  # noqa: FBT003
        )
    return summaries, looks


def _compared(metric: OnlineMetric, moments: MetricMoments, design: Design) -> tuple[list[_Compared], list[Estimate]]:
    way = design.way(metric)
    last = [arm.last() for arm in moments.arms]
    main = moments.arms[0]
    compared = [
        _Compared(
            _GAPS[way](now, last[0]),
            _known(_SERIES[way](arm, main), np.minimum(arm.n, main.n)),
            min(now.n, last[0].n),
        )
        for arm, now in zip(moments.arms[1:], last[1:], strict=True)
    ]
    estimates = [
        wilson(round(one.mean * one.n), one.n)
        if is_rate and one.n and not design.is_sequential
        else _estimate(one, one.n, design, is_ratio=metric.kind == "ratio")
        for one, is_rate in zip(last, moments.are_rates, strict=True)
    ]
    return compared, estimates


def _compared_by_weight(
    metric: OnlineMetric, arms: Sequence[WeightedSeries], design: Design
) -> tuple[list[_Compared], list[Estimate]]:
    """Do what `_compared` does for units with weights, of which an arm may have few that count for many."""
    if metric.kind == "ratio":
        arms = [arm.changed(as_ratios) for arm in arms]
    shown = with_common_spread(arms)
    effective = [float(arm.effective[-1]) if len(arm.effective) else 0.0 for arm in arms]
    compared = []
    for position in range(1, len(arms)):
        ours, main = shown[position], shown[0]
        if design.way(metric) == "adjusted":
            theta = slopes(arms[position].spread, arms[0].spread)
            pair = [arms[at].changed(partial(adjusted_by, theta=theta)) for at in (position, 0)]
            ours, main = with_common_spread(pair)
        fewest = min(effective[position], effective[0])
        gap = replace(mean_gap(ours.last(), main.last()), freedom=max(1.0, fewest - 1))
        series = _known(mean_gaps(ours, main), np.minimum(arms[position].effective, arms[0].effective))
        compared.append(_Compared(gap, series, int(fewest)))
    return compared, [_estimate(one.last(), n, design) for one, n in zip(shown, effective, strict=True)]


def _known(found: GapSeries, fewest: Values) -> GapSeries:
    """Return the differences look by look; those with too few units for the interval to hold narrow nothing."""
    return GapSeries(found.n, found.value, np.where(fewest < FEWEST_ROWS, math.nan, found.error))


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


def _estimate(arm: Moments, effective: float, design: Design, *, is_ratio: bool = False) -> Estimate:
    """Return an arm's mean, or ratio, with an interval that is as valid as the differences are."""
    if arm.n == 0:
        return Estimate(0, math.nan, math.nan, math.nan)
    # From an arm of which all is known to be 0.
    gap = ratio_gap(arm, Moments(arm.n, 0.0, 0.0, 1.0)) if is_ratio else mean_gap(arm, Moments(arm.n, 0.0, 0.0))
    if not gap.error > 0:
        return Estimate(arm.n, gap.value, math.nan, math.nan)
    if design.is_sequential:
        half = half_width(gap.error, arm.n, design.rho2, design.alpha)
    else:
        half = gap.error * float(stats.t.isf(design.alpha / 2, max(1.0, effective - 1)))
    return Estimate(arm.n, gap.value, gap.value - half, gap.value + half)
