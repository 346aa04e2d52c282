"""From records to sufficient statistics per arm and look, in SQL: no unit comes into the memory of this process."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from spearmint.evaluation.online.journal_table import JournalTable
from spearmint.evaluation.online.metric import OnlineMetric
from spearmint.statistics.intervals import Values
from spearmint.statistics.looks import MomentSeries, cumulated

LOOK_EVERY = 100
"""Units, of all arms together, after which there is a look."""
SPANS = 60
"""Spans of time by which exposures are counted."""


@dataclass(frozen=True, slots=True)
class MetricMoments:
    """One metric of all arms.

    Attributes:
        arms: For each arm its moments at each look.
        are_rates: For each arm whether all values are 0 or 1.
    """

    arms: Sequence[MomentSeries]
    are_rates: Sequence[bool]


def expose(
    table: JournalTable,
    experiment: str,
    version: str | None,
    arms: Sequence[str],
    metrics: Sequence[OnlineMetric],
    *,
    with_before: bool,
) -> int:
    """Make the table of exposed units: each with its first arm, its place in time, and what its outcomes sum up to.

    The weight of a unit is 1 over the propensity of its first exposure; nothing where that is no propensity. The view
    ``numbers`` has of each unit the value ``y`` and the second number ``x`` of each metric.

    Args:
        table: The records.
        experiment: The experiment.
        version: Of which version exposures, and means over calls, are; None for all.
        arms: Its arms.
        metrics: The metrics.
        with_before: Whether the second number of a unit is its value before its exposure; else it is 0, and of a ratio
            the denominator.

    Returns:
        How many units there are.
    """
    names = list(dict.fromkeys(name for one in metrics for name in (one.outcome, one.per) if name))
    counted = {one.outcome for one in metrics if one.kind == "mean"}
    _sum_by_unit(table, (experiment, version), arms, {name: name in counted for name in names})
    # Of units exposed at the same time, the order must not depend on threads. What is sorted is kept narrow.
    table.run(
        """
        CREATE OR REPLACE TABLE exposed AS
        SELECT id, * EXCLUDE (id, row_at, propensity, earliest), coalesce(earliest < first, false) AS has_earlier,
            CASE WHEN propensity > 0 AND propensity <= 1 THEN 1 / propensity END AS weight
        FROM (
            SELECT row_at, row_number() OVER (ORDER BY first, tie) - 1 AS id
            FROM (SELECT rowid AS row_at, first, hash(unit) AS tie FROM totals WHERE first IS NOT NULL)
        ) JOIN (SELECT rowid AS row_at, * FROM totals) USING (row_at)
        """
    )
    table.run("DROP TABLE totals")
    _part_at_exposure(table, (experiment, version), names)
    numbers = [_numbers(metric, names, with_before=with_before) for metric in metrics]
    columns = "".join(f", {value} AS y{at}, {other} AS x{at}" for at, (value, other) in enumerate(numbers))
    table.run(
        f"CREATE OR REPLACE TEMP VIEW numbers AS SELECT id, position, weight{columns} "  # noqa: S608 - as below
        "FROM exposed LEFT JOIN parted USING (id)"
    )
    return int(table.rows("SELECT count(*) FROM exposed")[0][0])


def _sum_by_unit(
    table: JournalTable, key: tuple[str, str | None], arms: Sequence[str], names: Mapping[str, bool]
) -> None:
    """Find each unit's first exposure, and sum up its outcomes: in one pass, as most outcomes come after it.

    Args:
        table: The records.
        key: The experiment, and its version.
        arms: Its arms.
        names: The outcomes, and of which the calls are summed up that they are means over.
    """
    arm_of = "".join(f" WHEN arm = ? THEN {at}" for at in range(len(arms)))
    place = "".join(f" WHEN name = ? THEN {at}" for at in range(len(names)))
    totals = [("total", "t", "s", at) for at in range(len(names))]
    totals += [("calls", "n", "c", at) for at, is_counted in enumerate(names.values()) if is_counted]
    parts = "".join(f", CASE WHEN place = {at} THEN {number} END AS {part}{at}" for number, part, _, at in totals)
    sums = "".join(f", sum({part}{at}) AS {whole}{at}" for _, part, whole, at in totals)
    table.run(
        f"""
        CREATE OR REPLACE TABLE totals AS
        SELECT unit, min(exposed_at) AS first, arg_min(position, exposed_at) AS position,
            arg_min(propensity, exposed_at) AS propensity, min(position) <> max(position) AS is_crossed,
            min(told_at) AS earliest{sums}
        FROM (
            SELECT *{parts} FROM (
                SELECT unit,
                    CASE WHEN type = 'exposure' THEN time END AS exposed_at,
                    CASE WHEN type = 'outcome' THEN time END AS told_at,
                    CASE WHEN type = 'outcome' THEN NULL{arm_of} END AS position,
                    CASE WHEN type = 'exposure' THEN coalesce(propensity, 0) END AS propensity,
                    CASE WHEN type = 'exposure' THEN NULL{place} END AS place,
                    value * coalesce(count, 1) AS total, count::DOUBLE AS calls
                FROM lines
                WHERE unit IS NOT NULL AND coalesce(version = ?, true) AND (
                    type = 'exposure' AND experiment = ?
                    OR type = 'outcome' AND coalesce(experiment = ?, true) AND list_contains(?, name)
                )
            )
        ) GROUP BY unit
        """,  # noqa: S608 - columns of our own, names of users are parameters
        [*arms, *names, key[1], key[0], key[0], list(names)],
    )


def _part_at_exposure(table: JournalTable, key: tuple[str, str | None], names: Sequence[str]) -> None:
    """Sum up anew, before and since the exposure, what those units have done that had outcomes before it."""
    columns = "".join(
        f", sum({number}) FILTER (place = {at} AND time {when} first) AS {prefix}{letter}{at}"
        for at in range(len(names))
        for letter, number in (("s", "total"), ("c", "calls"))
        for prefix, when in (("p", ">="), ("b", "<"))
    )
    table.run(
        f"""
        CREATE OR REPLACE TABLE parted AS SELECT id{columns}
        FROM (
            SELECT unit, time, value * coalesce(count, 1) AS total, count::DOUBLE AS calls,
                list_position(?, name) - 1 AS place
            FROM lines
            WHERE type = 'outcome' AND list_contains(?, name) AND unit IS NOT NULL
                AND coalesce(experiment = ?, true) AND coalesce(version = ?, true)
        ) JOIN (SELECT id, unit, first FROM exposed WHERE has_earlier) USING (unit) GROUP BY id
        """,  # noqa: S608 - as above
        [list(names), list(names), *key],
    )


def crossovers(table: JournalTable) -> int:
    """Return how many units were exposed to more than one arm."""
    return int(table.rows("SELECT count(*) FROM exposed WHERE is_crossed")[0][0])


def counts_by_look(table: JournalTable, arms: int) -> Values:
    """Return how many units each arm has at each look: a row for each arm."""
    found = table.arrays(
        f"SELECT id // {LOOK_EVERY} AS look, position, count(*)::DOUBLE AS n FROM exposed GROUP BY ALL"  # noqa: S608
    )
    return np.cumsum(grid_of(found, "n", arms, looks_of(table)), axis=1)


def weights_by_look(table: JournalTable, arms: int) -> tuple[Values, Values]:
    """Return the sums of the weights of each arm's units at each look, and of their squares: a row for each arm."""
    found = table.arrays(
        f"""
        SELECT id // {LOOK_EVERY} AS look, position, coalesce(sum(weight), 0) AS w,
            coalesce(sum(weight * weight), 0) AS ww
        FROM exposed GROUP BY ALL
        """  # noqa: S608 - numbers of our own
    )
    looks = looks_of(table)
    sums, squares = (np.cumsum(grid_of(found, name, arms, looks), axis=1) for name in ("w", "ww"))
    return sums, squares


