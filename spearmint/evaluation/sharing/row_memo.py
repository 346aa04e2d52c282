"""What the cases of one row have computed already, and who computes what now."""

import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, Literal

from spearmint.cases.bound_config import BoundConfig
from spearmint.cases.edge import ExperimentRef
from spearmint.evaluation.sharing.step_case import Execution
from spearmint.tracing.mlflow.token_usage import SpanUsage

Claim = Literal["lead", "reuse", "wait", "alone"]


_NO_OPTIONS: Mapping[tuple[ExperimentRef, int], BoundConfig] = {}


class Entry:
    """One step with one set of arguments and configs.

    Attributes:
        state: ``"running"``; ``"done"`` once its result may be reused; ``"open"`` after a failure, when each runs it.
        give: Returns the result, or a copy of it.
        seconds: How long it took, as if it had run alone.
        options: The configs that the experiments called in it ran under.
        calls: How many calls of steps were made in it.
        spans: What was told of the tokens that it took.
        kept: What its key refers to.
        reason: Why its result is not shared; empty if it is, or if the step has failed.
    """

    __slots__ = ("calls", "give", "kept", "options", "reason", "seconds", "spans", "state", "waiters", "waits_for")

    def __init__(self, kept: tuple[Any, ...]) -> None:
        self.state: Literal["running", "done", "open"] = "running"
        self.give: Callable[..., Any] = _nothing
        self.seconds = 0.0
        self.options = _NO_OPTIONS
        self.calls = 0
        self.spans: Sequence[SpanUsage] = ()
        self.kept = kept
        self.reason = ""
        self.waiters: tuple[Future[None], ...] = ()
        self.waits_for: tuple[Entry, ...] = ()


class RowMemo:
    """The steps of one row and repetition. Of equal ones one runs, and the others wait for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: dict[Hashable, Entry] = {}

    def claim(
        self, key: Hashable, kept: tuple[Any, ...], caller: Execution | None, *, waits: bool
    ) -> tuple[Claim, Entry]:
        """Say what a call of a step is to do.

        Args:
            key: What it is recognised by.
            kept: What the key refers to, which lives as long as the entry.
            caller: The run that calls it.
            waits: Whether the call could wait for another.

        Returns:
            ``"lead"`` for running it and telling `publish` or `fail`; ``"reuse"`` for taking the entry's result;
            ``"wait"`` for `waiter` first; ``"alone"`` for running it without telling anyone.
        """
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                entry = self._entries[key] = Entry(kept)
                return "lead", entry
            if entry.state == "done":
                return "reuse", entry
            if entry.state == "open" or not waits or _waits_for_caller(entry, caller):
                return "alone", entry
            return "wait", entry

    def waiter(self, entry: Entry, caller: Execution | None) -> "Future[None]":
        """Return what ends when a running entry does."""
        future: Future[None] = Future()
        future.set_running_or_notify_cancel()  # Who gives up waiting cancels nothing.
        with self._lock:
            if entry.state == "running":
                entry.waiters = (*entry.waiters, future)
                for one in _entries_of(caller):
                    one.waits_for = (*one.waits_for, entry)
                return future
        future.set_result(None)
        return future

    def publish(self, entry: Entry) -> None:
        """Let others have the result of an entry."""
        self._end(entry, "done")

    def fail(self, entry: Entry) -> None:
        """Let others run the step on their own, since its result cannot be shared."""
        self._end(entry, "open")

    def _end(self, entry: Entry, state: Literal["done", "open"]) -> None:
        with self._lock:
            entry.state = state
            waiters = entry.waiters
            entry.waiters = entry.waits_for = ()
        for waiter in waiters:
            waiter.set_result(None)

    def stop_waiting(self, entry: Entry, caller: Execution | None) -> None:
        """Note that a run waits for an entry no longer."""
        with self._lock:
            for one in _entries_of(caller):
                if entry in one.waits_for:
                    place = one.waits_for.index(entry)
                    one.waits_for = one.waits_for[:place] + one.waits_for[place + 1 :]


def _entries_of(execution: Execution | None) -> list[Entry]:
    """Return the entries that a run is part of."""
    found = []
    while execution is not None:
        if execution.entry is not None:
            found.append(execution.entry)
        execution = execution.caller
    return found


def _waits_for_caller(entry: Entry, caller: Execution | None) -> bool:
    """Tell whether an entry could only end after the run that would wait for it."""
    own = _entries_of(caller)
    seen: set[int] = set()
    waiting = [entry]
    while waiting:
        one = waiting.pop()
        if any(one is mine for mine in own):
            return True
        if id(one) not in seen:
            seen.add(id(one))
            waiting.extend(one.waits_for)
    return False


def _nothing(*_: Any) -> None:
    return None
