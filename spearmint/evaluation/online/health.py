"""Whether an experiment's records can bear a verdict: units in their shares, each under one arm, and none lost."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import numpy as np

from spearmint.evaluation.online.accounts import JournalAccounts
from spearmint.evaluation.online.record_groups import ArmRecords
from spearmint.statistics.intervals import Values
from spearmint.statistics.sample_ratio import FEWEST_PER_ARM, UNHEALTHY, moving_p_values, pearson, running_p_values

CheckName = Literal["versions", "losses", "missing units", "propensities", "sample ratio", "crossovers", "drift"]
MOST_CROSSED = 0.01
"""Share of units under several arms from which on arms no longer differ cleanly."""
MOST_MISSING = 0.01
"""Share of calls without a unit from which on units that take part may be a choice of their own."""
_ROUNDING = 1e-6
_ABSENT_ARM = "another arm"
_MODERATE = 0.05


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """One thing that a verdict rests on.

    Attributes:
        name: What was looked at.
        is_healthy: Whether it is as it is to be.
        text: What was found, in a sentence.
        cause: The likeliest cause of what is not as it is to be, and what to do, in a sentence; empty if all is well.
    """

    name: CheckName
    is_healthy: bool
    text: str
    cause: str = ""


@dataclass(frozen=True, slots=True)
class UnitCounts:
    """How many units each arm has, look by look, and how many it was to have.

    Attributes:
        arms: Config ids, main first.
        shares: The share of each that the exposures tell; None where it changed, as a bandit's does.
        by_look: A row for each arm, an item for each look.
        crossed: Units that were exposed to several arms.
        weights: Where shares moved, the sums of 1 / propensity over each arm's units, look by look, and of its square.
    """

    arms: Sequence[str]
    shares: Sequence[float] | None
    by_look: Values
    crossed: int
    weights: tuple[Values, Values] | None = None

    @property
    def counts(self) -> list[int]:
        """How many units each arm has by now."""
        return [int(row[-1]) if len(row) else 0 for row in self.by_look]


def shares_of(arms: Sequence[str], records: Sequence[ArmRecords]) -> list[float] | None:
    """Return each arm's share as its exposures tell it; None where it is not one share."""
    shares = []
    for arm in arms:
        told = [share for one in records if one.arm == arm for share in (one.lowest, one.highest)]
        if told and max(told) - min(told) > _ROUNDING:
            return None
        shares.append(told[0] if told else math.nan)
    unknown = [position for position, share in enumerate(shares) if math.isnan(share)]
    rest = max(0.0, 1 - sum(share for share in shares if not math.isnan(share)))
    for position in unknown:  # main may have no exposure at all
        shares[position] = rest / len(unknown)
    return shares


def health_of(
    units: UnitCounts, records: Sequence[ArmRecords], accounts: JournalAccounts, by_process: Mapping[str, Sequence[int]]
) -> list[HealthCheck]:
    """Return all checks, the gravest first.

    Args:
        units: The units of each arm.
        records: What exposures say of arms and versions.
        accounts: What processes have counted.
        by_process: For each process the exposures that it has written, by arm.
    """
    checks = [
        _versions(records),
        _losses(accounts),
        _missing_units(accounts),
        *_propensities(records),
        _sample_ratio(units, records, by_process),
        _crossovers(units, records),
    ]
    return sorted(checks, key=lambda check: check.is_healthy)


def _versions(records: Sequence[ArmRecords]) -> HealthCheck:
    spans: dict[str, tuple[int, int]] = {}
    for one in records:
        first, last = spans.get(one.version, (one.first, one.last))
        spans[one.version] = min(first, one.first), max(last, one.last)
    if len(spans) < 2:  # noqa: PLR2004 - one version is as it is to be
        return HealthCheck("versions", is_healthy=True, text="All exposures are of one version.")
    order = sorted(spans, key=lambda version: spans[version][0])
    told = ", ".join(f"{version} since {_when(spans[version][0])}" for version in order)
    overlap = any(spans[one][1] > spans[other][0] for one, other in itertools.pairwise(order))
    cause = (
        "Processes run with different settings side by side: deploy one to all of them"
        if overlap
        else "Configs, weights, salt or targeting were changed while the experiment ran"
    )
    advice = f"Report on one version alone: version={order[-1]!r}"
    text = f"The exposures are of {len(spans)} versions: {told}."
    return HealthCheck("versions", is_healthy=False, text=text, cause=f"{cause}. {advice}.")


