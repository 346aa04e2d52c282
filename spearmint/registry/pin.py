"""Configs that tests, and switches, pin experiments to."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from spearmint.cases.bound_config import BoundConfig
from spearmint.config.model import Config
from spearmint.registry.declared import Declared
from spearmint.strategies.builtin import Choice


@dataclass(frozen=True, slots=True, eq=False)
class Pin:
    """One config that an experiment is pinned to.

    Attributes:
        option: The config, as the experiment uses it; or the id of one of those that it has at the time; None for the
            first of these.
        runs_variants: Whether the configs that the experiment's strategy chooses run beside it.
    """

    option: BoundConfig | str | None
    runs_variants: bool


class PinnedStrategy:
    """The pinned config is main; the variants, if they are asked for, are what the experiment's strategy chooses."""

    def __init__(self, option: BoundConfig, declared: Declared, *, runs_variants: bool) -> None:
        self._option = option
        self._declared = declared
        self._runs_variants = runs_variants

    def __call__(self, configs: list[Config], attributes: Mapping[str, object], /) -> Choice:
        """Return the pinned config, and the variants."""
        pinned, declared = self._option.config, self._declared
        if not self._runs_variants or not configs:
            return pinned, ()
        main, variants = declared.choose(configs, attributes) if declared.takes_attributes else declared.choose(configs)
        return pinned, [config for config in (main, *variants) if config.config_id != pinned.config_id]


def pinned_by(pin: Pin, declared: Declared) -> Declared:
    """Return how an experiment chooses while a pin holds, what it was declared with in earlier versions included."""
    former = None if declared.former is None else pinned_by(pin, declared.former)
    option = _option(pin.option, declared)
    if option is None:  # One without configs runs under its caller's.
        return replace(declared, former=former)
    made = declared.with_strategy(PinnedStrategy(option, declared, runs_variants=pin.runs_variants))
    is_constant = declared.is_constant or not pin.runs_variants
    return replace(made, is_constant=is_constant, options=(option, *declared.options), former=former)


def _option(wanted: BoundConfig | str | None, declared: Declared) -> BoundConfig | None:
    if isinstance(wanted, BoundConfig):
        return wanted
    matching = (one for one in declared.options if wanted in (None, one.config_id))
    return next(matching, None)
