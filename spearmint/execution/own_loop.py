"""The event loop of Spearmint's own: async experiments run on it where the caller has none."""

import asyncio
import os
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class OwnLoop:
    """A loop on a daemon thread, which starts with the first use and outlives every call."""

    def __init__(self) -> None:
        self._is_registered = False
        self._reset()

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end, with the context variables of the caller.

        Args:
            coroutine: What to run.

        Returns:
            What it returns.

        Raises:
            BaseException: What it raises; also what interrupts the wait for it, which cancels it.
        """
        future = asyncio.run_coroutine_threadsafe(coroutine, self._started())
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if not self._is_registered and hasattr(os, "register_at_fork"):
                os.register_at_fork(after_in_child=self._reset)
                self._is_registered = True
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="spearmint-loop", daemon=True).start()
            return self._loop


own_loop = OwnLoop()
