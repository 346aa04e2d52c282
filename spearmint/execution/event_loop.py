"""The event loop of Spearmint's own: async experiments run on it where the caller has none."""

import asyncio
import os
from collections.abc import Coroutine
from typing import Any, TypeVar, cast

from spearmint.execution.pool import variant_pool
from spearmint.native import GuardedLock, Waiter, start_thread

T = TypeVar("T")

_STOP_SECONDS = 0.2


class BackgroundLoop:
    """A loop on a daemon thread, which starts with the first use and outlives every call."""

    def __init__(self) -> None:
        self._is_registered = False
        self._inherited: list[asyncio.AbstractEventLoop] = []
        self._reset()

    def _reset(self) -> None:
        self._guard = GuardedLock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._has_ended = Waiter()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end, with the context variables of the caller.

        Args:
            coroutine: What to run.

        Returns:
            What it returns.

        Raises:
            BaseException: What it raises; also what interrupts the wait for it, which cancels it.
        """
        tasks: list[asyncio.Task[None]] = []
        ended: list[tuple[T | None, BaseException | None]] = []
        waiter = Waiter()
        loop: asyncio.AbstractEventLoop | None = None

        async def resolve() -> None:
            # The caller is told at once: what the coroutine has put on the loop may hold the loop up.
            try:
                ended.append((await coroutine, None))
            except BaseException as error:  # noqa: BLE001 - it is the caller's
                ended.append((None, error))
            waiter.wake()

        def finish(_: asyncio.Task[None]) -> None:
            coroutine.close()  # It may have been cancelled before it began.
            waiter.wake()

        def begin() -> None:
            task = running.create_task(resolve())
            task.add_done_callback(finish)
            tasks.append(task)

        def stop() -> None:
            if tasks:
                tasks[0].cancel()
            else:  # The caller was interrupted before it could ask for a beginning.
                coroutine.close()

        try:
            loop = running = self._started()
            # Also this may be interrupted: by the coroutine itself, which begins meanwhile.
            loop.call_soon_threadsafe(begin)
            waiter.wait()
        except BaseException:
            if loop is None:
                coroutine.close()
            else:
                loop.call_soon_threadsafe(stop)
            raise
        value, error = ended.pop() if ended else (None, asyncio.CancelledError())
        if error is None:
            return cast("T", value)
        try:
            raise error
        finally:
            del error  # The traceback holds this frame.

    def _started(self) -> asyncio.AbstractEventLoop:
        if not self._is_registered:
            self._is_registered = True
            variant_pool.exit_callbacks.append(self._close)
            if hasattr(os, "register_at_fork"):
                os.register_at_fork(after_in_child=self._reset_after_fork)
        return self._loop or self._guard.run(self._start)

    def _start(self) -> asyncio.AbstractEventLoop:
        if self._loop is not None:
            return self._loop
        made = asyncio.new_event_loop()
        try:
            start_thread("spearmint-loop", _serve, made, self._has_ended)
            self._loop = made
        except RuntimeError:  # The machine has no more threads, or the interpreter is shutting down.
            made.close()
            raise
        except BaseException:  # A signal handler has raised, maybe after the thread had begun.
            made.call_soon_threadsafe(made.stop)
            raise
        return made

    def _reset_after_fork(self) -> None:
        """Let the child of a fork start afresh."""
        if self._loop is not None:
            # Not to be collected: closing it would take the parent's pipes out of the selector that both share.
            self._inherited.append(self._loop)
        self._reset()

    def _close(self) -> None:
        """Stop and close the loop at exit, unless something holds it up."""
        if self._loop is None:
            return
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._has_ended.wait(_STOP_SECONDS)


def _serve(loop: asyncio.AbstractEventLoop, has_ended: Waiter) -> None:
    try:
        loop.run_forever()
    finally:
        loop.close()
        has_ended.wake()


background_loop = BackgroundLoop()
