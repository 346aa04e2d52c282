"""Layers: experiments of one layer share a bucket, and each runs in a range of its own, so that no unit is in two."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from spearmint.assignment.hashing import bucket
from spearmint.errors import ConfigError

_LAYER = re.compile(r"(?P<name>[^\[\]]+)\[(?P<start>[\d.]*):(?P<stop>[\d.]*)\]")


@dataclass(frozen=True, slots=True)
class Layer:
    """A range of a layer: ``checkout[0:0.5]`` holds the units whose bucket in ``checkout`` is in [0, 0.5).

    Attributes:
        name: Name of the layer.
        start: Where the range begins, from 0.
        stop: Where it ends, up to 1; it is not part of it.
    """

    name: str
    start: float
    stop: float

    def holds(self, unit: str) -> bool:
        """Tell whether a unit is in the range."""
        return self.start <= bucket(unit, f"layer.{self.name}") < self.stop

    def overlaps(self, other: "Layer") -> bool:
        """Tell whether some unit may be in both."""
        return self.name == other.name and max(self.start, other.start) < min(self.stop, other.stop)

    def __str__(self) -> str:
        return f"{self.name}[{self.start:g}:{self.stop:g}]"


def parse_layer(text: str) -> Layer:
    """Return the layer that a text such as ``"checkout[0:0.5]"`` names.

    Raises:
        ConfigError: If it is no such text, or its range is empty or goes beyond 0 and 1.
    """
    match = _LAYER.fullmatch(text) if isinstance(text, str) else None
    ends = None if match is None else _ends(match)
    if match is None or ends is None:
        message = f"Cannot use the layer {text!r}: it names no range. Write 'name[start:stop]', as 'checkout[0:0.5]'."
        raise ConfigError(message)
    start, stop = ends
    if not 0 <= start < stop <= 1:
        message = f"Cannot use the layer {text!r}: its range is empty or leaves [0, 1]. Write it as 'checkout[0:0.5]'."
        raise ConfigError(message)
    return Layer(match["name"].strip(), start, stop)


def _ends(match: re.Match[str]) -> tuple[float, float] | None:
    try:
        return float(match["start"] or 0), float(match["stop"] or 1)
    except ValueError:  # as of "0.1.2"
        return None


def overlapping(layers: Iterable[tuple[str, Layer]]) -> list[tuple[str, Layer, str, Layer]]:
    """Return the pairs of experiments that a unit might be in both of, although they share a layer.

    Args:
        layers: The name of each experiment with its layer.

    Returns:
        Name and layer of the one, name and layer of the other, in the given order.
    """
    found = list(layers)
    return [
        (name, layer, other_name, other)
        for position, (name, layer) in enumerate(found)
        for other_name, other in found[position + 1 :]
        if layer.overlaps(other)
    ]
