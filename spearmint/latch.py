"""Executions that have not ended, and who waits for the last of them."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from spearmint.native import Waiter


class Latch:
    """Counts executions that have ended, and lets threads and coroutines wait for the last.

    It holds no lock, and telling of the same execution twice does nothing: a thread that tells may be
    interrupted anywhere.
    """

    __slots__ = ("_count", "_ended", "_wakers")

    def __init__(self, count: int) -> None:
        self._count = count
        self._ended: set[object] = set()
        self._wakers: list[Callable[[], object]] = []

    def add(self, count: int) -> None:
        """Count more executions, once all others have ended."""
        self._count += count

    def count_down(self, execution: object) -> None:
        """Tell that an execution has ended."""
        self._ended.add(execution)
        if self._is_open:
            for wake in self._wakers.copy():
                with suppress(RuntimeError):  # The loop was closed, and with it what waited there.
                    wake()

    @property
    def _is_open(self) -> bool:
        return len(self._ended) >= self._count

    def reinitialise(self) -> None:
        """End every wait: after a fork, the executions belong to the parent."""
        self._count = 0

    def wait(self, timeout: float | None) -> bool:
        """Wait for the last execution, at most ``timeout`` seconds; return whether it has ended."""
        waiter = Waiter()
        self._wakers.append(waiter.wake)
        try:
            return self._is_open or waiter.wait(timeout)
        finally:
            self._wakers.remove(waiter.wake)

    async def wait_async(self, timeout: float | None) -> bool:
        """Do the same without holding up the event loop."""
        event = asyncio.Event()
        wake = partial(asyncio.get_running_loop().call_soon_threadsafe, event.set)
        self._wakers.append(wake)
        try:
            if self._is_open:
                return True
            async with asyncio.timeout(timeout):
                await event.wait()
        except TimeoutError:
            return False
        finally:
            self._wakers.remove(wake)
        return True
