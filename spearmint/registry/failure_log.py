"""What variants raise, as the log has it."""

import logging
from collections.abc import Hashable, Iterator
from itertools import count

logger = logging.getLogger("spearmint")

_MOST_KINDS = 100


class FailureLog:
    """Logs failures of an experiment's variants: each with a line, the first of a kind with its traceback.

    A service whose variant always fails would else fill its log with one traceback, and hide what else is told there.

    Args:
        name: Name of the experiment.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._counts: dict[Hashable, Iterator[int]] = {}

    def log(self, error: BaseException) -> None:
        """Log what a variant raised; of a kind are exceptions of one type from one line."""
        kind = type(error), _place(error)
        known = self._counts.get(kind)
        if known is None and len(self._counts) < _MOST_KINDS:
            known = self._counts.setdefault(kind, count(1))
        number = 1 if known is None else next(known)
        if number == 1:
            logger.error("A variant of %s ended with %s", self._name, type(error).__name__, exc_info=error)
        else:
            message = (
                "A variant of %s ended with %s, the %d. time from one line; the traceback was logged with the first"
            )
            logger.error(message, self._name, type(error).__name__, number)


def _place(error: BaseException) -> tuple[str, int] | None:
    """Return the line that raised an exception."""
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    return None if traceback is None else (traceback.tb_frame.f_code.co_filename, traceback.tb_lineno)
