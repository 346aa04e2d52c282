import pytest

from spearmint.evaluation.limits import Limits
from spearmint.evaluation.run import controller as module
from spearmint.evaluation.run.controller import FIRST, Controller
from spearmint.evaluation.run.faults import Fault


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(module, "monotonic", lambda: now[0])
    return now


def answer(controller, count):
    for _ in range(count):
        with controller.call():
            pass
        controller.succeed()


def test_clean_rounds_let_five_percent_more_in(clock):
    controller = Controller(Limits())
    assert controller.limit == FIRST
    answer(controller, FIRST)
    assert controller.limit == FIRST * 1.05
    answer(controller, FIRST + 1)
    assert controller.limit == pytest.approx(FIRST * 1.05**2)


def test_a_burst_of_refusals_shrinks_once(clock):
    controller = Controller(Limits())
    for _ in range(10):
        controller.refuse(Fault(is_throttled=True, retry_after=None))
    assert controller.limit == FIRST * 0.8
    clock[0] += 1.1
    controller.refuse(Fault(is_throttled=True, retry_after=None))
    assert controller.limit == pytest.approx(FIRST * 0.8**2)


def test_a_given_concurrency_stays(clock):
    controller = Controller(Limits(concurrency=3))
    answer(controller, 10)
    controller.refuse(Fault(is_throttled=True, retry_after=None))
    assert controller.limit == 3


def test_a_wait_beyond_the_longest_is_a_quota_used_up(clock):
    controller = Controller(Limits(max_wait=60))
    controller.refuse(Fault(is_throttled=True, retry_after=3600))
    assert controller.exhausted == "the service asked to wait for 3,600 s, and max_wait is 60"
    with controller.call():  # It holds up no thread.
        pass


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"concurrency": "many"}, "Cannot keep Limits(concurrency='many'): it is no whole number of calls from 1"),
        ({"rate": 0}, "Cannot keep Limits(rate=0): it is no number above 0, or None"),
        ({"attempts": 0}, "Cannot keep Limits(attempts=0): it is no whole number of attempts from 1"),
        ({"retry_on": 5}, "Cannot keep Limits(retry_on=5): it is no function of the exception"),
    ],
)
def test_limits_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match="Cannot keep") as caught:
        Limits(**options)
    assert message in str(caught.value)
