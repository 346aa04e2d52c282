"""The end of the process: what was not written is told, and a thread of ours does not begin another import.

Up to CPython 3.13, a daemon thread that asks for the interpreter after its end is ended by force; where that passes
through a module written in C++ that is being imported, the process aborts, whatever its program returned.
"""

import sys
from contextlib import suppress
from threading import get_ident
from time import monotonic, sleep
from typing import Any

_WAIT_SECONDS = 2.0
_POLL_SECONDS = 0.005


class ImportsEnded(BaseException):
    """An import was refused, since the process ends."""


class _Refusal:
    """A finder that refuses one thread whatever is not imported yet."""

    def __init__(self, thread: int) -> None:
        self._thread = thread

    def find_spec(self, name: str, _path: Any = None, _target: Any = None) -> None:
        if get_ident() == self._thread:
            raise ImportsEnded(name)


def tell_unwritten(count: int, noun: str, timeout: float) -> None:
    """Say on stderr what the exit did not wait for."""
    if sys.stderr is not None:
        with suppress(Exception):
            sys.stderr.write(
                f"spearmint: {count} {noun} were not written to MLflow within {timeout:g} s of exit; "
                "flush() before it waits longer\n"
            )


def end_imports(thread: int | None) -> None:
    """Refuse a thread further imports, and wait a moment for the module that it is at."""
    if thread is None or sys.version_info >= (3, 14) or not _is_importing(thread):
        return
    sys.meta_path.insert(0, _Refusal(thread))
    deadline = monotonic() + _WAIT_SECONDS
    while _is_importing(thread) and monotonic() < deadline:
        sleep(_POLL_SECONDS)


def _is_importing(thread: int) -> bool:
    frame = sys._current_frames().get(thread)  # noqa: SLF001 - there is no public way to another thread's frames
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False
