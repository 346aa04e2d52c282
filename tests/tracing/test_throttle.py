"""The worker rests between batches while nobody waits for it, and longer while nothing gets through."""

import threading

import pytest

from spearmint.tracing import throttle as room
from spearmint.tracing.throttle import Throttle


class Clock:
    """Stands in for the processor time of the worker's thread."""

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


def work(pace, clock, seconds, *, has_written=True):
    pace.begin()
    clock.now += seconds
    pace.throttle(has_written=has_written)


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


def test_batch_is_small_unless_a_caller_waits():
    pace = Throttle()
    at_ease = pace.batch_size
    with pace.full_speed():
        with pace.full_speed():
            pass
        assert pace.batch_size > at_ease
    assert pace.batch_size == at_ease


def test_who_waits_ends_a_rest_that_has_begun():
    pace = Throttle()
    pace._pause = 30.0
    resting = threading.Thread(target=pace.throttle, kwargs={"has_written": False}, daemon=True)
    resting.start()
    with pace.full_speed():
        resting.join(20)
        assert not resting.is_alive()


def test_after_its_end_it_never_rests():
    pace = Throttle()
    pace._pause = 30.0
    pace.end()
    resting = threading.Thread(target=pace.throttle, kwargs={"has_written": False}, daemon=True)
    resting.start()
    resting.join(20)
    assert not resting.is_alive()
