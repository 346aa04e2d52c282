"""What every test starts from: no background work of the test before."""

from collections.abc import Iterator

import pytest

import spearmint

FLUSH_SECONDS = 5


@pytest.fixture(autouse=True)
def clean_process() -> Iterator[None]:
    """Wait for what a test left running, so that it cannot reach into the next one."""
    yield
    spearmint.flush(FLUSH_SECONDS)
