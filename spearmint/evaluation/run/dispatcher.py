"""Cells submitted lazily, in chunks that take about as long as it takes to be worth a hand-over."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Future
from queue import SimpleQueue
from typing import Any

from spearmint.errors import EvaluationError
from spearmint.evaluation.run.cell import Cell, CellResult, ChunkResult

Submit = Callable[[Sequence[Cell]], "Future[ChunkResult]"]

_WAITING = 2  # chunks in flight for each that runs, so that no worker waits for the next
_LARGEST = 2000  # cells in a chunk
_GROWTH = 4


class Dispatcher:
    """Hands cells to an executor and gives their results as they come, with a bounded number in flight.

    Args:
        submit: Hands a chunk over.
        at_once: How many chunks may run at once.
        seconds: How long a chunk should take: enough to be worth the hand-over.
        smallest: Cells that a chunk holds at least, while there are as many.
    """

    def __init__(self, submit: Submit, *, at_once: int, seconds: float, smallest: int = 1) -> None:
        self._submit = submit
        self._at_once = at_once
        self._seconds = seconds
        self._smallest = smallest
        self._size = smallest
        self._left = 0
        self._cells: Iterator[Cell] = iter(())
        self._done: SimpleQueue[Future[ChunkResult]] = SimpleQueue()
        self._flying: dict[Future[ChunkResult], Sequence[Cell]] = {}

    def run(self, cells: Iterator[Cell], total: int) -> Iterator[tuple[Sequence[Cell], Sequence[CellResult]]]:
        """Run all cells.

        Args:
            cells: What to run; it is read only as far ahead as there is room.
            total: How many there are.

        Yields:
            Chunks and their results, in the order in which they end.

        Raises:
            EvaluationError: If the executor is broken, or its workers cannot run the function at all.
        """
        self._left, self._cells = total, cells
        try:
            while True:
                while len(self._flying) < self._at_once * _WAITING:
                    # Towards the end chunks get smaller, so that all workers end at about the same time.
                    fair = max(self._smallest, self._left // (self._at_once * _WAITING))
                    chunk = list(itertools.islice(self._cells, min(self._size, fair)))
                    if not chunk:
                        break
                    self._left -= len(chunk)
                    self._hand_over(chunk)
                if not self._flying:
                    return
                yield from self._take(self._done.get())
        finally:
            for future in self._flying:
                future.cancel()

    def _hand_over(self, chunk: Sequence[Cell]) -> None:
        try:
            future = self._submit(chunk)
        except (BrokenExecutor, RuntimeError) as error:  # RuntimeError: it has been shut down.
            raise _broken(error) from error
        self._flying[future] = chunk
        future.add_done_callback(self._done.put)

    def _take(self, future: "Future[ChunkResult]") -> Iterator[tuple[Sequence[Cell], Sequence[CellResult]]]:
        chunk = self._flying.pop(future)
        try:
            seconds, results = future.result()
        except (EvaluationError, KeyboardInterrupt):
            raise
        except (BrokenExecutor, CancelledError) as error:
            raise _broken(error) from error
        except Exception as error:  # noqa: BLE001 - an executor may fail in ways of its own
            if len(chunk) > 1:  # One of them is to blame, and the others are not to suffer.
                for cell in chunk:
                    self._hand_over([cell])
            else:
                text = f"{type(error).__name__}: {error}"
                yield chunk, [CellResult(0.0, f"lost by the executor: {text:.200}", {}, {}, None)]
            return
        rest = chunk[len(results) :]
        if rest:  # They took longer than those before.
            self._left += len(rest)
            self._cells = itertools.chain(rest, self._cells)
        self._adapt(len(results), seconds)
        yield chunk[: len(results)], results

    def _adapt(self, count: int, seconds: float) -> None:
        """Aim at chunks of the wanted duration."""
        wanted = self._seconds * count / max(seconds, 1e-9)
        self._size = max(self._smallest, min(_LARGEST, int(wanted), self._size * _GROWTH))


def _broken(error: BaseException) -> EvaluationError:
    cause = f"the executor gave up ({type(error).__name__}: {error})"
    advice = 'With resume="run.jsonl", another run goes on where this one ended'
    return EvaluationError(f"Cannot go on with the evaluation: {cause}. {advice}.")


def workers_of(executor: Any) -> int | None:
    """Return how many cells an executor can run at once, where it tells."""
    count = getattr(executor, "_max_workers", None)
    if count is None and hasattr(getattr(executor, "_client", None), "nthreads"):  # Dask's
        count = sum(executor._client.nthreads().values())  # noqa: SLF001 - it has no public way
    return count if isinstance(count, int) and count > 0 else None
