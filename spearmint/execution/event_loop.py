"""The event loop of Spearmint's own: async experiments run on it where the caller has none."""

import asyncio
import os
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from spearmint.execution.pool import variant_pool

T = TypeVar("T")

_STOP_SECONDS = 0.2


class BackgroundLoop:
    """A loop on a daemon thread, which starts with the first use and outlives every call."""

    def __init__(self) -> None:
        self._is_registered = False
        self._inherited: list[asyncio.AbstractEventLoop] = []
        self._reset()

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end, with the context variables of the caller.

        Args:
            coroutine: What to run.

        Returns:
            What it returns.

        Raises:
            BaseException: What it raises; also what interrupts the wait for it, which cancels it.
        """
        future: Future[T] = Future()
        loop = self._started()
        tasks: list[asyncio.Task[None]] = []

        def begin() -> None:
            task = loop.create_task(_resolve(coroutine, future))
            task.add_done_callback(lambda _: coroutine.close())  # It may have been cancelled before it began.
            tasks.append(task)

        def stop() -> None:
            if tasks:
                tasks[0].cancel()
            else:  # The caller was interrupted before it could ask for a beginning.
                coroutine.close()

        try:
            # Also this may be interrupted: by the coroutine itself, which begins meanwhile.
            loop.call_soon_threadsafe(begin)
            return future.result()
        except BaseException:
            loop.call_soon_threadsafe(stop)
            raise

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if not self._is_registered:
                self._is_registered = True
                variant_pool.exit_callbacks.append(self._close)
                if hasattr(os, "register_at_fork"):
                    os.register_at_fork(after_in_child=self._reset_after_fork)
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name="spearmint-loop", daemon=True)
                self._thread.start()
            return self._loop

    def _reset_after_fork(self) -> None:
        """Let the child of a fork start afresh."""
        if self._loop is not None:
            # Not to be collected: closing it would take the parent's pipes out of the selector that both share.
            self._inherited.append(self._loop)
        self._reset()

    def _close(self) -> None:
        """Stop and close the loop at exit, unless something holds it up."""
        if self._loop is None or self._thread is None:
            return
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_STOP_SECONDS)
        if not self._thread.is_alive():
            self._loop.close()


async def _resolve(coroutine: Coroutine[Any, Any, T], future: "Future[T]") -> None:
    """Tell the caller at once: what the coroutine has put on the loop may hold the loop up."""
    try:
        future.set_result(await coroutine)
    except BaseException as error:  # noqa: BLE001 - it is the caller's
        future.set_exception(error)


background_loop = BackgroundLoop()
