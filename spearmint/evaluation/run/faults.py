"""What an exception says of the service that was called: whether to try again, and when."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

_RETRIED = frozenset({408, 409, 429})
_THROTTLED = frozenset({429, 529})
_THROTTLED_NAMES = ("ratelimit", "toomanyrequests", "throttl", "resourceexhausted", "overloaded")
_RETRIED_NAMES = (*_THROTTLED_NAMES, "timeout", "connection", "internalserver", "serviceunavailable", "badgateway")
_SERVER_ERROR = 500
_MOST_CAUSES = 5


class Fault(NamedTuple):
    """A failure that is worth another attempt.

    Attributes:
        is_throttled: Whether the service refused since it was asked too often.
        retry_after: Seconds that it asked to wait; None if it did not say.
    """

    is_throttled: bool
    retry_after: float | None


def fault_of(error: BaseException | None, retry_on: Callable[[BaseException], bool] | None) -> Fault | None:
    """Return what a failure says; None if it is not worth another attempt.

    Args:
        error: What was raised.
        retry_on: Decides instead of this; None for status and name.
    """
    if not isinstance(error, Exception):
        return None
    chain = list(_chain(error))
    statuses = [status for one in chain if (status := _status(one)) is not None]
    names = "".join(type(one).__name__.lower() for one in chain)
    if statuses:
        is_throttled = any(status in _THROTTLED for status in statuses)
        is_retried = is_throttled or any(status in _RETRIED or status >= _SERVER_ERROR for status in statuses)
    else:
        is_throttled = any(name in names for name in _THROTTLED_NAMES)
        is_retried = any(name in names for name in _RETRIED_NAMES)
    if retry_on is not None:
        is_retried = bool(retry_on(error))
    if not is_retried:
        return None
    asked = [seconds for one in chain if (seconds := _retry_after(one)) is not None]
    return Fault(is_throttled, max(asked, default=None))


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and those that caused it."""
    one: BaseException | None = error
    for _ in range(_MOST_CAUSES):
        if one is None:
            return
        yield one
        one = one.__cause__


def _status(error: BaseException) -> int | None:
    for holder in (error, getattr(error, "response", None)):
        for name in ("status_code", "status", "code"):
            value = getattr(holder, name, None)
            if isinstance(value, int) and not isinstance(value, bool) and value >= 100:  # noqa: PLR2004 - HTTP's first
                return int(value)
    return None


def _retry_after(error: BaseException) -> float | None:
    for holder in (getattr(error, "response", None), error):
        headers: Any = getattr(holder, "headers", None)
        if isinstance(headers, Mapping) or hasattr(headers, "get"):
            for name in ("retry-after", "Retry-After"):
                found = _seconds(headers.get(name))
                if found is not None:
                    return found
    return _seconds(getattr(error, "retry_after", None))


def _seconds(value: Any) -> float | None:
    """Return the seconds that a header gives as a number or a date."""
    if value is None or isinstance(value, bool):
        return None
    try:
        return max(0.0, float(value))
    except (TypeError, ValueError):
        pass
    try:
        moment = parsedate_to_datetime(str(value))
    except (TypeError, ValueError):
        return None
    return max(0.0, (moment - datetime.now(UTC)).total_seconds()) if moment.tzinfo else None
