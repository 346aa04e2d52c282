"""The worker rests between batches while nobody waits for it, and longer while nothing gets through."""

import threading

import pytest

from spearmint.tracing import throttle as room
from spearmint.tracing.throttle import Throttle


class Clock:
    """Stands in for a clock, or the processor time of the worker's thread."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(room, "thread_time", made)
    return made


@pytest.fixture
def pace(monkeypatch):
    """A pace that tells how long it would rest, instead of resting."""
    made = Throttle()
    made.rests = []
    monkeypatch.setattr(made._is_awaited, "wait", made.rests.append)
    return made


@pytest.fixture
def wall(monkeypatch):
    made = Clock()
    monkeypatch.setattr(room, "monotonic", made)
    return made


def work(pace, clock, seconds, *, count=1, has_written=True):
    pace.begin()
    clock.now += seconds
    pace.throttle(count, has_written=has_written)


def test_it_works_for_a_quarter_of_the_time(pace, clock):
    work(pace, clock, 0.01)
    assert pace.rests == [pytest.approx(0.03)]


def test_a_batch_that_takes_no_processor_time_needs_no_rest(pace, clock):
    work(pace, clock, 0.0)
    assert pace.rests == [0.0]


def test_it_tries_ever_more_seldom_while_nothing_gets_through(pace, clock):
    for _ in range(7):
        work(pace, clock, 0.0, has_written=False)
    assert pace.rests == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    work(pace, clock, 0.0)
    work(pace, clock, 0.0, has_written=False)
    assert pace.rests[-2:] == [0.0, 1.0]


def test_batch_grows_while_it_is_quick_and_a_caller_waits(pace, wall):
    at_ease = pace.batch_size
    with pace.full_speed():
        for expected in (64, 128, 256, 256):
            assert pace.batch_size == expected
            work(pace, wall, 0.1, count=expected)
        with pace.full_speed():
            pass
        assert pace.batch_size > at_ease
    assert pace.batch_size == at_ease


def test_batch_that_was_not_full_tells_nothing_of_larger_ones(pace, wall):
    work(pace, wall, 0.1, count=63)
    with pace.full_speed():
        assert pace.batch_size == 64


def test_batch_shrinks_while_it_takes_long(pace, wall):
    sizes = []
    for _ in range(5):
        sizes.append(pace.batch_size)
        work(pace, wall, 1.1, count=sizes[-1])
    assert sizes == [64, 32, 16, 8, 8]
    work(pace, wall, 0.7, count=8)
    assert pace.batch_size == 8


def test_who_waits_ends_a_rest_that_has_begun():
    pace = Throttle()
    pace._pause = 30.0
    resting = threading.Thread(target=pace.throttle, args=(1,), kwargs={"has_written": False}, daemon=True)
    resting.start()
    with pace.full_speed():
        resting.join(20)
        assert not resting.is_alive()


def test_after_its_end_it_never_rests():
    pace = Throttle()
    pace._pause = 30.0
    pace.end()
    resting = threading.Thread(target=pace.throttle, args=(1,), kwargs={"has_written": False}, daemon=True)
    resting.start()
    resting.join(20)
    assert not resting.is_alive()
