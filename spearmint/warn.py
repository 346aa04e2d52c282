"""Warnings of Spearmint: they name the caller's line, are said once, and never end the caller's call."""

import logging
import os
import sys
import warnings
from collections.abc import Hashable
from types import FrameType

from spearmint.errors import SpearmintWarning

logger = logging.getLogger("spearmint")

_OWN_FILES = os.path.dirname(__file__) + os.sep  # noqa: PTH120 - of text, which frames give
_GENERATED = "<spearmint"


class Once:
    """Finds out whether a key comes for the first time. It holds no lock, so that a fork leaves none held."""

    def __init__(self) -> None:
        self._seen: dict[Hashable, object] = {}

    def is_first(self, key: Hashable) -> bool:
        """Return True for the first caller with this key, on whatever thread, and False for all others."""
        mine = object()
        return key not in self._seen and self._seen.setdefault(key, mine) is mine

    def clear(self) -> None:
        """Forget every key."""
        self._seen.clear()


said = Once()
"""What the process has been warned of; tests clear it."""


def warn(message: str) -> None:
    """Issue a `SpearmintWarning` for the nearest line outside of Spearmint; log it where warnings are errors.

    Under ``-W error`` a warning becomes an exception, which would end a call or an import of the user's program for
    something that is no error. There, the message goes to the logger ``"spearmint"``.
    """
    frame = _callers_frame()
    names = {} if frame is None else frame.f_globals
    try:
        warnings.warn_explicit(
            message,
            SpearmintWarning,
            filename="sys" if frame is None else frame.f_code.co_filename,
            lineno=1 if frame is None else frame.f_lineno,
            module=names.get("__name__") or "<unknown>",
            registry=names.setdefault("__warningregistry__", {}),
        )
    except SpearmintWarning:
        logger.warning("%s", message)


def warn_at(path: str, message: str) -> None:
    """Do the same for a file, where no frame leads to it: a module that is about to run."""
    try:
        warnings.warn_explicit(message, SpearmintWarning, path, 1)
    except SpearmintWarning:
        logger.warning("%s: %s", path, message)


def warn_once(key: Hashable, message: str) -> None:
    """Do the same for the first time of a key in the process; later times do nothing."""
    if said.is_first(key):
        warn(message)


def _callers_frame() -> FrameType | None:
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - no other way leads to the caller
    while frame is not None and _is_own(frame.f_code.co_filename):
        frame = frame.f_back
    return frame


def _is_own(filename: str) -> bool:
    # What is imported or run by the import system has its frames between; `warnings` passes over them, too.
    is_import = "importlib" in filename and "_bootstrap" in filename
    return is_import or filename.startswith((_OWN_FILES, _GENERATED))
