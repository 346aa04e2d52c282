"""What records have in common, and how many do: experiments, their arms and versions, outcomes, processes."""

from collections.abc import Sequence
from dataclasses import dataclass

from spearmint.errors import EvaluationError
from spearmint.evaluation.online.journal_table import JournalTable, process_of
from spearmint.suggest import did_you_mean


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


def experiment_names(table: JournalTable) -> list[str]:
    """Return the experiments that the journals tell of."""
    return [name for (name,) in table.rows("SELECT DISTINCT experiment FROM groups WHERE type = 'exposure' ORDER BY 1")]


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
        SELECT coalesce(version, ''), arm, coalesce(any_value(main), ''), coalesce(min(lowest), 0),
            coalesce(max(highest), 0), sum(unknown)::BIGINT, min(first), max(last), sum(records)::BIGINT
        FROM groups WHERE type = 'exposure' AND experiment = ? GROUP BY ALL ORDER BY min(first), arm
        """,
        [experiment],
    )
    return [ArmRecords(*row) for row in found]


def recorded_outcomes(table: JournalTable, experiment: str) -> dict[str, bool]:
    """Return the names of outcomes, and whether they are means over calls."""
    found = table.rows(
        """
        SELECT name, bool_or(has_count) FROM groups
        WHERE type = 'outcome' AND has_unit AND coalesce(experiment = ?, true) GROUP BY name
        """,
        [experiment],
    )
    return dict(found)


def exposures_by_process(table: JournalTable, experiment: str, arms: Sequence[str]) -> dict[str, list[int]]:
    """Return for each process how many exposures it has written, by arm."""
    found: dict[str, list[int]] = {}
    rows = table.rows(
        """
        SELECT path, arm, sum(records)::BIGINT FROM groups JOIN files USING (file)
        WHERE type = 'exposure' AND experiment = ? AND list_contains(?, arm) GROUP BY ALL
        """,
        [experiment, list(arms)],
    )
    for file, arm, count in rows:
        found.setdefault(process_of(file), [0] * len(arms))[arms.index(arm)] += count
    return found
