"""Configs that tests pin experiments to."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from spearmint.cases.bound_config import BoundConfig
from spearmint.config.model import Config
from spearmint.strategies.builtin import Choice


@dataclass(frozen=True, slots=True, eq=False)
class Pin:
    """One config that an experiment is pinned to.

    Attributes:
        option: The config, as the experiment uses it.
        runs_variants: Whether the configs that the experiment's strategy chooses run beside it.
    """

    option: BoundConfig
    runs_variants: bool


@dataclass(frozen=True, slots=True)
class Declared:
    """How an experiment chooses while no pin holds."""

    strategy: Callable[..., Choice]
    takes_attributes: bool
    is_constant: bool
    options: tuple[BoundConfig, ...]

    def pinned(self, pin: Pin) -> "Declared":
        """Return how it chooses while a pin holds."""
        is_constant = self.is_constant or not pin.runs_variants
        options = (pin.option, *self.options)
        return Declared(PinnedStrategy(pin, self), takes_attributes=True, is_constant=is_constant, options=options)


class PinnedStrategy:
    """The pinned config is main; the variants, if they are asked for, are what the experiment's strategy chooses."""

    def __init__(self, pin: Pin, declared: Declared) -> None:
        self._pin = pin
        self._declared = declared

    def __call__(self, configs: list[Config], attributes: Mapping[str, object], /) -> Choice:
        """Return the pinned config, and the variants."""
        pinned, declared = self._pin.option.config, self._declared
        if not self._pin.runs_variants or not configs:
            return pinned, ()
        main, variants = (
            declared.strategy(configs, attributes) if declared.takes_attributes else declared.strategy(configs)
        )
        return pinned, [config for config in (main, *variants) if config.config_id != pinned.config_id]