def _losses(accounts: JournalAccounts) -> HealthCheck:
    causes = {
        "dropped": "The queue was full, or the process had no time at its end: raise queue_size, flush() before exit",
        "failed": "The journal could not be written, as on a full disk, or outcomes were no numbers: see the log",
        "absent": "Files of the journal were deleted, or not copied whole: give all of them",
        "unreadable": "Files were cut or edited, or a process was killed while it wrote",
    }
    found = {name: count for name in causes if (count := getattr(accounts, name))}
    if not found:
        text = "No record is lost, as far as the processes have told."
        if accounts.open_processes:
            text += f" {accounts.open_processes} of {accounts.processes} processes have not told their end yet."
        return HealthCheck("losses", is_healthy=True, text=text)
    told = ", ".join(f"{count} {name}" for name, count in found.items())
    cause = causes[max(found, key=lambda name: found[name])]
    return HealthCheck("losses", is_healthy=False, text=f"Records are lost: {told}.", cause=f"{cause}.")


def _missing_units(accounts: JournalAccounts) -> HealthCheck:
    calls = accounts.exposures + accounts.repeated + accounts.missing_unit
    share = accounts.missing_unit / calls if calls else 0.0
    text = f"{accounts.missing_unit} of {calls} calls had no unit ({share:.2%})."
    if share < MOST_MISSING:
        return HealthCheck("missing units", is_healthy=True, text=text)
    cause = "Calls run where no attribute names the unit, as outside the middleware or before login"
    advice = "Call them within RuntimeContext(attributes=...)"
    return HealthCheck("missing units", is_healthy=False, text=text, cause=f"{cause}. {advice}.")


def _sample_ratio(
    units: UnitCounts, records: Sequence[ArmRecords], by_process: Mapping[str, Sequence[int]]
) -> HealthCheck:
    arms, counts = list(units.arms), units.counts
    if any(one.unknown for one in records):
        text = f"{_counted(arms, counts)}; the shares to hold them against are not all known."
        return HealthCheck("sample ratio", is_healthy=True, text=text)
    if units.shares is None:
        return _moving_ratio(units, records)
    shares, by_look = list(units.shares), units.by_look
    rest = 1 - sum(shares)
    if rest > _ROUNDING:
        arms, counts, shares = [*arms, _ABSENT_ARM], [*counts, 0], [*shares, rest]
        by_look = np.vstack([by_look, np.zeros(by_look.shape[1])])
    fixed = pearson(counts, shares)
    watched = float(running_p_values(by_look, shares)[-1]) if sum(counts) else 1.0
    is_asked = min(share for share in shares if share > 0) * sum(counts) >= FEWEST_PER_ARM
    expected = " / ".join(f"{share / sum(shares):.4g}" for share in shares)
    text = f"{_counted(arms, counts)}, expected {expected}: p = {fixed:.2g} now, {watched:.2g} at any time."
    if not is_asked or (not fixed < UNHEALTHY and watched >= UNHEALTHY):
        return HealthCheck("sample ratio", is_healthy=True, text=text)
    lacks = [share * sum(counts) - count for share, count in zip(shares, counts, strict=True)]
    lacking = max(range(len(arms)), key=lambda one: lacks[one] / shares[one] if shares[one] else -math.inf)
    cause = _likeliest_cause(arms[lacking], counts[lacking], _odd_process(by_process, lacking, shares), units)
    return HealthCheck("sample ratio", is_healthy=False, text=text, cause=cause)


def _moving_ratio(units: UnitCounts, records: Sequence[ArmRecords]) -> HealthCheck:
    """Hold the units against shares that moved: what each arm's units stand for is the number of all units."""
    counted, total = _counted(units.arms, units.counts), sum(units.counts)
    if len({one.version for one in records}) > 1 or units.weights is None:
        text = f"{counted}; there are no shares to hold them against, as they differ by version."
        return HealthCheck("sample ratio", is_healthy=True, text=text)
    weights, squares = units.weights
    stand_for = [float(of_arm[-1]) for of_arm in weights]
    fixed, watched = moving_p_values(units.by_look, weights, squares)
    told = ", ".join(f"{count:.0f}" for count in stand_for)
    text = f"{counted}; by shares that moved they stand for {told}, expected {total}: p = {fixed:.2g} now, "
    text += f"{watched:.2g} at any time."
    if min(fixed, watched) >= UNHEALTHY:
        return HealthCheck("sample ratio", is_healthy=True, text=text)
    lacking = min(range(len(units.arms)), key=stand_for.__getitem__)
    is_known = stand_for[lacking] < total
    arm, count = (units.arms[lacking], units.counts[lacking]) if is_known else (_ABSENT_ARM, 0)
    cause = _likeliest_cause(arm, count, None, units)
    return HealthCheck("sample ratio", is_healthy=False, text=text, cause=cause)


