"""The bandit: a split whose weights follow what the units of each arm have done so far."""

from dataclasses import dataclass

from spearmint.assignment.stages import COSTS, parse_period
from spearmint.errors import ConfigError
from spearmint.strategies.split import SplitStrategy
from spearmint.strategies.split_inputs import BanditOptions, bad_option


@dataclass(frozen=True, kw_only=True)
class BanditStrategy(SplitStrategy):
    """Each unit belongs to one arm, and the better an arm does, the more units it gets (Thompson sampling).

    All else is as for `SplitStrategy`. The weights stand in the state file beside the journal, so that every process
    has the same; without a journal they stay equal. Where weights change, units between the boundaries change their
    arm: a bandit is for outcomes that come soon. Each exposure says with which propensity its unit came to its arm.

    Args:
        metric: The name of the outcome, as `spearmint.track` is given it, or ``"error"`` or ``"duration"``.
        floor: Share that each arm keeps, whatever it does; with n arms, ``1 / n`` or more leaves all weights equal.
        every: After how long the weights are made anew: seconds, or a text such as ``"15m"``.
        burn_in: How many units each arm has before the weights move.
        lower: Whether less of the metric is better; by default for ``"error"`` and ``"duration"``.

    Raises:
        StrategyError: If an argument is none of these, or ``weights`` are given.
    """

    metric: str
    floor: float = 0.05
    every: float | str = "15m"
    burn_in: int = 100
    lower: bool | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.metric, str) or not self.metric:
            raise bad_option("metric", self.metric, "the name of an outcome, such as 'purchase'")
        is_number = isinstance(self.floor, int | float) and not isinstance(self.floor, bool)
        if not is_number or not 0 < self.floor <= 1:
            raise bad_option("floor", self.floor, "a share above 0, without which an arm could not be told apart again")
        if not isinstance(self.burn_in, int) or isinstance(self.burn_in, bool) or self.burn_in < 2:  # noqa: PLR2004
            raise bad_option("burn_in", self.burn_in, "a whole number of units from 2")
        if self.lower is not None and not isinstance(self.lower, bool):
            raise bad_option("lower", self.lower, "true or false")
        if self.weights is not None:
            raise bad_option("weights", self.weights, "none: a bandit finds its own")
        try:
            seconds = parse_period(self.every, "every")
        except ConfigError as error:
            raise bad_option("every", self.every, "seconds above 0, or a text such as '15m'") from error
        lower = self.metric in COSTS if self.lower is None else self.lower
        made = BanditOptions(self.metric, lower, float(self.floor), seconds, self.burn_in)
        object.__setattr__(self, "bandit", made)
