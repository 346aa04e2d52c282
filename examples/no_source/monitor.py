"""Counts heart beats in recordings, and tells how many it got right. It knows nothing of Spearmint."""

import numpy as np
from beats.detect import find_beats
from numpy.typing import NDArray
from scipy.signal import savgol_filter

RATE = 100  # samples per second
SECONDS = 30
RECORDINGS = 16
TOLERANCE = 0.05  # seconds


def record(number: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return a noisy recording, and the moments in seconds at which the heart did beat."""
    random = np.random.default_rng(number)
    moments = np.cumsum(random.uniform(0.6, 1.0, size=SECONDS))
    moments = moments[moments < SECONDS - 1]
    time = np.arange(SECONDS * RATE) / RATE
    signal = random.normal(0, 0.12, size=len(time))
    for moment, height in zip(moments, random.uniform(0.6, 1.0, size=len(moments)), strict=True):
        signal += height * np.exp(-(((time - moment) / 0.03) ** 2))
        signal += 0.35 * np.exp(-(((time - moment - 0.3) / 0.06) ** 2))  # the wave that follows, and is no beat
    return signal, moments


def main() -> None:
    """Print for each recording how many beats were found, missed and made up."""
    for number in range(RECORDINGS):
        signal, moments = record(number)
        found = find_beats(np.asarray(savgol_filter(signal, 5, 2)), RATE)
        right = sum(any(abs(moment - one) <= TOLERANCE for one in found) for moment in moments)
        print(f"recording {number}: right {right}, missed {len(moments) - right}, made up {len(found) - right}")


if __name__ == "__main__":
    main()
