"""What the log has of a variant that fails again and again."""

import logging

from spearmint.registry.failure_log import FailureLog


def raised(kind, text="a"):
    try:
        raise kind(text)
    except Exception as error:
        return error


def test_failures_from_one_line_have_one_traceback(caplog):
    failures = FailureLog("shop:rank")
    with caplog.at_level(logging.ERROR, logger="spearmint"):
        for kind in (ValueError, ValueError, KeyError, ValueError):
            failures.log(raised(kind))

    assert [bool(record.exc_info) for record in caplog.records] == [True, False, True, False]
    assert [record.message.partition(", the ")[0] for record in caplog.records] == [
        "A variant of shop:rank ended with ValueError",
        "A variant of shop:rank ended with ValueError",
        "A variant of shop:rank ended with KeyError",
        "A variant of shop:rank ended with ValueError",
    ]
    assert "the 3. time from one line" in caplog.records[3].message


def test_same_exception_from_another_line_is_logged_in_full(caplog):
    failures = FailureLog("shop:rank")
    with caplog.at_level(logging.ERROR, logger="spearmint"):
        failures.log(raised(ValueError))
        failures.log(ValueError("never raised"))
        try:
            raise ValueError
        except ValueError as error:
            failures.log(error)

    assert all(record.exc_info for record in caplog.records)


def test_kinds_of_failures_kept_are_bounded(caplog):
    failures = FailureLog("shop:rank")
    with caplog.at_level(logging.ERROR, logger="spearmint"):
        for number in range(300):
            failures.log(raised(type(f"Error{number}", (Exception,), {})))

    assert len(failures._counts) == 100
    assert all(record.exc_info for record in caplog.records)
