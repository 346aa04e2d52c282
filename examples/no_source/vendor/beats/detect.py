"""From a signal to the moments of its beats."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray


def find_beats(signal: NDArray[np.float64], rate: int, threshold: float = 0.5) -> list[float]:
    """Return the moments of the beats, in seconds."""
    return [index / rate for index in thin_out(signal, candidates(signal, threshold), rate)]


def candidates(signal: NDArray[np.float64], threshold: float = 0.5) -> NDArray[np.intp]:
    """Return the indexes of the local maxima that stand above a share of the highest one."""
    middle = signal[1:-1]
    is_peak = (middle > signal[:-2]) & (middle >= signal[2:]) & (middle > threshold * signal.max())
    return np.flatnonzero(is_peak) + 1


def thin_out(signal: NDArray[np.float64], found: Iterable[int], rate: int, refractory: float = 0.05) -> list[int]:
    """Return the highest ones of peaks that are closer together than a heart can beat, in seconds."""
    kept: list[int] = []
    for index in sorted(found, key=lambda one: -signal[one]):
        if all(abs(index - other) >= refractory * rate for other in kept):
            kept.append(int(index))
    return sorted(kept)