def _propensities(records: Sequence[ArmRecords]) -> Iterator[HealthCheck]:
    """Yield a check that fails where exposures do not say with which propensity a unit came to its arm."""
    unknown, total = (sum(getattr(one, name) for one in records) for name in ("unknown", "exposures"))
    if not unknown:
        return
    text = f"{unknown} of {total} exposures have no propensity above 0, up to 1."
    cause = (
        "Another program has written or changed them. If the shares moved, as a bandit's do, means of their units are "
        "biased, and nothing can take that out: report on records that have one."
    )
    yield HealthCheck("propensities", is_healthy=False, text=text, cause=cause)


def _likeliest_cause(arm: str, count: int, odd: str | None, units: UnitCounts) -> str:
    """Say what an arm lacks units from most likely, by what is odd beside it."""
    if count == 0:
        return (
            f"Never exposed: {arm}. Its processes write to another journal, or its calls take no value of its config."
        )
    if odd is not None:
        return f"What {arm} lacks is lacking in what {odd} has written: look for what is different there."
    if units.crossed >= MOST_CROSSED / 10 * sum(units.counts):
        return f"Units change their arm, and some of {arm} are counted under the other: see crossovers."
    where = "a crash, a redirect, or a cache in front of it"
    return f"Calls of {arm} end before they run under their config: {where}. Its logs tell more."


def _odd_process(by_process: Mapping[str, Sequence[int]], arm: int, shares: Sequence[float]) -> str | None:
    """Return the process without which an arm lacks nothing; None where all lack alike."""
    lacks = {
        process: shares[arm] * sum(counts) - counts[arm] for process, counts in by_process.items() if arm < len(counts)
    }
    if len(lacks) < 2:  # noqa: PLR2004 - there is nothing to compare with
        return None
    worst = max(lacks, key=lambda process: lacks[process])
    others = [counts for process, counts in by_process.items() if process != worst]
    rest = [sum(of_arm) for of_arm in zip(*others, strict=True)]
    return worst if not pearson(rest, shares[: len(rest)]) < _MODERATE else None


def _crossovers(units: UnitCounts, records: Sequence[ArmRecords]) -> HealthCheck:
    total = sum(units.counts)
    share = units.crossed / total if total else 0.0
    text = f"{units.crossed} of {total} units were exposed to several arms ({share:.2%}); each counts for its first."
    if share < MOST_CROSSED:
        return HealthCheck("crossovers", is_healthy=True, text=text)
    if len({one.version for one in records}) > 1:
        cause = "Weights or salt were changed, which moves units: see versions"
    elif units.shares is None:
        cause = (
            "The weights moved while these units went on calling, as a bandit's do: what they did belongs to neither "
            "arm cleanly. Take a unit that comes once, such as a session, or move the weights less often (every)"
        )
    else:
        cause = "A unit's name changes while it takes part, or stands for several people, as where a login merges two"
    return HealthCheck("crossovers", is_healthy=False, text=text, cause=f"{cause}.")


def drift_check(drifting: Sequence[tuple[str, str]]) -> Iterator[HealthCheck]:
    """Yield a check that fails where looks contradict each other.

    Args:
        drifting: Metrics and arms whose intervals have nothing in common any more.
    """
    if not drifting:
        return
    told = ", ".join(f"{metric} of {arm}" for metric, arm in drifting)
    cause = "The effect changes over time, as novelty wears off or who comes changes. Report on the time since"
    text = f"No one difference is in the intervals of all looks: {told}."
    yield HealthCheck("drift", is_healthy=False, text=text, cause=f"{cause}.")


def _counted(arms: Sequence[str], counts: Sequence[int]) -> str:
    return ", ".join(f"{arm} {count}" for arm, count in zip(arms, counts, strict=True))


def _when(time: int) -> str:
    return datetime.fromtimestamp(time / 1e9, UTC).strftime("%Y-%m-%d %H:%M UTC")
