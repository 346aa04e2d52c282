"""From records to sufficient statistics per arm and look, in SQL: no unit comes into the memory of this process."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spearmint.errors import EvaluationError
from spearmint.evaluation.online.journal_table import JournalTable, process_of
from spearmint.evaluation.online.metric import OnlineMetric
from spearmint.statistics.intervals import Values
from spearmint.statistics.looks import MomentSeries, cumulated
from spearmint.suggest import did_you_mean

LOOK_EVERY = 100
"""Units, of all arms together, after which there is a look."""
SPANS = 60
"""Spans of time by which exposures are counted."""


@dataclass(frozen=True, slots=True)
class ArmRecords:
    """What exposures say of one arm under one version.

    Attributes:
        version: The version.
        arm: The arm's config id.
        main: The config id of the main arm.
        lowest: The lowest propensity among the exposures.
        highest: The highest one.
        unknown: How many exposures have none that is above 0, up to 1.
        first: When the first exposure was, in ns since the epoch.
        last: When the last one was.
        exposures: How many exposures.
    """

    version: str
    arm: str
    main: str
    lowest: float
    highest: float
    unknown: int
    first: int
    last: int
    exposures: int


@dataclass(frozen=True, slots=True)
class MetricMoments:
    """One metric of all arms.

    Attributes:
        arms: For each arm its moments at each look.
        are_rates: For each arm whether all values are 0 or 1.
    """

    arms: Sequence[MomentSeries]
    are_rates: Sequence[bool]


def experiment_names(table: JournalTable) -> list[str]:
    """Return the experiments that the journals tell of."""
    return [
        name for (name,) in table.rows("SELECT DISTINCT experiment FROM records WHERE type = 'exposure' ORDER BY 1")
    ]


def chosen_experiment(table: JournalTable, name: str | None) -> str:
    """Return the experiment to report on: the one that is named, or the only one.

    Raises:
        EvaluationError: If there is none of that name, or several to choose from.
    """
    names = experiment_names(table)
    if name is None and len(names) == 1:
        return names[0]
    if not names:
        advice = "Set online: journal where the experiment runs, with a SplitStrategy"
        raise EvaluationError(f"Cannot report on {table.files[0]!r}: it has no exposure. {advice}.")
    listed = ", ".join(names)
    if name is None:
        raise EvaluationError(f"Cannot report on several experiments at once: there are {listed}. Name one.")
    if name not in names:
        raise EvaluationError(f"Cannot report on {name!r}: there are {listed}.{did_you_mean(name, names)}")
    return name


def arm_records(table: JournalTable, experiment: str) -> list[ArmRecords]:
    """Return what exposures of an experiment say of each arm and version, in the order in which these began."""
    found = table.rows(
        """
        SELECT coalesce(version, ''), arm, coalesce(any_value(main), ''), coalesce(min(propensity), 0),
            coalesce(max(propensity), 0), count(*) FILTER (NOT coalesce(propensity > 0 AND propensity <= 1, false)),
            min(time), max(time), count(*)
        FROM records WHERE type = 'exposure' AND experiment = ? GROUP BY ALL ORDER BY min(time), arm
        """,
        [experiment],
    )
    return [ArmRecords(*row) for row in found]


def recorded_outcomes(table: JournalTable, experiment: str) -> dict[str, bool]:
    """Return the names of outcomes, and whether they are means over calls."""
    found = table.rows(
        """
        SELECT name, bool_or(count IS NOT NULL) FROM records
        WHERE type = 'outcome' AND unit IS NOT NULL AND coalesce(experiment = ?, true) GROUP BY name
        """,
        [experiment],
    )
    return dict(found)


def expose(table: JournalTable, experiment: str, version: str | None, arms: Sequence[str]) -> int:
    """Make the table of exposed units: each with its first arm, its place in time, and whether it crossed over.

    The weight of a unit is 1 over the propensity of its first exposure; nothing where that is no propensity.

    Returns:
        How many there are.
    """
    table.run(
        "CREATE OR REPLACE TEMP TABLE arms AS SELECT unnest(?) AS arm, unnest(range(?)) AS position",
        [list(arms), len(arms)],
    )
    # Of units exposed at the same time, the order must not depend on threads.
    table.run(
        """
        CREATE OR REPLACE TABLE exposed AS
        SELECT row_number() OVER (ORDER BY first, hash(unit)) - 1 AS id, unit, first, position, is_crossed,
            CASE WHEN propensity > 0 AND propensity <= 1 THEN 1 / propensity END AS weight
        FROM (
            SELECT unit, min(time) AS first, arg_min(arm, time) AS arm, min(arm) <> max(arm) AS is_crossed,
                arg_min(coalesce(propensity, 0), time) AS propensity
            FROM records WHERE type = 'exposure' AND experiment = ? AND coalesce(version = ?, true) GROUP BY unit
        ) JOIN arms USING (arm)
        """,
        [experiment, version],
    )
    return int(table.rows("SELECT count(*) FROM exposed")[0][0])


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


def exposures_by_process(table: JournalTable, experiment: str, arms: Sequence[str]) -> dict[str, list[int]]:
    """Return for each process how many exposures it has written, by arm."""
    found: dict[str, list[int]] = {}
    rows = table.rows(
        """
        SELECT path, position, count(*) FROM records JOIN arms USING (arm) JOIN files USING (file)
        WHERE type = 'exposure' AND experiment = ? GROUP BY ALL
        """,
        [experiment],
    )
    for file, position, count in rows:
        found.setdefault(process_of(file), [0] * len(arms))[position] += count
    return found


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


def measure(
    table: JournalTable,
    experiment: str,
    version: str | None,
    metrics: Sequence[OnlineMetric],
    arms: int,
    *,
    with_before: bool,
) -> list[MetricMoments]:
    """Return the moments of each metric, by arm and look.

    Args:
        table: The records; `expose` has been called.
        experiment: The experiment.
        version: Of which version means over calls are; None for all.
        metrics: The metrics.
        arms: How many arms there are.
        with_before: Whether the second number of a unit is its value before its exposure; else it is 0, and of a ratio
            the denominator.
    """
    number_units(table, experiment, version, metrics, with_before=with_before)
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


def number_units(
    table: JournalTable, experiment: str, version: str | None, metrics: Sequence[OnlineMetric], *, with_before: bool
) -> None:
    """Make the view ``numbers``: of each exposed unit the value ``y`` and the second number ``x`` of each metric.

    Args:
        table: As for `measure`, and so are the others.
        experiment: As there.
        version: As there.
        metrics: As there.
        with_before: As there.
    """
    names = list(dict.fromkeys(name for one in metrics for name in (one.outcome, one.per) if name))
    _sum_by_unit(table, experiment, version, names, with_before=with_before)
    numbers = [_numbers(metric, names, with_before=with_before) for metric in metrics]
    columns = "".join(f", {value} AS y{at}, {other} AS x{at}" for at, (value, other) in enumerate(numbers))
    table.run(
        f"CREATE OR REPLACE TEMP VIEW numbers AS SELECT id, position, weight{columns} "  # noqa: S608 - as below
        "FROM exposed LEFT JOIN summed USING (id)"
    )


def _sum_by_unit(
    table: JournalTable, experiment: str, version: str | None, names: Sequence[str], *, with_before: bool
) -> None:
    """Make the table of what each exposed unit's outcomes sum up to, since its exposure and before it."""
    columns, parameters = [], []
    for position, name in enumerate(names):
        for column, number in ((f"s{position}", "value * coalesce(count, 1)"), (f"c{position}", "count")):
            columns.append(f"sum({number}) FILTER (name = ? AND time >= first) AS {column}")
            parameters.append(name)
            if with_before:
                columns.append(f"sum({number}) FILTER (name = ? AND time < first) AS b{column}")
                parameters.append(name)
    table.run(
        f"""
        CREATE OR REPLACE TABLE summed AS SELECT id, {", ".join(columns)} FROM records JOIN exposed USING (unit)
        WHERE type = 'outcome' AND list_contains(?, name) AND coalesce(experiment = ?, true)
            AND coalesce(version = ?, true) GROUP BY id
        """,  # noqa: S608 - columns of our own, names of users are parameters
        [*parameters, list(names), experiment, version],
    )


def _numbers(metric: OnlineMetric, names: Sequence[str], *, with_before: bool) -> tuple[str, str]:
    """Return in SQL the value of a unit, and its second number."""
    position = names.index(metric.outcome)
    if metric.kind == "ratio":
        return f"coalesce(s{position}, 0)", f"coalesce(s{names.index(metric.per)}, 0)"
    if metric.kind == "mean":
        before = f"coalesce(bs{position} / bc{position}, 0)" if with_before else "0::DOUBLE"
        return f"s{position} / nullif(c{position}, 0)", before
    return f"coalesce(s{position}, 0)", f"coalesce(bs{position}, 0)" if with_before else "0::DOUBLE"


def grid_of(found: dict[str, Values], name: str, arms: int, looks: int) -> Values:
    """Return a column of a query by arm and look, 0 where it has no row."""
    grid = np.zeros((arms, looks))
    grid[np.asarray(found["position"], dtype=int), np.asarray(found["look"], dtype=int)] = found[name]
    return grid
