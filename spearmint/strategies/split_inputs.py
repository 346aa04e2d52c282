"""What a split is made of: units as text, weights that fit the configs, and the shares that may change as it runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from uuid import UUID

from spearmint.config.canonical import canonical_text
from spearmint.config.model import Config
from spearmint.errors import ConfigError, StrategyError
from spearmint.suggest import did_you_mean

Reason = Literal["split", "default", "static", "targeting_match", "cached", "disabled", "unknown", "stale", "error"]
Weights = Sequence[float] | Mapping[str, float]


@dataclass(frozen=True, slots=True)
class AssignmentStep:
    """One step on the way to an arm, for people.

    Attributes:
        text: What was asked, and what the answer is.
        goes_on: Whether the unit takes part so far.
    """

    text: str
    goes_on: bool


@dataclass(frozen=True, slots=True)
class BanditOptions:
    """By what a bandit weighs its arms.

    Attributes:
        metric: What is to be as good as can be.
        lower: Whether less of it is better.
        floor: Share that every arm keeps.
        seconds: After how long the weights are made anew.
        burn_in: How many units each arm has before they move.
    """

    metric: str
    lower: bool
    floor: float
    seconds: float
    burn_in: int


@dataclass(frozen=True, slots=True, eq=False)
class Arm:
    """An arm as long as shares stay as they are.

    Attributes:
        config: Its config.
        propensity: Its share among the units that take part.
        key: What is the same for all of its units, and for no other arm.
    """

    config: Config
    propensity: float
    key: str


@dataclass(frozen=True, slots=True, eq=False)
class LiveShares:
    """The shares that are in force, which stages, roll-backs and bandits change; swapped as one.

    Attributes:
        traffic: Share of the units that take part.
        weights: One for each arm.
        ends: Where the interval of each arm ends.
        note: Why they are not those that were declared, for people.
        arms: The arms.
        since: When the experiment was begun anew, in ns, so that its units are exposed anew too; 0 where it never was.
        kept: What units were assigned to under them.
    """

    traffic: float
    weights: tuple[float, ...]
    ends: tuple[float, ...]
    arms: tuple[Arm, ...]
    note: str = ""
    since: int = 0
    kept: dict[str, Any] = field(default_factory=dict)


def with_arms(split: Any, shares: LiveShares, configs: Sequence[Config]) -> LiveShares:
    """Return shares of a split with their arms."""
    whole = sum(shares.weights)
    arms = [
        Arm(config, weight / whole, f"{split.name}\0{split.version}\0{config.config_id}\0{shares.since}")
        for config, weight in zip(configs, shares.weights, strict=True)
    ]
    return replace(shares, arms=tuple(arms), kept={})


def unit_text(unit: Any) -> str | None:
    """Return a unit as text; None for what is no unit, such as an empty text."""
    if isinstance(unit, str):
        return unit or None
    is_one = isinstance(unit, int | UUID) and not isinstance(unit, bool)
    return str(unit) if is_one else None


def weights_of(weights: Weights | None, ids: Sequence[str], name: str) -> tuple[float, ...]:
    """Return one weight for each config.

    Raises:
        StrategyError: If they do not fit the configs.
    """
    if weights is None:
        return (1.0,) * len(ids)
    if isinstance(weights, Mapping):
        unknown = [key for key in weights if key not in ids]
        if unknown:
            cause = f"there is no config {unknown[0]!r}. Give some of {', '.join(map(repr, ids))}"
            hint = did_you_mean(str(unknown[0]), ids)
            raise StrategyError(f"Cannot split {name} by the weights {dict(weights)}: {cause}.{hint}")
        return tuple(weights.get(config_id, 0) for config_id in ids)
    if len(weights) != len(ids):
        cause = f"there are {len(ids)} configs and {len(weights)} weights. Give one for each, in their order"
        raise StrategyError(f"Cannot split {name} by the weights {list(weights)}: {cause}.")
    return tuple(weights)


def config_content(config: Config) -> str:
    """Return what a config says as text that is the same in every process; empty where it has no such form."""
    try:
        return canonical_text(config)
    except ConfigError:  # It has an id of its own for want of a canonical form.
        return ""


def bad_option(name: str, value: Any, wanted: str) -> StrategyError:
    """Return the error for an option of a split that has no such value."""
    return StrategyError(f"Cannot split by {name} {value!r}: it is of no use there. Give {wanted}.")
