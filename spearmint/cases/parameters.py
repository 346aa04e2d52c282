"""What stands in the configs of a case, each value under a name that tells whose it is."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from spearmint.cases.bound_config import BoundConfig
from spearmint.cases.edge import ExperimentRef
from spearmint.config.flatten import flatten


def short_name(name: str) -> str:
    """Return the last part of an experiment's name, ``"module:qualified.name"``; a literal keeps its function's."""
    path, mark, literal = name.partition("#")
    return f"{path.rpartition('.')[2].rpartition(':')[2]}{mark}{literal}"


def labelled(bound: Mapping[ExperimentRef, BoundConfig]) -> Iterator[tuple[ExperimentRef, str, dict[str, Any]]]:
    """Yield each experiment with a config of its own, what stands before its paths, and its values by path.

    Args:
        bound: The experiments, that which was called first.
    """
    root, *nested = bound.items()
    yield root[0], "", flatten(root[1].copy())
    names = [experiment.name for experiment, _ in nested]
    short: Sequence[str] = [short_name(name) for name in names]
    for (experiment, option), name, own in zip(nested, names, short, strict=True):
        yield experiment, f"{own if short.count(own) == 1 else name}: ", flatten(option.copy())
