"""The weights of a bandit: made of what the units of each arm have done so far."""

from collections.abc import Sequence

import numpy as np

from spearmint.online.unit_table import UnitTable
from spearmint.statistics.intervals import is_pass_or_fail
from spearmint.statistics.thompson import share_of_first_places, with_floor
from spearmint.statistics.unpaired import moments
from spearmint.strategies.split_inputs import BanditOptions

_DIGITS = 6


def bandit_weights(
    table: UnitTable, arms: Sequence[str], options: BanditOptions, rng: np.random.Generator
) -> tuple[float, ...] | None:
    """Return a weight for each arm.

    Args:
        table: The units.
        arms: The ids of the configs.
        options: What is to be as good as can be, and within which bounds.
        rng: What is drawn with.

    Returns:
        The weights; None while an arm has fewer units than ``burn_in``.
    """
    if len(arms) < 2 or len(arms) * options.floor >= 1:  # noqa: PLR2004 - there is nothing to choose
        return None
    values = [table.values(arm, options.metric) for arm in arms]
    if min(map(len, values)) < options.burn_in:
        return None
    are_shares = all(map(is_pass_or_fail, values))
    places = share_of_first_places(list(map(moments, values)), rng, lower=options.lower, are_shares=are_shares)
    return tuple(round(float(weight), _DIGITS) for weight in with_floor(places, options.floor))
