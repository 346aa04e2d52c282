"""What stands among the constants of code that is kept on disk, in the place of what reads of values call."""

from types import CodeType
from typing import Any

MARK = "\0spearmint"
"""What a tuple begins with that stands for what rewritten code calls."""

CASE = (MARK, "case")
"""Stands for what returns the running case, or None; all others are ``(MARK, kind, path)``."""

MarkPlaces = tuple[tuple[int, Any], ...]
"""Where marks stand: the index of each among the constants, with nothing; or that of a code object, with its marks."""


def marks_in(code: CodeType) -> MarkPlaces:
    """Return where marks stand among the constants of a code object, and of all that is defined in it."""
    found: list[tuple[int, Any]] = []
    for index, constant in enumerate(code.co_consts):
        if type(constant) is CodeType:
            below = marks_in(constant)
            if below:
                found.append((index, below))
        elif type(constant) is tuple and constant and constant[0] == MARK:
            found.append((index, ()))
    return tuple(found)
