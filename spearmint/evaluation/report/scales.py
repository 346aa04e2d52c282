"""Scales for plots: from values to pixels, with ticks at round numbers."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

_STEPS = (1, 2, 2.5, 5, 10)


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps values to pixels in a straight line.

    Attributes:
        low: The value at the first pixel.
        high: The value at the last.
        start: The first pixel.
        end: The last.
    """

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return the pixel of a value."""
        span = self.high - self.low
        share = (value - self.low) / span if span else 0.5
        return round(self.start + share * (self.end - self.start), 2)

    def ticks(self, count: int = 5) -> list[float]:
        """Return round values in its range, about as many as asked for."""
        span = self.high - self.low
        if span <= 0:
            return [self.low]
        rough = span / count
        size = 10.0 ** math.floor(math.log10(rough))
        step = next(size * factor for factor in _STEPS if size * factor >= rough)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [round(number * step, 12) for number in range(first, last + 1)]


def scale_over(values: Sequence[float], start: float, end: float, *, room: float = 0.05) -> Scale:
    """Return a scale from pixel to pixel that holds all finite values, with a share of the range free at either end."""
    finite = [value for value in values if math.isfinite(value)]
    low, high = (min(finite), max(finite)) if finite else (0.0, 1.0)
    if low == high:
        extra = abs(low) * 0.1 or 0.5
        return Scale(low - extra, high + extra, start, end)
    extra = (high - low) * room
    return Scale(low - extra, high + extra, start, end)


def number(value: float) -> str:
    """Return a number as short as it can be told apart by."""
    return "-" if math.isnan(value) else f"{value:.4g}"


def percent(share: float) -> str:
    """Return a level of confidence, such as ``"95%"`` or ``"99.92%"``."""
    return f"{100 * share:.4g}%"
