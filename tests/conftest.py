"""Fixtures for tests that run variants."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict

import pytest

import spearmint
from spearmint.execution.pool import variant_pool

SAMPLING_SECONDS = 0.001
FLUSH_SECONDS = 5

Counts = Callable[[], dict[str, int]]


def imbalance() -> dict[str, int] | None:
    """Return a snapshot of the account that does not add up, else None."""
    counts = asdict(spearmint.background_stats())
    return None if 2 * counts["submitted"] == sum(counts.values()) else counts


@pytest.fixture(autouse=True, scope="session")
def _patient_loops() -> None:
    """Have a busy machine shed nothing, but where a test asks for it."""
    variant_pool.configure(max_lag=3600)


@pytest.fixture
def account() -> Iterator[Counts]:
    """Give an empty background, and check all through the test and at its end that every variant is accounted for."""
    assert spearmint.flush(FLUSH_SECONDS)
    variant_pool.reset()
    limits = variant_pool.limits
    has_ended = threading.Event()
    wrong = []

    def watch() -> None:
        while not has_ended.wait(SAMPLING_SECONDS):
            if found := imbalance():
                wrong.append(found)

    watcher = threading.Thread(target=watch)
    watcher.start()
    yield lambda: {name: count for name, count in asdict(spearmint.background_stats()).items() if count}
    spearmint.flush(FLUSH_SECONDS)
    has_ended.set()
    watcher.join()
    variant_pool.configure(**asdict(limits))
    assert not wrong
    assert imbalance() is None
    assert spearmint.background_stats().pending == 0
