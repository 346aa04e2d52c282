"""What an experiment chooses from, and how: all of it that a reload may change, as one value."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from spearmint.cases.bound_config import BoundConfig
from spearmint.config.model import Config
from spearmint.strategies.builtin import Choice, Start, takes_attributes, unwrap_call
from spearmint.strategies.split import Split


@dataclass(frozen=True, slots=True, eq=False)
class Declared:
    """Configs and strategy of an experiment, from one version on.

    Attributes:
        configs: The configs; strategies get a list of just these objects.
        options: The same, compiled for the function.
        strategy: What chooses among the configs.
        choose: What a call asks: the same with the fewest steps.
        takes_attributes: Whether it gets the context's attributes.
        is_constant: Whether it chooses the same each time.
        split: The strategy, if it assigns units.
        start: When variants start.
        since: The number of the version from which on it holds.
        former: What holds in earlier versions; None where no call is in one.
    """

    configs: Sequence[Config]
    options: tuple[BoundConfig, ...]
    strategy: Callable[..., Choice]
    choose: Callable[..., Choice]
    takes_attributes: bool
    is_constant: bool
    split: Split | None
    start: Start
    option_by_identity: Mapping[int, BoundConfig]
    since: int = 0
    former: "Declared | None" = None

    @classmethod
    def of(cls, configs: Sequence[Config], options: Sequence[BoundConfig], strategy: Callable[..., Choice]) -> Self:
        """Return what a strategy chooses from configs, of which ``options`` are the compiled ones."""
        return cls(
            configs,
            tuple(options),
            strategy,
            unwrap_call(strategy),
            takes_attributes(strategy),
            bool(getattr(strategy, "is_constant", False)),
            strategy if isinstance(strategy, Split) else None,
            getattr(strategy, "start", "after_main"),
            {id(config): option for config, option in zip(configs, options, strict=True)},
        )

    def with_strategy(self, strategy: Callable[..., Choice]) -> "Declared":
        """Return the same with another strategy, whose variants start when they did."""
        return replace(
            self,
            strategy=strategy,
            choose=unwrap_call(strategy),
            takes_attributes=takes_attributes(strategy),
            split=strategy if isinstance(strategy, Split) else None,
        )

    def at(self, number: int) -> "Declared":
        """Return what holds in the version of a number, or the oldest that is kept."""
        found = self
        while found.since > number and found.former is not None:
            found = found.former
        return found

    def pruned(self, in_use: Sequence[int]) -> "Declared":
        """Return the same without what no call can ask for any more; ``in_use`` are the versions that calls are in."""
        earlier = [number for number in in_use if number < self.since]
        if self.former is None or not earlier:
            return self if self.former is None else replace(self, former=None)
        former = self.former.at(earlier[-1]).pruned(earlier)
        return self if former is self.former else replace(self, former=former)

    def find_bound_config(self, config: Any) -> BoundConfig | None:
        """Return the option for one of the configs that the strategy was given, or for one equal to it.

        Args:
            config: What the strategy returned.

        Returns:
            The option; None if it is none of these.
        """
        found = self.option_by_identity.get(id(config))
        if found is not None:
            return found
        if not isinstance(config, Mapping):
            return None
        config_id = config.config_id if isinstance(config, Config) else None  # A plain dict has content only.
        equal = (one for one in self.options if one.config == config)
        return next((one for one in equal if config_id in (None, one.config_id)), None)
