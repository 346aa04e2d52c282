"""The one thread that writes traces, the bounded queue before it, and the account of what became of them."""

import asyncio
import atexit
import concurrent.futures.thread  # noqa: F401 - MLflow imports it, which is refused once the exit has begun
import importlib
import logging
import os
import queue
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import Any, Protocol

from spearmint.redaction import redactor, set_patterns
from spearmint.tracing.options import TracingOptions, TracingStats
from spearmint.tracing.span import UNSAMPLED, Trace, span_var
from spearmint.tracing.throttle import Throttle

logger = logging.getLogger("spearmint")

_FEW = 100
_FORK_SECONDS = 0.5
_FIRST_WRITE_SECONDS = 5.0  # MLflow and its drivers import the last of what they need with the first traces
_OPENING_SECONDS = 20.0
_POLL_SECONDS = 0.02


class Writer(Protocol):
    """Writes traces somewhere."""

    def open(self, traces: list[Any], options: TracingOptions) -> None:
        """Make ready what traces are to be written to, which may take seconds the first time."""

    def write(self, traces: list[Any], options: TracingOptions) -> list[BaseException | None]:
        """Write traces, and tell of each what went wrong, or None."""


class TraceExporter:
    """Hands traces to MLflow, one batch after another. A process has one; a fork begins with an empty one.

    Attributes:
        options: How executions are traced.
        before_exit: Called at exit before the last traces are waited for: what adds to them.
        generation: Stands for this process, until it is reset or forked.
        exit_timeout: Tells how many seconds the exit of the process may wait.
    """

    def __init__(self) -> None:
        self.options = TracingOptions()
        self.before_exit: list[Callable[[], None]] = []
        self.exit_timeout: Callable[[], float] = lambda: 2.0
        self.make_writer: Callable[[], Writer] = _mlflow_writer
        self._is_registered = False
        self._has_written = False
        self._reset()

    def _reset(self) -> None:
        # Re-entrant, since the collector may close a traced stream at any allocation.
        self._lock = threading.RLock()
        self._idle = threading.Condition(self._lock)
        self._writing = threading.Lock()
        self._opening = threading.Lock()
        self._throttle = Throttle()
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._recorded = self._written = self._dropped = self._failed = self._pending = 0
        self._has_thread = False
        self._is_closed = False
        self._told: set[str] = set()
        self.generation = object()
        self._finalizer: object = None

    def stats(self) -> TracingStats:
        """Return one consistent snapshot of the counts."""
        with self._lock:
            return TracingStats(self._recorded, self._written, self._dropped, self._failed, self._pending)

    def put(self, trace: Trace) -> None:
        """Take over a trace that has ended, unless it is a parent's from before a fork; never blocks, never raises."""
        if trace.generation not in (None, self.generation):
            return
        with self._lock:
            self._recorded += 1
            has_room = self._pending < self.options.queue_size and not self._is_closed
            if has_room:
                self._pending += 1
            else:
                self._dropped += 1
        if not has_room:
            self._warn(f"the queue of {self.options.queue_size} is full")
            return
        self._queue.put(trace)
        self.start()

    def lose(self, trace: Trace) -> None:
        """Count a trace that could not be recorded to its end."""
        with self._lock:
            if trace.is_closed:
                return
            trace.is_closed = True
            self._recorded += 1
            self._failed += 1
        self._warn("an execution could not be recorded")

    @property
    def is_keeping_up(self) -> bool:
        """Whether few traces wait to be written."""
        return self._pending < _FEW

    def start(self) -> None:
        """Start the thread, unless it runs: as early as can be, since it takes seconds to import MLflow."""
        if self._has_thread:
            return
        with self._lock:
            if self._has_thread or self._is_closed or sys.is_finalizing():
                return
            self._register()
            thread = threading.Thread(
                target=self._work, args=(self._queue, self.generation), name="spearmint-traces", daemon=True
            )
            try:
                thread.start()
            except RuntimeError:  # The machine has no more threads, or the interpreter is shutting down.
                return
            self._has_thread = True

    # The worker's thread.

    def _work(self, traces: "queue.SimpleQueue[Any]", generation: object) -> None:
        # What a repr or a comparison of the user's calls here is not traced: its trace would call it once more.
        span_var.set(UNSAMPLED)
        writer: Writer | None = None
        throttle = self._throttle
        while True:
            if writer is None:
                with self._opening, suppress(Exception):
                    writer = self.make_writer()
            batch = [traces.get()]
            throttle.begin()
            size = throttle.batch_size
            with suppress(queue.Empty):
                while len(batch) < size:
                    batch.append(traces.get_nowait())
            batch = [one for one in batch if one is not None]
            if not batch:
                return
            if writer is not None:
                with self._opening, suppress(Exception):  # What fails to open fails to be written to, and is told then.
                    writer.open(batch, self.options)
            with self._writing:
                try:
                    if writer is None:
                        with self._opening:
                            writer = self.make_writer()
                    errors = writer.write(batch, self.options)
                except BaseException as error:  # noqa: BLE001 - whatever happens here must not reach a caller
                    errors = [error] * len(batch)
                self._has_written = True
            if generation is not self.generation:
                return
            self._settle(batch, errors)
            has_written = not all(errors)
            del batch, errors  # An idle worker keeps nothing alive.
            throttle.throttle(has_written=has_written)

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
            advice = "tracing_stats() counts what is lost, configure(tracing=...) sets the limits"
            with suppress(Exception):
                logger.warning("Traces are lost: %s; %s. This is said once.", reason, advice)

    # Waiting, and the life of the process.

    def flush(self, timeout: float | None) -> bool:
        """Wait until everything recorded so far is written or lost.

        Args:
            timeout: Seconds to wait at most; None waits without end.

        Returns:
            Whether nothing is pending any more.
        """
        with self._throttle.full_speed(), self._idle:
            if self._pending and threading.current_thread().name == "spearmint-traces":
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

    def configure(self, changes: Any) -> None:
        """Replace options of the process; they hold for what begins from now on.

        Raises:
            ConfigError: If a name is unknown or a value is out of range.
        """
        self.options = self.options.with_changes(changes)
        set_patterns(self.options.mask)

    def reset(self) -> None:
        """Begin with empty counts and no worker, as a process does; for tests, when nothing is under way."""
        traces, had_thread, throttle = self._queue, self._has_thread, self._throttle
        self._reset()
        if had_thread:
            traces.put(None)
            throttle.end()

    def clear(self) -> None:
        """Count from zero, and tell each kind of loss again, if nothing is under way; for tests."""
        with self._lock:
            if not self._pending:
                self._recorded = self._written = self._dropped = self._failed = 0
                self._told.clear()

    def close(self, timeout: float) -> None:
        """Wait for the last traces, then count the rest as dropped and say so on stderr."""
        with self._lock:
            if self._is_closed:
                return
        with suppress(KeyboardInterrupt):
            self.flush(timeout)
        with self._lock:
            self._is_closed = True
            left, self._pending = self._pending, 0
            self._dropped += left
        if left and sys.stderr is not None:
            with suppress(Exception):
                sys.stderr.write(
                    f"spearmint: {left} traces were not written to MLflow within {timeout:g} s of exit; "
                    "flush() before it waits longer\n"
                )

    def _register(self) -> None:
        processes = sys.modules.get("multiprocessing.util")
        if processes is not None and self._finalizer is None:
            # A child of multiprocessing ends without `atexit`, but not without this.
            self._finalizer = processes.Finalize(None, self._at_exit, exitpriority=0)
        if self._is_registered:
            return
        self._is_registered = True
        atexit.register(self._at_exit)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(
                before=self._before_fork,
                after_in_parent=self._after_fork_in_parent,
                after_in_child=self._reset_after_fork,
            )

    def _at_exit(self) -> None:
        began = monotonic()
        timeout = self.exit_timeout()
        for prepare in self.before_exit:
            prepare()
        # What is abandoned at the very end is recorded at the very end, and has a moment to be written.
        self.close(max(timeout - (monotonic() - began), min(timeout, 0.5)))

    def _before_fork(self) -> None:
        # A child with half of MLflow imported could never import the rest, nor write to a database that was being made;
        # and locks of MLflow and its database had better not be held by a thread that the child does not have, though
        # a server may not answer for long.
        writing = _FORK_SECONDS if self._has_written else _FIRST_WRITE_SECONDS
        locks = (self._opening, _OPENING_SECONDS), (self._writing, writing)
        self._held = [lock for lock, seconds in locks if lock.acquire(timeout=seconds)]

    def _after_fork_in_parent(self) -> None:
        for lock in self._held:
            lock.release()

    def _reset_after_fork(self) -> None:
        """Let the child of a fork start afresh: what is under way belongs to the parent."""
        self._reset()
        # Not there while another thread was importing it, for longer than the fork could wait.
        forget = getattr(sys.modules.get("spearmint.tracing.mlflow.writer"), "after_fork", None)
        if forget is not None:
            forget()


def _mlflow_writer() -> Writer:
    writer: Writer = importlib.import_module("spearmint.tracing.mlflow.writer").MlflowWriter()
    return writer


exporter = TraceExporter()
