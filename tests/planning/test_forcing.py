"""Blocks that force configs, of several threads at once."""

import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from spearmint.planning.capture import active
from spearmint.planning.forcing import forcing


@pytest.fixture
def often_switching():
    """Let threads take turns as often as can be."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_blocks_of_threads_end_in_any_order(often_switching):
    def force(_):
        for _ in range(2000):
            with forcing({"shop:rank": "large"}):
                time.sleep(0)  # Another thread's turn.

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(force, range(8)))
    assert active == []
