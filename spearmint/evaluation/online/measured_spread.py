"""How much units vary, and how many come on a day, as journals have it: what a plan for a test is made of."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from spearmint.assignment.stages import COSTS
from spearmint.errors import EvaluationError
from spearmint.evaluation.online.journal_table import JournalPath, open_journals
from spearmint.evaluation.online.metric import metrics_of
from spearmint.evaluation.online.record_groups import ArmRecords, arm_records, chosen_experiment, recorded_outcomes
from spearmint.evaluation.online.unit_statistics import expose, measure
from spearmint.online.journal_tail import JournalTail
from spearmint.online.unit_table import UnitTable
from spearmint.statistics.looks import as_ratios
from spearmint.statistics.regression_adjustment import adjusted, slope
from spearmint.statistics.unpaired import Moments, moments

_DAY = 86_400e9  # in ns
_SHORTEST = 1 / 24  # days of exposures from which one may tell how many units come on a day
_NONE = Moments(0, math.nan, math.nan)


@dataclass(frozen=True, slots=True)
class MeasuredSpread:
    """What journals say of a metric before a test is planned.

    Attributes:
        experiment: The experiment.
        units: How many units this is from.
        deviation: Standard deviation of the metric between units of one arm; of a ratio, what the standard error of an
            arm's ratio is times the root of its number of units, by the delta method.
        adjusted: The same, less what each unit's own values before its exposure explain (CUPED); None without those,
            and for a ratio.
        paired: Standard deviation of the differences that the shadow has measured between an arm and the first config
            on the same unit; None without.
        per_day: How many units were exposed on a day; None where exposures tell of less than an hour.
    """

    experiment: str
    units: int
    deviation: float
    adjusted: float | None
    paired: float | None
    per_day: float | None


def measured_spread(journal: JournalPath, experiment: str | None, metric: str) -> MeasuredSpread:
    """Return how much units vary, of the version of an experiment that was exposed last.

    Args:
        journal: Folder of the journal.
        experiment: Its name; None for the only one.
        metric: The name of an outcome, ``"error"`` or ``"duration"``, or a ratio of two such as ``"clicks/views"``.

    Raises:
        EvaluationError: If there is no such experiment or metric, or too few units for a spread.
    """
    with open_journals(journal) as table:
        name = chosen_experiment(table, experiment)
        (asked,) = metrics_of([metric], recorded_outcomes(table, name))
        found = arm_records(table, name)
        version = max(found, key=lambda one: one.last).version
        ours = [one for one in found if one.version == version]
        arms = list(dict.fromkeys([ours[0].main, *(one.arm for one in ours)]))
        units = expose(table, name, version, arms, [asked], with_before=True)
        (measured,) = measure(table, [asked], len(arms))
    series = [as_ratios(arm) if asked.kind == "ratio" else arm for arm in measured.arms]
    pooled = _pooled([arm.last() for arm in series])
    if pooled is None:
        raise EvaluationError(
            f"Cannot plan for {metric!r}: fewer than two units of an arm have it. Let more of them come."
        )
    theta = slope(pooled, _NONE)
    return MeasuredSpread(
        name,
        pooled.n,
        math.sqrt(pooled.variance),
        math.sqrt(adjusted(pooled, theta).variance) if pooled.other_variance > 0 else None,
        _paired_deviation(journal, (name, version), arms, metric),
        _per_day(ours, units),
    )


def _pooled(arms: Sequence[Moments]) -> Moments | None:
    """Return moments within arms: what differs between them is no spread."""
    several = [arm for arm in arms if arm.n > 1 and not math.isnan(arm.variance)]
    freedom = sum(arm.n - 1 for arm in several)
    if not freedom:
        return None

    def within(field: str) -> float:
        return float(sum((arm.n - 1) * getattr(arm, field) for arm in several) / freedom)

    spreads = [within(field) for field in ("variance", "other_variance", "covariance")]
    return Moments(freedom + 1, 0.0, spreads[0], 0.0, spreads[1], spreads[2])


def _paired_deviation(journal: JournalPath, key: tuple[str, str], arms: Sequence[str], metric: str) -> float | None:
    """Return how much differences between an arm and the first config vary, for the arm where they vary most."""
    if metric not in COSTS or not Path(journal).is_dir():
        return None
    table, tail = UnitTable(*key), JournalTail(journal)
    while not tail.is_at_end:
        table.add(record for record in tail.read() if record.get("type") == "shadow")
    pairs = [moments(table.paired_values(arm, metric)) for arm in arms]
    return max((math.sqrt(one.variance) for one in pairs if one.n > 1), default=None)


def _per_day(arms: Sequence[ArmRecords], units: int) -> float | None:
    days = (max(one.last for one in arms) - min(one.first for one in arms)) / _DAY
    return units / days if days >= _SHORTEST else None