def exposures_over_time(table: JournalTable, arms: int) -> tuple[list[int], Values]:
    """Return the times at which spans of equal length begin, in ns, and how many units each arm gained in each."""
    first, last = table.rows("SELECT coalesce(min(first), 0), coalesce(max(first), 0) FROM exposed")[0]
    width = (last - first) // SPANS + 1
    found = table.arrays(
        "SELECT (first - ?) // ? AS look, position, count(*)::DOUBLE AS n FROM exposed GROUP BY ALL", [first, width]
    )
    spans = (last - first) // width + 1
    return [first + width * span for span in range(spans)], grid_of(found, "n", arms, spans)


def looks_of(table: JournalTable) -> int:
    """Return how many looks there are."""
    return int(table.rows(f"SELECT coalesce(max(id) // {LOOK_EVERY} + 1, 0) FROM exposed")[0][0])  # noqa: S608


def measure(table: JournalTable, metrics: Sequence[OnlineMetric], arms: int) -> list[MetricMoments]:
    """Return the moments of each metric, by arm and look.

    Args:
        table: The records; `expose` has been called.
        metrics: The metrics that it was given.
        arms: How many arms there are.
    """
    looks = looks_of(table)
    sums = [_SUMS.format(at=at) for at in range(len(metrics))]
    found = table.arrays(
        f"SELECT id // {LOOK_EVERY} AS look, position, {', '.join(sums)} FROM numbers GROUP BY ALL"  # noqa: S608
    )
    result = []
    for at, metric in enumerate(metrics):
        grids = {name: grid_of(found, f"{name}{at}", arms, looks) for name in ("n", "y", "x", "yy", "xx", "yx")}
        series = [
            cumulated(
                grids["n"][arm],
                np.stack([grids["y"][arm], grids["x"][arm]]),
                np.stack([grids["yy"][arm], grids["xx"][arm], grids["yx"][arm]]),
            )
            for arm in range(arms)
        ]
        are_rates = [bool(np.all(found[f"is_rate{at}"][found["position"] == arm])) for arm in range(arms)]
        result.append(MetricMoments(series, are_rates if metric.kind != "ratio" else [False] * arms))
    return result


