"""A pool of processes that survives the death of a worker."""

import signal
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import suppress
from multiprocessing import get_context
from types import TracebackType
from typing import Any


class RenewableProcessPool(Executor):
    """Processes for an evaluation. A row that kills its worker costs that row: the evaluation gets new processes.

    They are spawned, so that none inherits threads and locks. Ctrl-C is left to the process that started them.

    Args:
        processes: How many.

    Examples:
        >>> from spearmint.evaluation.run.process_pool import RenewableProcessPool
        >>> with RenewableProcessPool(1) as pool:
        ...     pool.submit(abs, -1).result()
        1
    """

    def __init__(self, processes: int) -> None:
        self._max_workers = processes
        self._pool = self._made()

    def _made(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(self._max_workers, mp_context=get_context("spawn"), initializer=_leave_interrupts)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        """Run a function in one of the processes."""
        return self._pool.submit(fn, *args, **kwargs)

    def renew(self) -> None:
        """Replace all processes by new ones."""
        self.kill()
        self._pool = self._made()

    def kill(self) -> None:
        """End all processes at once, whatever they do."""
        processes = list((getattr(self._pool, "_processes", None) or {}).values())
        self._pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            with suppress(OSError, ValueError):  # It has ended meanwhile.
                process.kill()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002 - Executor's
        """End the processes once they are idle."""
        self._pool.shutdown(wait, cancel_futures=cancel_futures)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        if error is not None:  # An interrupt does not wait for a call that hangs.
            self.kill()
            return None
        return super().__exit__(kind, error, traceback)


def _leave_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
