from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace

import pytest

from spearmint.evaluation.run.faults import Fault, fault_of


class RateLimitError(Exception):
    pass


class APIConnectionError(Exception):
    pass


def answered(status, **headers):
    error = RuntimeError("refused")
    error.response = SimpleNamespace(status_code=status, headers=headers)
    return error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (answered(429), Fault(True, None)),
        (answered(429, **{"retry-after": "7"}), Fault(True, 7.0)),
        (answered(503), Fault(False, None)),
        (answered(500, **{"retry-after": "2.5"}), Fault(False, 2.5)),
        (answered(400), None),
        (answered(404), None),
        (RateLimitError(), Fault(True, None)),
        (APIConnectionError(), Fault(False, None)),
        (ConnectionResetError(), Fault(False, None)),
        (ValueError("bad answer"), None),
        (KeyboardInterrupt(), None),
        (None, None),
    ],
)
def test_status_and_name_say_what_is_tried_again(error, expected):
    assert fault_of(error, None) == expected


def test_a_cause_counts():
    error = ValueError("wrapped")
    error.__cause__ = answered(429, **{"retry-after": "3"})
    assert fault_of(error, None) == Fault(True, 3.0)


def test_a_date_is_a_wait():
    moment = datetime.now(UTC) + timedelta(seconds=100)
    found = fault_of(answered(429, **{"retry-after": format_datetime(moment)}), None)
    assert 90 < found.retry_after <= 100


def test_retry_on_decides_instead():
    assert fault_of(ValueError("flaky"), lambda error: "flaky" in str(error)) == Fault(False, None)
    assert fault_of(answered(503), lambda error: False) is None
