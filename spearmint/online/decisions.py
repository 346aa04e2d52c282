"""What becomes of a rollout, from the records of its units: it goes on, is taken back, or waits."""

from collections.abc import Iterable
from dataclasses import replace

from spearmint.assignment.stages import period_text
from spearmint.online.guards import guard_looks, shadow_still_owes
from spearmint.online.rollout import Rollout
from spearmint.online.unit_table import UnitTable
from spearmint.strategies.split import SplitStrategy


def breach(rollout: Rollout, table: UnitTable, options: SplitStrategy) -> str:
    """Return why a rollout has to be taken back; empty where it has not."""
    if rollout.status == "rolled_back":
        return ""
    looks = guard_looks(table, rollout.arms, options.guards)
    return next((str(look) for look in looks if look.is_breached), "")


def decided(rollout: Rollout, table: UnitTable, options: SplitStrategy, why: str) -> Rollout:
    """Return what becomes of a rollout.

    Args:
        rollout: As it is, its time counted.
        table: Its units, as far as they are known.
        options: What was declared, guardrails included.
        why: What `breach` found.
    """
    seen = replace(rollout, units=max(rollout.units, table.exposed))
    if why:
        return seen.rolled_back(why)
    if seen.status != "running":
        return seen
    missing = ", ".join(_missing(seen, table, options))
    if missing:
        return replace(seen, waits_for=missing)
    return seen.advanced("all that it named is reached") if _ends(seen) else seen


def _ends(rollout: Rollout) -> bool:
    """Tell whether a stage names anything that ends it; the last one need not."""
    stage = rollout.current
    return stage.seconds is not None or stage.units is not None or stage.approve


def _missing(rollout: Rollout, table: UnitTable, options: SplitStrategy) -> Iterable[str]:
    """Yield what a stage still waits for."""
    stage = rollout.current
    if stage.seconds is not None and rollout.elapsed < stage.seconds:
        yield f"{period_text(stage.seconds - rollout.elapsed)} more"
    new = rollout.units - rollout.units_before
    if stage.units is not None and new < stage.units:
        yield f"{stage.units - new:,} more units"
    if stage.approve and not rollout.is_approved:
        yield "approval"
    begins_with_users = not stage.traffic and rollout.stage + 1 < len(rollout.stages)
    if begins_with_users and rollout.stages[rollout.stage + 1].traffic:
        owed = shadow_still_owes(table, rollout.arms, options.guards)
        if owed:
            yield owed
