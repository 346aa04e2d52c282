"""Guardrails: what the records say of an arm, and whether that is reason enough to take it back."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from spearmint.assignment.stages import COSTS, Guardrail
from spearmint.online.unit_table import UnitTable
from spearmint.statistics.harm import FEWEST_UNITS, Harm, harm_in_pairs, harm_of_arm
from spearmint.statistics.inverse_propensity import moments_by_weight
from spearmint.statistics.unpaired import moments


@dataclass(frozen=True, slots=True)
class GuardLook:
    """What one guardrail says of one arm now.

    Attributes:
        guardrail: The guardrail.
        arm: The arm's config id.
        harm: By how much the arm is worse than the first config.
        is_paired: Whether it is from the shadow, where both ran on the same calls.
    """

    guardrail: Guardrail
    arm: str
    harm: Harm
    is_paired: bool

    @property
    def is_breached(self) -> bool:
        """Whether the arm is worse than it may be."""
        return self.harm.bound > self.guardrail.worse_by

    def __str__(self) -> str:
        metric, harm = self.guardrail.metric, self.harm
        where = "in the shadow, on the same calls" if self.is_paired else "among exposed units"
        allowed = f", where {self.guardrail.worse_by:.4g} is allowed" if self.guardrail.worse_by else ""
        sure = f"with {1 - self.guardrail.alpha:.0%} confidence at any look"
        return (
            f"{metric} of {self.arm!r} is worse by {harm.value:.4g}, and by more than {harm.bound:.4g} {sure}{allowed} "
            f"({harm.n:,} units {where})"
        )


def guard_looks(table: UnitTable, arms: Sequence[str], guards: Sequence[Guardrail]) -> Iterator[GuardLook]:
    """Yield what each guardrail says of each arm but the first; errors are shared among all that it may be.

    Args:
        table: The units.
        arms: The ids of the configs, the first one first.
        guards: The guardrails.
    """
    for guardrail in guards:
        lower, horizon, is_share = guardrail.lower, guardrail.horizon, guardrail.metric == "error"
        alpha = guardrail.alpha / max(1, len(arms) - 1) / 2  # Two looks: at exposed units, and at the shadow.
        # A bandit changes propensities over time.
        main, *others = moments_by_weight([table.values_and_propensities(arm, guardrail.metric) for arm in arms])
        for arm, ours in zip(arms[1:], others, strict=True):
            harm = harm_of_arm(ours, main, lower=lower, alpha=alpha, horizon=horizon, is_share=is_share)
            yield GuardLook(guardrail, arm, harm, is_paired=False)
            if guardrail.metric in COSTS:
                pairs = moments(table.paired_values(arm, guardrail.metric))
                harm = harm_in_pairs(pairs, lower=lower, alpha=alpha, horizon=horizon, is_share=is_share)
                yield GuardLook(guardrail, arm, harm, is_paired=True)


def shadow_still_owes(table: UnitTable, arms: Sequence[str], guards: Sequence[Guardrail]) -> str:
    """Return what the shadow has still to measure before users may see the arms; empty where that is enough."""
    if not any(guardrail.metric in COSTS for guardrail in guards):
        return ""
    measured = table.shadowed_by_arm()
    arm = min(arms[1:], key=lambda one: measured.get(one, 0), default="")
    count = measured.get(arm, 0)
    if not arm or count >= FEWEST_UNITS:
        return ""
    return f"the shadow, which has measured {arm!r} on {count} of {FEWEST_UNITS} units"
