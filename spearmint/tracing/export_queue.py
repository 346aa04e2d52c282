"""A thread that writes to MLflow, the bounded queue before it, and the account of what became of what was queued."""

import asyncio
import atexit
import concurrent.futures.thread  # noqa: F401 - MLflow imports it, which is refused once the exit has begun
import logging
import os
import queue
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import Any, Final, Protocol

from spearmint.native import GuardedLock
from spearmint.redaction import redactor
from spearmint.tracing.at_exit import ImportsEnded, end_imports, tell_unwritten
from spearmint.tracing.options import TracingOptions, TracingStats
from spearmint.tracing.span import UNSAMPLED, span_var
from spearmint.tracing.throttle import Throttle

logger = logging.getLogger("spearmint")

_FORK_SECONDS = 0.5
_FIRST_WRITE_SECONDS = 5.0  # MLflow and its drivers import the last of what they need with the first traces
OPENING_SECONDS = 20.0
_POLL_SECONDS = 0.02


class Queued(Protocol):
    """What waits to be written; ``is_taken`` is whether it has been queued, or counted as lost."""

    is_taken: bool

    @property
    def generation(self) -> object:
        """The process that it belongs to; None for this one."""


class Writer(Protocol):
    """Writes what was queued somewhere."""

    def open(self, batch: list[Any], options: TracingOptions) -> None:
        """Make ready what a batch is to be written to, which may take seconds the first time."""

    def write(self, batch: list[Any], options: TracingOptions) -> list[BaseException | None]:
        """Write a batch, and tell of each what went wrong, or None."""


