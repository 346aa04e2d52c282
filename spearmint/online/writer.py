"""The one thread that writes exposures and outcomes, and the bounded queue before it."""

import asyncio
import atexit
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from time import monotonic, time_ns
from typing import Any, Protocol

from spearmint.online.account import RecordAccount
from spearmint.online.journal import RecordJournal
from spearmint.online.options import ExposureStats, OnlineOptions
from spearmint.online.sinks import Sink, imported_options, open_sinks
from spearmint.tracing.exporter import exporter

_TICK = 0.1
_BATCH = 1000
_POLL_SECONDS = 0.02
_THREAD = "spearmint-records"


class PendingRecord(Protocol):
    """What waits to be written."""

    def record(self) -> dict[str, Any]:
        """Return what is written, as JSON has it."""

    def lose(self) -> None:
        """Be told that it could not be written; the account's lock is held."""


class RecordWriter:
    """Hands records to the journal and the sink, batch after batch. A process has one; a fork begins with an empty one.

    No caller wakes the thread for a record while there are many: it looks every tenth of a second, so that a caller
    pays for an append only.

    Attributes:
        options: Where records go.
        is_on: Whether they go anywhere.
        scorers: What scores outputs of exposed units, where an experiment has no scorers of its own.
        account: What became of them.
        queue: What waits; what is added here has been admitted by the account, whose lock is held, and is given notice.
        is_idle: Whether its thread rests for long, or is not there: then it is given notice.
        aggregates: Each yields the records that stand for several calls, and begins them anew; the thread asks.
        before_exit: Called at exit before the rest is written: what adds to it.
        on_reset: Called in the child of a fork, and where a test begins anew.
        on_change: Called when records go elsewhere from now on.
        generation: Stands for this process, until it is reset or forked.
    """

    def __init__(self) -> None:
        self.set_options(OnlineOptions())
        self.aggregates: list[Callable[[], Iterator[PendingRecord]]] = []
        self.before_exit: list[Callable[[], None]] = []
        self.on_reset: list[Callable[[], None]] = []
        self.on_change: list[Callable[[], None]] = []
        self._is_registered = False
        self._sinks: list[Sink] = []
        self._reset()

    def _reset(self) -> None:
        self.account = RecordAccount()
        self.generation = object()
        self._done = threading.Condition(self.account.lock)
        self._wake = threading.Event()
        self.queue: deque[PendingRecord] = deque()
        self._flushes_wanted = self._flushes_done = 0
        self._has_thread, self._is_closing, self.is_idle = False, False, True
        self._opened: OnlineOptions | None = None
        self._told = ExposureStats()
        self._finalizer: object = None

    def put(self, item: PendingRecord) -> bool:
        """Take over a record; never blocks, never raises.

        Returns:
            Whether there was room for it; else it is counted as dropped.
        """
        with self.account.lock:
            has_room = self.account.admit(self.options.queue_size)
            if has_room:
                self.queue.append(item)
        if self.is_idle:
            self.notice()
        if not has_room:
            self.account.warn_of_full(self.options.queue_size)
        return has_room

    def notice(self, *, is_urgent: bool = False) -> None:
        """See to it that the thread looks soon: it may have to be started, or woken."""
        if not self._has_thread:
            self._start()
        if (self.is_idle and self._has_thread) or is_urgent:
            self.is_idle = not self._has_thread
            self._wake.set()

    def configure(self, changes: Any) -> None:
        """Replace options of the process; they hold for what is written from now on.

        Raises:
            ConfigError: If a name is unknown, a value is out of range, or a sink or scorer cannot be imported.
        """
        before = self.options
        self.set_options(imported_options(before.with_changes(changes)))
        if (before.journal, before.sink) != (self.options.journal, self.options.sink):
            for change in self.on_change:
                change()

    def set_options(self, options: OnlineOptions) -> None:
        """Let options hold as they are."""
        self.options = options
        self.is_on = options.is_on
        self.scorers = options.metrics or ()

    # The thread.

    def _start(self) -> None:
        with self.account.lock:
            if self._has_thread or self.account.is_closed or sys.is_finalizing():
                return
            self._register()
            self._has_thread = True
            try:
                threading.Thread(target=self._work, args=(self.generation,), name=_THREAD, daemon=True).start()
            except RuntimeError:  # The machine has no more threads, or the interpreter is shutting down.
                self._has_thread = False

    def _work(self, generation: object) -> None:
        aggregated = busy = monotonic()
        while generation is self.generation:
            pause = self.options.flush_every
            self.is_idle = monotonic() - busy > pause
            # A record that comes just as this is found idle waits for the end of the pause.
            self._wake.wait(pause if self.is_idle else min(_TICK, pause))
            self._wake.clear()
            if generation is not self.generation:
                return
            wanted, is_closing = self._flushes_wanted, self._is_closing
            now = monotonic()
            busy = now if self.queue else busy
            self._drain()
            if is_closing or wanted > self._flushes_done or now - aggregated >= pause:
                aggregated = now
                busy = now if self._write_aggregates() else busy
                self._write_account(is_last=is_closing)
            with self._done:
                self._flushes_done = max(self._flushes_done, wanted)
                self._has_thread, self.is_idle = not is_closing, self.is_idle or is_closing
                self._done.notify_all()
            if is_closing:
                return

    def _drain(self) -> None:
        """Write what waits now, not what comes meanwhile."""
        left = len(self.queue)
        while left > 0:
            batch = [self.queue.popleft() for _ in range(min(left, _BATCH))]
            left -= len(batch)
            self._write(batch)

    def _write_aggregates(self) -> bool:
        is_any = False
        for aggregate in self.aggregates:
            made = aggregate()
            while batch := list(islice(made, _BATCH)):
                is_any = True
                with self.account.lock:
                    self.account.pending += len(batch)
                self._write(batch)
        return is_any

    def _write(self, batch: Sequence[PendingRecord]) -> None:
        taken, error = len(batch), None
        try:
            made = [item.record() for item in batch]
            for sink in self._current_sinks():
                count, reason = sink.write(made)
                taken, error = min(taken, count), error or reason
        except BaseException as failure:  # noqa: BLE001 - whatever happens here must not reach a caller
            taken, error = 0, failure
        if error is not None:
            self.account.warn_of_loss(f"{type(error).__name__}: {str(error)[:300]}", kind=type(error).__name__)
        with self.account.lock:
            self.account.settle(taken, len(batch) - taken)
            for item in batch[taken:]:
                item.lose()

    def _current_sinks(self) -> list[Sink]:
        options = self.options
        if options is not self._opened:
            if self._opened is not None:
                self._write_account(is_last=True)
            self._close_sinks()
            self._sinks = open_sinks(options)
            self._opened = options
        return self._sinks

    def _write_account(self, *, is_last: bool) -> None:
        """Tell the readers of the journal what this process has counted so far, if that is new."""
        stats = self.account.stats()
        if stats == self._told and not (is_last and self._opened):
            return
        with suppress(Exception):
            sinks = self._sinks if is_last and self._opened else self._current_sinks()
            for journal in sinks:
                if isinstance(journal, RecordJournal):
                    record = {"type": "account", "time": time_ns(), "process": journal.process, "is_last": is_last}
                    record |= {"account": self.account.name, "lines": journal.lines}
                    journal.write([record | {name: getattr(stats, name) for name in ExposureStats.__slots__}])
        self._told = stats

    def _close_sinks(self) -> None:
        sinks, self._sinks = self._sinks, []
        for sink in sinks:
            sink.close()

    # Waiting, and the life of the process.

    def _ask_for_flush(self) -> int | None:
        """Ask the thread to write everything; return what it will have counted then, None where it cannot."""
        if threading.current_thread().name == _THREAD:
            return None  # A sink of the user's asks, on the thread that would have to go on.
        with self.account.lock:
            self._flushes_wanted += 1
            goal = self._flushes_wanted
        self.notice(is_urgent=True)
        return goal

    @property
    def _is_needed(self) -> bool:
        return self._has_thread or bool(self.queue)

    def flush(self, timeout: float | None) -> bool:
        """Wait until everything recorded so far is written or lost, what is aggregated included.

        Args:
            timeout: Seconds to wait at most; None waits without end.

        Returns:
            Whether it is.
        """
        if not self._is_needed:
            return True
        goal = self._ask_for_flush()
        if goal is None:
            return False
        with self._done:
            self._done.wait_for(lambda: self._flushes_done >= goal or not self._has_thread, timeout)
            return self._flushes_done >= goal

    async def aflush(self, timeout: float | None) -> bool:
        """Do what `flush` does without holding up the event loop."""
        if not self._is_needed:
            return True
        goal = self._ask_for_flush()
        deadline = None if timeout is None else monotonic() + timeout
        while goal is not None and self._flushes_done < goal:
            if not self._has_thread or (deadline is not None and monotonic() >= deadline):
                return False
            await asyncio.sleep(_POLL_SECONDS)
        return goal is not None

    def reset(self) -> None:
        """Begin with an empty account and no thread, as a process does; for tests, when nothing is under way."""
        wake = self._wake
        self.reset_after_fork()
        wake.set()

    def reset_after_fork(self) -> None:
        """Let the child of a fork start afresh: what is under way belongs to the parent, threads and locks too."""
        self._close_sinks()
        self._reset()
        for reset in self.on_reset:
            reset()

    def close(self, timeout: float) -> None:
        """Write the rest and the last account, then count what is left as dropped and say so on stderr."""
        if self.account.is_closed:
            return
        self._is_closing = True
        self._wake.set()
        with suppress(KeyboardInterrupt), self._done:
            has_ended = self._done.wait_for(lambda: not self._has_thread, timeout)
            if has_ended and self.queue:  # No thread can be started any more.
                self._drain()
        left = self.account.close()
        if left and sys.stderr is not None:
            waited = f"within {timeout:g} s of exit; flush() before it waits longer"
            with suppress(Exception):
                sys.stderr.write(f"spearmint: {left} exposures and outcomes were not written {waited}\n")

    def _register(self) -> None:
        processes = sys.modules.get("multiprocessing.util")
        if processes is not None and self._finalizer is None:
            # A child of multiprocessing ends without `atexit`, but not without this.
            self._finalizer = processes.Finalize(None, self._at_exit, exitpriority=0)
        if not self._is_registered:
            self._is_registered = True
            atexit.register(self._at_exit)

    def _at_exit(self) -> None:
        for prepare in self.before_exit:
            prepare()
        self.close(exporter.exit_timeout())


records = RecordWriter()
"""The one writer of the process."""

if hasattr(os, "register_at_fork"):
    # Before the first record: another thread may hold the lock for it while this one forks. In the child alone: under
    # uvloop every subprocess runs these, and nothing of the parent's may stop.
    os.register_at_fork(after_in_child=records.reset_after_fork)
