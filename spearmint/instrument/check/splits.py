"""Splits of a settings file: weights that do not fit the configs, and layers whose ranges overlap."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from spearmint.assignment.layers import overlapping
from spearmint.config.model import Config
from spearmint.errors import StrategyError
from spearmint.instrument.settings.model import EntryOptions, StrategyEntry
from spearmint.strategies.bandit import BanditStrategy
from spearmint.strategies.split import SplitStrategy

_ASSIGNING = {"split": SplitStrategy, "bandit": BanditStrategy}


def _split_in(entry: EntryOptions) -> SplitStrategy | None:
    choice = entry.strategy
    made = _ASSIGNING.get(choice.use) if isinstance(choice, StrategyEntry) else None
    try:
        return None if made is None else made(**entry.strategy_arguments)
    except StrategyError:  # What is wrong beside the strategy's own arguments is told of at its place.
        return None


def weights_problem(entry: EntryOptions, configs: Sequence[Config]) -> str | None:
    """Return what is wrong with the weights of an entry; None where nothing is, or the configs are not known."""
    split = _split_in(entry)
    if split is None or not configs:
        return None
    try:
        split.for_experiment("the experiment", configs)
    except StrategyError as error:
        return str(error)
    return None


def overlapping_layers(
    entries: Iterable[tuple[tuple[Any, ...], EntryOptions]],
) -> Iterator[tuple[tuple[Any, ...], str]]:
    """Yield place and message of each entry whose layer overlaps that of an earlier one."""
    keys: dict[str, tuple[Any, ...]] = {}
    layers = []
    for place, entry in entries:
        split = _split_in(entry)
        if split is not None and split.layer_range is not None:
            name = f"{place[0]}[{place[1]}]"
            keys[name] = place
            layers.append((name, split.layer_range))
    for earlier, layer, name, other in overlapping(layers):
        cause = f"it overlaps {layer} of {earlier}, so that a unit may be in both"
        yield keys[name], f"Cannot use the layer {other}: {cause}. Give them ranges that do not meet."
