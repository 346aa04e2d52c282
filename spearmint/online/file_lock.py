"""A lock between processes that the system lets go of when its holder dies, and that a fork does not take along."""

import os
from contextlib import suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # On Windows, where processes are not kept apart.
    fcntl = None  # type: ignore[assignment]  # its absence is asked for

_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
_held: set[int] = set()


class FileLock:
    """A lock that a file stands for, held from the moment that it is made. On a file system without locks it is free.

    Args:
        path: The file, which stays.
        waits: Whether to wait while another process holds it.

    Raises:
        BlockingIOError: If another process holds it, and this one does not wait.
        OSError: If the file cannot be opened.
    """

    def __init__(self, path: Path, *, waits: bool = True) -> None:
        self._process = os.getpid()
        self._file: int | None = os.open(path, _FLAGS, 0o644)
        _held.add(self._file)
        if fcntl is None:
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | (0 if waits else fcntl.LOCK_NB))
        except BlockingIOError:
            self.release()
            raise
        except OSError:  # A file system without locks.
            return

    def release(self) -> None:
        """Let go of it; it may be called twice, and in the child of a fork, whose parent keeps it."""
        file, self._file = self._file, None
        if file is None or file not in _held:
            return
        _held.discard(file)
        if fcntl is not None and self._process == os.getpid():
            with suppress(OSError):
                # Closing would do, if no child had been forked between opening the file and noting it.
                fcntl.flock(file, fcntl.LOCK_UN)
        os.close(file)

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        self.release()


def _leave_to_parent() -> None:
    """Let the child of a fork hold nothing: what it holds, it would hold beyond its parent's end."""
    for file in list(_held):
        with suppress(OSError):
            os.close(file)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)