class ExportQueue:
    """Hands what it is given to MLflow, one batch after another. A fork begins with an empty one.

    A signal handler may raise at any moment on the main thread: what is given twice is taken once, and counts change
    with what they count, since CPython lets handlers run after calls and backward jumps only.

    Args:
        noun: What is written, in the plural.
        options: Gives what is set about tracing.
        make_writer: Makes what writes; the thread calls it.
        opener: The queue whose thread may be opening MLflow; two do not do so at once.

    Attributes:
        generation: Stands for this process, until it is reset or forked.
        opening: Held while MLflow, or a database, is opened.
        exit_timeout: Tells how many seconds the exit of the process may wait.
    """

    _loss = "Records are lost"
    _advice = ""

    def __init__(
        self,
        noun: str,
        options: Callable[[], TracingOptions],
        make_writer: Callable[[], Writer],
        opener: "ExportQueue | None" = None,
    ) -> None:
        self.exit_timeout: Callable[[], float] = lambda: 2.0
        self.make_writer = make_writer
        self._noun = noun
        self._thread: Final = f"spearmint-{noun}"
        self._get_options = options
        self._opener = opener or self
        self._is_registered = False
        self._has_written = False
        self._reset()

    def _reset(self) -> None:
        # Re-entrant, since the collector may close a traced stream at any allocation.
        self._guard = GuardedLock()
        self._lock = self._guard.lock
        self._idle = threading.Condition(self._lock)
        self._writing = threading.Lock()
        self.opening = threading.Lock()
        self._throttle = Throttle()
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._recorded = self._written = self._dropped = self._failed = self._pending = 0
        self._has_thread = False
        self._worker: int | None = None
        self._is_closed = False
        self._told: set[str] = set()
        self.generation = object()
        self._finalizer: object = None

    def stats(self) -> TracingStats:
        """Return one consistent snapshot of the counts."""
        with self._lock:
            return TracingStats(self._recorded, self._written, self._dropped, self._failed, self._pending)

    def put(self, item: Queued) -> None:
        """Take over what is complete, unless it is a parent's from before a fork; never blocks, never raises."""
        limit = self._get_options().queue_size
        if item.generation not in (None, self.generation):
            return
        if self._guard.run(self._take, item, limit):
            self.start()
        else:
            self._warn(f"the queue of {limit} is full")

    def _take(self, item: Queued, limit: int) -> bool:
        """Queue it, or count it as dropped, unless that has been done; return whether something waits."""
        if item.is_taken:
            return self._pending > 0
        item.is_taken = True
        self._recorded += 1
        if self._pending >= limit or self._is_closed:
            self._dropped += 1
            return False
        self._pending += 1
        self._queue.put(item)
        return True

    def start(self) -> None:
        """Start the thread, unless it runs: as early as can be, since it takes seconds to import MLflow."""
        if self._has_thread or self._is_closed or sys.is_finalizing():
            return
        self.register()
        self._has_thread = True
        try:
            thread = threading.Thread(
                target=self._work, args=(self._queue, self.generation), name=self._thread, daemon=True
            )
            thread.start()
        except RuntimeError:  # The machine has no more threads, or the interpreter is shutting down.
            self._has_thread = False
        except BaseException:  # It may have begun all the same, and finds out by itself whether it is one too many.
            self._has_thread = False
            raise

    # The worker's thread.

    def _work(self, items: "queue.SimpleQueue[Any]", generation: object) -> None:
        with self._lock:
            if self._worker or generation is not self.generation:
                return
            self._worker = threading.get_ident()
        # What a repr or a comparison of the user's calls here is not traced: its trace would call it once more.
        span_var.set(UNSAMPLED)
        writer: Writer | None = None
        throttle = self._throttle
        while True:
            if writer is None:
                with self._opener.opening, suppress(Exception, ImportsEnded):
                    writer = self.make_writer()
            batch = [items.get()]
            throttle.begin()
            size = throttle.batch_size
            with suppress(queue.Empty):
                while len(batch) < size:
                    batch.append(items.get_nowait())
            batch = [one for one in batch if one is not None]
            if not batch:
                return
            if writer is not None:
                # What fails to open fails to be written to, and is told then.
                with self._opener.opening, suppress(Exception, ImportsEnded):
                    writer.open(batch, self._get_options())
            with self._writing:
                try:
                    if writer is None:
                        with self._opener.opening:
                            writer = self.make_writer()
                    errors = writer.write(batch, self._get_options())
                except BaseException as error:  # noqa: BLE001 - whatever happens here must not reach a caller
                    errors = [error] * len(batch)
                self._has_written = True
            if generation is not self.generation:
                return
            self._settle(batch, errors)
            count, has_written = len(batch), not all(errors)
            del batch, errors  # An idle worker keeps nothing alive.
            throttle.throttle(count, has_written=has_written)

    def _settle(self, batch: list[Any], errors: list[BaseException | None]) -> None:
        failures = [error for error in errors if error is not None]
        for error in failures:  # Who waits for the counts has been told of what they say.
            text = redactor().hide(str(error)[:1000])[:500]
            self._warn(f"{type(error).__name__}: {text}", kind=type(error).__name__)
        with self._lock:
            if self._is_closed:  # The exit has counted them already.
                return
            self._pending -= len(batch)
            self._failed += len(failures)
            self._written += len(batch) - len(failures)
            self._idle.notify_all()

    def _warn(self, reason: str, *, kind: str | None = None) -> None:
        kind = kind or reason
        with self._lock:
            is_told = kind in self._told or self._is_closed
            self._told.add(kind)
        if not is_told and not sys.is_finalizing():  # By then, a daemon thread may hold a lock of logging for ever.
            with suppress(Exception):
                logger.warning("%s: %s; %s. This is said once.", self._loss, reason, self._advice)

    # Waiting, and the life of the process.

    def flush(self, timeout: float | None) -> bool:
        """Wait until everything recorded so far is written or lost.

        Args:
            timeout: Seconds to wait at most; None waits without end.

        Returns:
            Whether nothing is pending any more.
        """
        with self._throttle.full_speed(), self._idle:
            if self._pending and threading.current_thread().name == self._thread:
                return False  # A user's repr or comparison asks, on the thread that would have to go on.
            goal = self._recorded
            return self._idle.wait_for(lambda: self._recorded - self._pending >= goal or not self._pending, timeout)

    async def aflush(self, timeout: float | None) -> bool:
        """Do what `flush` does without holding up the event loop."""
        deadline = None if timeout is None else monotonic() + timeout
        goal = self.stats().recorded
        with self._throttle.full_speed():
            while True:
                stats = self.stats()
                if stats.recorded - stats.pending >= goal or not stats.pending:
                    return True
                if deadline is not None and monotonic() >= deadline:
                    return False
                await asyncio.sleep(_POLL_SECONDS)

    def reset(self) -> None:
        """Begin with empty counts and no worker, as a process does; for tests, when nothing is under way."""
        items, had_thread, throttle = self._queue, self._has_thread, self._throttle
        self._reset()
        if had_thread:
            items.put(None)
            throttle.end()

    def clear(self) -> None:
        """Count from zero, and tell each kind of loss again, if nothing is under way; for tests."""
        with self._lock:
            if not self._pending:
                self._recorded = self._written = self._dropped = self._failed = 0
                self._told.clear()

    def close(self, timeout: float) -> None:
        """Wait for the last, then count the rest as dropped and say so on stderr."""
        with self._lock:
            if self._is_closed:
                return
        with suppress(KeyboardInterrupt):
            self.flush(timeout)
        with self._lock:
            self._is_closed = True
            left, self._pending = self._pending, 0
            self._dropped += left
        if left:
            tell_unwritten(left, self._noun, timeout)
        end_imports(self._worker)

    def register(self) -> None:
        """See to it that forks and the exit of the process are waited for."""
        processes = sys.modules.get("multiprocessing.util")
        if processes is not None and self._finalizer is None:
            # A child of multiprocessing ends without `atexit`, but not without this.
            self._finalizer = processes.Finalize(None, self.close_at_exit, exitpriority=0)
        if self._is_registered:
            return
        self._is_registered = True
        atexit.register(self.close_at_exit)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(
                before=self._before_fork,
                after_in_parent=self._after_fork_in_parent,
                after_in_child=self._reset_after_fork,
            )

    def close_at_exit(self) -> None:
        """Do what `close` does, within what the exit of the process may take."""
        self.close(self.exit_timeout())

    def _before_fork(self) -> None:
        # A child with half of MLflow imported could never import the rest, nor write to a database that was being made;
        # and locks of MLflow and its database had better not be held by a thread that the child does not have, though
        # a server may not answer for long.
        writing = _FORK_SECONDS if self._has_written else _FIRST_WRITE_SECONDS
        locks = [(self._writing, writing)]
        if self._opener is self:
            locks.insert(0, (self.opening, OPENING_SECONDS))
        self._held = [lock for lock, seconds in locks if lock.acquire(timeout=seconds)]

    def _after_fork_in_parent(self) -> None:
        for lock in self._held:
            lock.release()

    def _reset_after_fork(self) -> None:
        """Let the child of a fork start afresh: what is under way belongs to the parent."""
        self._reset()
        # Not there while another thread was importing it, for longer than the fork could wait.
        forget = getattr(sys.modules.get("spearmint.tracing.mlflow.stores"), "forget_connections", None)
        if forget is not None:
            forget()
