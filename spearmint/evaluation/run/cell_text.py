"""What is kept of outputs and errors: the beginnings of their texts, without secrets."""

import reprlib
from collections.abc import Callable
from typing import Any

from spearmint.cases.case import ExperimentCase
from spearmint.config.model import ATOMS
from spearmint.evaluation.dataset import Row
from spearmint.redaction import SHORTEST_SECRET, redactor

_LONGEST = 200  # characters of an output or an error that are kept
LONGEST_WHOLE = 1_000_000
"""Characters of an output that a page shows as a whole."""

_HARMLESS = (bool, int, float, type(None))

_shorten = reprlib.Repr()
_shorten.maxstring = _shorten.maxother = _LONGEST
_shorten.maxlist = _shorten.maxtuple = _shorten.maxdict = _shorten.maxset = 10


def error_text(error: BaseException, case: ExperimentCase, row: Row, output: Any = None) -> str:
    """Return what is kept of an exception, without secrets."""
    try:
        text = f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001 - a __str__ that raises
        text = type(error).__name__
    return _shown(text, case, row, output)


def _shown(text: str, case: ExperimentCase, row: Row, output: Any, longest: int = _LONGEST) -> str:
    """Return the beginning of a text, without secrets, such as those of the configs, the row and the output."""
    hide = redactor()
    known = hide.secrets_in([*case.assignment.values(), row.inputs, row.expectations, output])
    return hide.excerpt(text, longest, known)


def whole_text(value: Any, case: ExperimentCase, row: Row) -> str:
    """Return an output as a page shows it whole, without secrets."""
    return _told(value, case, row, repr, LONGEST_WHOLE)


def preview(value: Any, case: ExperimentCase, row: Row) -> str:
    """Return what is kept of an output, without secrets."""
    return _told(value, case, row, _shorten.repr, _LONGEST)


def _told(value: Any, case: ExperimentCase, row: Row, told: Callable[[Any], str], longest: int) -> str:
    try:
        text = str(value) if type(value) in ATOMS else told(value)
    except Exception as error:  # noqa: BLE001 - a __repr__ that raises
        return f"<{type(value).__name__} whose repr raised {type(error).__name__}>"
    if type(value) in _HARMLESS and len(text) < SHORTEST_SECRET:  # As most numbers and answers of yes or no.
        return text
    return _shown(text, case, row, value, longest)
