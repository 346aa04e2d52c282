"""From records to sufficient statistics of arms whose shares move: each unit is weighed by 1 / propensity, in SQL."""

from collections.abc import Sequence
from dataclasses import dataclass

from spearmint.evaluation.online.journal_table import JournalTable
from spearmint.evaluation.online.metric import OnlineMetric
from spearmint.evaluation.online.unit_statistics import LOOK_EVERY, grid_of, looks_of
from spearmint.statistics.weighted_looks import WeightedSeries, WeightSums, cumulated_by_weight

_PARTS = {"ones": "1", "y": "y", "x": "x", "yy": "y * y", "xx": "x * x", "yx": "y * x"}


@dataclass(frozen=True, slots=True)
class WeightedMoments:
    """One metric of all arms, each unit weighed by 1 / propensity.

    Attributes:
        arms: For each arm what is known of it at each look.
    """

    arms: Sequence[WeightedSeries]


def measure_weighted(table: JournalTable, metrics: Sequence[OnlineMetric], arms: int) -> list[WeightedMoments]:
    """Return the moments of each metric, by arm and look, as `unit_statistics.measure` does; arguments are as there.

    Units without a propensity have no weight, and do not count.
    """
    return [_of_metric(table, at, arms) for at in range(len(metrics))]


def _of_metric(table: JournalTable, at: int, arms: int) -> WeightedMoments:
    counted = f"FROM numbers WHERE weight IS NOT NULL AND y{at} IS NOT NULL"
    (centre,) = table.rows(f"SELECT coalesce(avg(y{at}), 0), coalesce(avg(x{at}), 0) {counted}")
    sums = [
        f"sum({weight} * {part}) AS {name}_{power}"
        for power, weight in enumerate(("weight", "weight * weight"), 1)
        for name, part in _PARTS.items()
    ]
    found = table.arrays(
        f"""
        SELECT look, position, count(*)::DOUBLE AS n, {", ".join(sums)}
        FROM (SELECT id // {LOOK_EVERY} AS look, position, weight, y{at} - ? AS y, x{at} - ? AS x {counted})
        GROUP BY ALL
        """,  # noqa: S608 - columns of our own
        centre,
    )
    looks = looks_of(table)
    n = grid_of(found, "n", arms, looks)
    grids = [{name: grid_of(found, f"{name}_{power}", arms, looks) for name in _PARTS} for power in (1, 2)]
    series = []
    for arm in range(arms):
        weighted, squared = (WeightSums(**{name: grid[arm] for name, grid in of_power.items()}) for of_power in grids)
        series.append(cumulated_by_weight(n[arm], weighted, squared, centre=(float(centre[0]), float(centre[1]))))
    return WeightedMoments(series)
