"""The time that a cell would have taken alone: what was reused counts with the seconds that it took when it ran."""

import asyncio
import threading

# Documented for frameworks. Its public twin raises where no loop runs, which costs each step more.
from asyncio import _get_running_loop
from contextvars import ContextVar
from time import perf_counter
from typing import Any


class Branch:
    """A task or thread of a cell, and by how much its time is ahead of the real one.

    Attributes:
        clock: The clock that it belongs to.
        owner: The task, or the number of the thread.
        offset: Seconds that it is ahead.
        last: When it was last looked at, in real time.
        children: Branches that began in it and have not been joined.
    """

    __slots__ = ("children", "clock", "ended", "last", "offset", "owner")

    def __init__(self, clock: "CellClock", owner: Any, offset: float) -> None:
        self.clock = clock
        self.owner = owner
        self.offset = offset
        self.last = perf_counter()
        self.ended: float | None = None
        self.children: list[Branch] = []
        if isinstance(owner, asyncio.Task):
            owner.add_done_callback(self._end)

    def _end(self, _: Any) -> None:
        self.ended = perf_counter()

    @property
    def has_ended(self) -> bool:
        """Whether it is known to take no more time."""
        return not isinstance(self.owner, asyncio.Task) or self.owner.done()

    def now(self) -> float:
        """Return its time."""
        real = self.last = perf_counter()
        self.join(real)
        return real + self.offset

    def move(self, time: float) -> None:
        """Set its time."""
        self.last = perf_counter()
        self.offset = time - self.last

    def end(self) -> float:
        """Return when it ended, in its own time. A thread does not tell; the last look at it is what is known."""
        real = self.last
        if isinstance(self.owner, asyncio.Task):
            real = perf_counter() if self.ended is None else self.ended
        self.join(real)
        return real + self.offset

    def join(self, real: float) -> None:
        """Be no earlier than the branches that have ended, as one who awaited them."""
        waiting = self.children
        if not waiting:
            return
        self.children = [child for child in waiting if not child.has_ended]
        for child in waiting:
            if child.has_ended:
                self.offset = max(self.offset, child.end() - real)


_branch_var: ContextVar[Branch | None] = ContextVar("spearmint_clock_branch", default=None)


class CellClock:
    """A clock that stands still while a cell waits for what another one computes, and then goes ahead.

    Work at the same time is no longer than the longest of it: each task and thread has a time of its own, and one that
    goes on after tasks that it has started have ended is no earlier than they are.
    """

    def __init__(self) -> None:
        self._root = Branch(self, threading.get_ident(), 0.0)
        self.started = self._root.last

    def now(self) -> float:
        """Return the time of the running task or thread."""
        return self.branch().now()

    def branch(self) -> Branch:
        """Return the running task or thread, which tells its time and may set it."""
        parent = _branch_var.get()
        if parent is None or parent.clock is not self:
            parent = self._root
        owner = _task() or threading.get_ident()
        if parent.owner is owner or parent.owner == owner:
            return parent
        branch = Branch(self, owner, parent.offset)
        parent.children.append(branch)
        _branch_var.set(branch)
        return branch


def is_loop_running() -> bool:
    """Tell whether an event loop runs on this thread."""
    return _get_running_loop() is not None


def _task() -> "asyncio.Task[Any] | None":
    return asyncio.current_task() if is_loop_running() else None
