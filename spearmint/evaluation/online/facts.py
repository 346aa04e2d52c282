"""What a report on an online experiment is made of: gathered from journals, as data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from spearmint.errors import EvaluationError
from spearmint.evaluation.online.accounts import JournalAccounts, journal_accounts
from spearmint.evaluation.online.comparison import Design, Looks, OnlineSummary, compare_arms
from spearmint.evaluation.online.health import HealthCheck, UnitCounts, drift_check, health_of, shares_of
from spearmint.evaluation.online.journal_table import JournalTable
from spearmint.evaluation.online.metric import OnlineMetric, metrics_of
from spearmint.evaluation.online.record_groups import ArmRecords, arm_records, exposures_by_process, recorded_outcomes
from spearmint.evaluation.online.unit_statistics import (
    MetricMoments,
    counts_by_look,
    crossovers,
    expose,
    exposures_over_time,
    measure,
    weights_by_look,
)
from spearmint.evaluation.online.weighted_statistics import WeightedMoments, measure_weighted
from spearmint.statistics.intervals import Values
from spearmint.suggest import did_you_mean


@dataclass(frozen=True, slots=True)
class OnlineFacts:
    """What a report is made of.

    Attributes:
        experiment: The experiment.
        arms: Config ids, main first.
        units: How many units each arm has, look by look.
        metrics: The metrics.
        summaries: What each arm did, by metric.
        looks: How the difference of each arm but main became known, by metric.
        health: All checks.
        accounts: What the processes have counted.
        records: What the exposures say of each arm and version.
        times: When spans of equal length begin, in ns since the epoch.
        gained: Units that each arm gained in each span.
        design: How differences are judged.
    """

    experiment: str
    arms: tuple[str, ...]
    units: UnitCounts
    metrics: tuple[OnlineMetric, ...]
    summaries: Mapping[str, Sequence[OnlineSummary]]
    looks: Mapping[str, Sequence[Looks]]
    health: tuple[HealthCheck, ...]
    accounts: JournalAccounts
    records: tuple[ArmRecords, ...]
    times: Sequence[int]
    gained: Values
    design: Design


def gather(
    table: JournalTable, experiment: str, asked: Sequence[str] | None, design: Design, version: str | None
) -> OnlineFacts:
    """Make the facts of journals.

    Args:
        table: All records.
        experiment: The experiment.
        asked: Names of metrics; None for all.
        design: How differences are judged.
        version: Which version alone; None for all.

    Raises:
        EvaluationError: If there is no such version or metric.
    """
    records = [one for one in arm_records(table, experiment) if version in (None, one.version)]
    if not records:
        versions = list(dict.fromkeys(one.version for one in arm_records(table, experiment)))
        hint = did_you_mean(str(version), versions)
        raise EvaluationError(f"Cannot report on version {version!r}: there are {', '.join(versions)}.{hint}")
    main = records[-1].main or records[-1].arm
    arms = (main, *sorted({one.arm for one in records} - {main}))
    metrics = metrics_of(asked, recorded_outcomes(table, experiment))
    expose(table, experiment, version, arms, metrics, with_before=design.is_adjusted)
    shares = shares_of(arms, records)
    weights = None if shares is not None else weights_by_look(table, len(arms))
    units = UnitCounts(arms, shares, counts_by_look(table, len(arms)), crossovers(table), weights)
    # Where shares move, plain means would compare units of different times.
    moments: Sequence[MetricMoments | WeightedMoments] = (measure if shares is not None else measure_weighted)(
        table, metrics, len(arms)
    )
    compared = [compare_arms(one, found, arms, design) for one, found in zip(metrics, moments, strict=True)]
    accounts = journal_accounts(table)
    drifting = [  # where one looks once, no looks contradict each other
        (metric.name, arm)
        for metric, (_, looks) in zip(metrics, compared, strict=True)
        for arm, one in zip(arms[1:], looks, strict=True)
        if design.is_sequential and one.has_drifted
    ]
    health = [
        *drift_check(drifting),
        *health_of(units, records, accounts, exposures_by_process(table, experiment, arms)),
    ]
    times, gained = exposures_over_time(table, len(arms))
    return OnlineFacts(
        experiment,
        arms,
        units,
        tuple(metrics),
        {metric.name: summaries for metric, (summaries, _) in zip(metrics, compared, strict=True)},
        {metric.name: looks for metric, (_, looks) in zip(metrics, compared, strict=True)},
        tuple(sorted(health, key=lambda check: check.is_healthy)),
        accounts,
        tuple(records),
        times,
        gained,
        design,
    )
