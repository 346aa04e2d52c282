"""Waiting until files may have changed: for a while, or until the system says so where watchfiles is installed."""

import importlib
import importlib.util
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

_Notify = Callable[[float, set[str], threading.Event], bool]


class FileEvents:
    """What a thread waits for between two looks at files. Without watchfiles it waits the whole time."""

    def __init__(self) -> None:
        self._wake = threading.Event()
        self._notify: _Notify | None = None

    def prepare(self) -> None:
        """Import what tells of changes; threads import nothing, for which a fork would wait in vain."""
        self._notify = _notifier()

    def wake(self) -> None:
        """Let the wait end that is under way, or the next one."""
        self._wake.set()

    def pause(self, seconds: float) -> None:
        """Wait for so long, whatever happens."""
        threading.Event().wait(seconds)

    def wait(self, seconds: float, folders: Iterable[Path]) -> bool:
        """Wait for so long, or until something in one of the folders has changed.

        Args:
            seconds: How long at most.
            folders: The folders; what is in folders within them is of no interest.

        Returns:
            Whether the system has told of a change.
        """
        told = False
        if self._notify is not None and not self._wake.is_set():
            told = self._notify(seconds, {str(folder) for folder in folders if folder.is_dir()}, self._wake)
        else:
            self._wake.wait(seconds)
        self._wake.clear()
        return told


def _notifier() -> _Notify | None:
    if importlib.util.find_spec("watchfiles") is None:  # noqa: TID251 - it has no parent
        return None
    watch: Any = importlib.import_module("watchfiles").watch  # an extra

    def notify(seconds: float, folders: set[str], stop: threading.Event) -> bool:
        milliseconds = max(1, int(seconds * 1000))
        if not folders:
            stop.wait(seconds)
            return False
        options = {"stop_event": stop, "rust_timeout": milliseconds, "yield_on_timeout": True, "recursive": False}
        try:
            return bool(next(watch(*folders, **options, debounce=50, step=20, raise_interrupt=False), ()))
        except OSError:  # A folder is gone, or there are no more watches.
            stop.wait(seconds)
            return False

    return notify
