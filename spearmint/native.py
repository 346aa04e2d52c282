"""Locks, queues and threads of the interpreter's own, which nothing has replaced and no signal leaves half made.

gevent replaces those of `threading` and `queue` by ones that switch greenlets, in a process that may have been forked
from another one since: a lock that was made before would be of the other kind, and a thread be a greenlet that blocks
all others. A signal handler that raises, in turn, may do so between any two bytecodes of the main thread, also within
`threading.Thread.start` and `threading.Condition`, which are written in Python.
"""

import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")


def _original(module: str, name: str) -> Any:
    patcher = sys.modules.get("gevent.monkey")
    return getattr(__import__(module), name) if patcher is None else patcher.get_original(module, name)


allocate_lock: Callable[[], Any] = _original("_thread", "allocate_lock")
new_rlock: Callable[[], Any] = _original("_thread", "RLock")
SimpleQueue: Any = _original("_queue", "SimpleQueue")
get_ident: Callable[[], int] = _original("_thread", "get_ident")
_start_new_thread: Callable[..., int] = _original("_thread", "start_new_thread")
TIMEOUT_MAX = threading.TIMEOUT_MAX


def start_thread(name: str, function: Callable[..., object], *args: Any) -> None:
    """Run a function on a new daemon thread. When this returns, or is interrupted, the thread exists or it does not.

    Raises:
        RuntimeError: The machine has no more threads, or the interpreter is shutting down.
    """
    _start_new_thread(_run, (name, function, args))


def _run(name: str, function: Callable[..., object], args: tuple[Any, ...]) -> None:
    # As `threading.Thread` does: for coverage, debuggers, and the names of threads in logs.
    if (tracer := threading.gettrace()) is not None:
        sys.settrace(tracer)
    if (profiler := threading.getprofile()) is not None:
        sys.setprofile(profiler)
    is_patched = "gevent.monkey" in sys.modules
    if not is_patched:
        threading.current_thread().name = name
    try:
        function(*args)
    finally:
        if not is_patched:  # CPython before 3.13 would keep what it has made for this thread.
            with suppress(Exception):
                getattr(threading, "_active", {}).pop(get_ident(), None)


class GuardedLock:
    """A re-entrant lock whose holder may be interrupted at any moment.

    Attributes:
        lock: The lock, for threads that signal handlers do not run on.
    """

    __slots__ = ("lock",)

    def __init__(self) -> None:
        self.lock = new_rlock()

    def run(self, work: Callable[..., T], *args: Any) -> T:
        """Call a function under the lock, and return what it returns."""
        lock = self.lock
        depth = lock._recursion_count()  # noqa: SLF001 - CPython's own tests read it, too
        try:
            with lock:
                return work(*args)
        except BaseException:
            # CPython 3.14 calls ``__enter__`` as any function, after which a handler may run before the block begins.
            while lock._recursion_count() > depth:  # noqa: SLF001 - as above
                lock.release()
            raise


class Waiter:
    """Lets one thread wait until another one tells it to go on."""

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = allocate_lock()
        self._lock.acquire()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait at most that many seconds, or without end; return whether the other thread has told."""
        if timeout is None:
            return bool(self._lock.acquire())
        return bool(self._lock.acquire(timeout=min(max(timeout, 0.0), TIMEOUT_MAX)))

    def wake(self) -> None:
        """Tell it; more than once does nothing."""
        with suppress(RuntimeError):
            self._lock.release()