# A unit without a value, as of a mean over no calls, has no second number either.
_SUMS = """
    count(y{at})::DOUBLE AS n{at}, coalesce(avg(y{at}), 0) AS y{at}, coalesce(var_pop(y{at}), 0) AS yy{at},
    coalesce(avg(x{at}) FILTER (y{at} IS NOT NULL), 0) AS x{at},
    coalesce(var_pop(x{at}) FILTER (y{at} IS NOT NULL), 0) AS xx{at},
    coalesce(covar_pop(y{at}, x{at}), 0) AS yx{at}, coalesce(bool_and(y{at} IN (0, 1)), true) AS is_rate{at}
"""


def _numbers(metric: OnlineMetric, names: Sequence[str], *, with_before: bool) -> tuple[str, str]:
    """Return in SQL the value of a unit, and its second number."""
    position = names.index(metric.outcome)
    total, count = (f"CASE WHEN has_earlier THEN p{one} ELSE {one} END" for one in (f"s{position}", f"c{position}"))
    if metric.kind == "ratio":
        other = f"s{names.index(metric.per)}"
        return f"coalesce({total}, 0)", f"coalesce(CASE WHEN has_earlier THEN p{other} ELSE {other} END, 0)"
    if metric.kind == "mean":
        before = f"coalesce(bs{position} / bc{position}, 0)" if with_before else "0::DOUBLE"
        return f"({total}) / nullif({count}, 0)", before
    return f"coalesce({total}, 0)", f"coalesce(bs{position}, 0)" if with_before else "0::DOUBLE"


def grid_of(found: dict[str, Values], name: str, arms: int, looks: int) -> Values:
    """Return a column of a query by arm and look, 0 where it has no row."""
    grid = np.zeros((arms, looks))
    grid[np.asarray(found["position"], dtype=int), np.asarray(found["look"], dtype=int)] = found[name]
    return grid
