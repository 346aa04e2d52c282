"""Cells submitted lazily, in chunks that take about as long as it takes to be worth a hand-over."""

import itertools
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Future
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any

from spearmint.errors import EvaluationError
from spearmint.evaluation.run.cell import Cell, CellResult
from spearmint.evaluation.run.chunk import ChunkResult

Submit = Callable[[Sequence[Cell]], "Future[ChunkResult]"]
Ended = Iterator[tuple[Sequence[Cell], Sequence[CellResult]]]

_WAITING = 2  # chunks in flight for each that runs, so that no worker waits for the next
_LARGEST = 2000  # cells in a chunk
_GROWTH = 4
_LIGHT_SECONDS = 0.0003  # of a cell: most of it is ours, for which threads only wait for each other
_LIGHT_PATIENCE = 0.1  # seconds that one chunk of such cells may take
_MOST_LOSSES = 10  # cells lost without a result between them, after which the fault is hardly theirs


class Dispatcher:
    """Submits cells to an executor and gives their results as they come, with a bounded number in flight.

    A worker that dies takes down what is in flight. These chunks are suspects: on new workers they run one at a time,
    in halves if need be, until the cell is found that kills its worker. It is recorded as lost.

    Args:
        submit: Submits a chunk.
        at_once: How many chunks may run at once.
        seconds: How long a chunk should take: enough to be worth the hand-over.
        smallest: Cells that a chunk holds at least, while there are as many.
        row: How many cells of one row and repetition are to be in one chunk, while there are enough for all workers;
            1 where it does not matter.
        keeps_rows: Whether they are to be in one chunk in any case.
        narrows: Whether chunks of light cells run one at a time, as suits the threads of one process.
        note: Is told of each chunk that has ended.
        renew: Replaces the workers after one has died; None where that is not Spearmint's to do. Then what was in
            flight is recorded as lost, and the run ends.
    """

    def __init__(
        self,
        submit: Submit,
        *,
        at_once: int,
        seconds: float,
        smallest: int = 1,
        row: int = 1,
        keeps_rows: bool = False,
        narrows: bool = False,
        note: Callable[[ChunkResult], None] | None = None,
        renew: Callable[[], None] | None = None,
    ) -> None:
        self._submit = submit
        self._at_once = at_once
        self._seconds = seconds
        self._smallest = smallest
        self._row = row
        self._keeps_rows = keeps_rows
        self._narrows = narrows
        self._width = 1 if narrows else at_once
        self._note = note
        self._renew = renew
        self._size = smallest
        self._left = 0
        self._cells: Iterator[Cell] = iter(())
        self._returned: deque[Cell] = deque()
        self._done: SimpleQueue[Future[ChunkResult]] = SimpleQueue()
        self._flying: dict[Future[ChunkResult], Sequence[Cell]] = {}
        self._suspects: deque[Sequence[Cell]] = deque()
        self._breakage: BaseException | None = None
        self._end: BaseException | None = None
        self._losses = 0

    def run(self, cells: Iterator[Cell], total: int, *, suspects: Iterator[Cell] | None = None) -> Ended:
        """Run all cells.

        Args:
            cells: What to run; it is read only as far ahead as there is room.
            total: How many there are, without suspects.
            suspects: Cells that may kill their worker; they run last, one at a time.

        Yields:
            Chunks and their results, in the order in which they end.

        Raises:
            EvaluationError: If the executor is broken, or its workers cannot run the function at all.
        """
        self._left, self._cells = total, cells
        try:
            yield from self._run_all()
            for cell in suspects or ():
                if self._end is not None:
                    raise _broken(self._end) from self._end
                self._suspects.append([cell])
                yield from self._run_all()
        finally:
            for future in self._flying:
                future.cancel()

    def _run_all(self) -> Ended:
        while True:
            if self._breakage is None:
                self._fill()
            elif not self._flying:
                yield from self._mend()
                continue
            if not self._flying and self._breakage is None:
                return
            if self._flying:
                yield from self._take(self._next_done())

    def _next_done(self) -> "Future[ChunkResult]":
        """Wait for a chunk to end; while light cells run one at a time, one that is not so light lets all begin."""
        if self._width < self._at_once:
            with suppress(Empty):
                return self._done.get(timeout=_LIGHT_PATIENCE)
            self._width = self._at_once
            self._fill()
        return self._done.get()

    def _fill(self) -> None:
        """Submit as much as there is room for; a suspect has the executor for itself."""
        if self._suspects:
            if not self._flying:
                self._hand_over(self._suspects.popleft())
            return
        while len(self._flying) < self._width * _WAITING and self._breakage is None and not self._suspects:
            # Towards the end chunks get smaller, so that all workers end at about the same time.
            fair = max(self._smallest, self._left // (self._width * _WAITING))
            chunk = self._next_chunk(min(self._size, fair))
            if not chunk:
                break
            self._left -= len(chunk)
            self._hand_over(chunk)

    def _next_chunk(self, count: int) -> list[Cell]:
        """Return so many of the next cells, and those that belong to the row of the last."""
        chunk = list(itertools.islice(self._upcoming(), count))
        if not chunk or not (self._keeps_rows or 1 < self._row * self._at_once < self._left):
            return chunk
        last = chunk[-1]
        for cell in self._upcoming():
            if cell.row.number != last.row.number or cell.repeat != last.repeat:
                self._returned.appendleft(cell)
                break
            chunk.append(cell)
        return chunk

    def _hand_over(self, chunk: Sequence[Cell]) -> None:
        try:
            future = self._submit(chunk)
        except BrokenExecutor as error:  # Another chunk has broken it, and this one has not begun.
            self._breakage = error
            self._give_back(chunk)
            return
        except RuntimeError as error:  # It has been shut down.
            raise _broken(error) from error
        self._flying[future] = chunk
        future.add_done_callback(self._done.put)

    def _give_back(self, chunk: Sequence[Cell]) -> None:
        self._left += len(chunk)
        self._returned.extendleft(reversed(chunk))

    def _upcoming(self) -> Iterator[Cell]:
        """Yield what comes next: a race may have more cells later, when it has none now."""
        while self._returned:
            yield self._returned.popleft()
        for cell in self._cells:  # noqa: UP028 - `yield from` would close them with this generator
            yield cell

    def _mend(self) -> Ended:
        """Go on after the executor has broken, once nothing is in flight any more."""
        breakage = self._breakage
        if breakage is None:
            return
        if self._renew is not None:
            if self._losses >= _MOST_LOSSES:
                raise _broken(breakage) from breakage
            self._breakage = None
            self._renew()
            return
        is_alone = len(self._suspects) == 1 and len(self._suspects[0]) == 1
        while self._suspects:
            chunk = self._suspects.popleft()
            yield chunk, [_lost(cell, breakage) for cell in chunk]
        following = next(self._upcoming(), None)
        if following is None and is_alone:  # It was the last one, or the last but for other suspects.
            self._breakage, self._end = None, breakage
            return
        raise _broken(breakage) from breakage

    def _take(self, future: "Future[ChunkResult]") -> Ended:
        chunk = self._flying.pop(future)
        was_alone = not self._flying
        try:
            ended = future.result()
        except (EvaluationError, KeyboardInterrupt):
            raise
        except BrokenExecutor as error:
            yield from self._suspect(chunk, error, was_alone=was_alone and self._breakage is None)
            return
        except CancelledError as error:
            raise _broken(error) from error
        except Exception as error:  # noqa: BLE001 - an executor may fail in ways of its own
            if len(chunk) > 1:  # One of them is to blame, and the others are not to suffer.
                for cell in chunk:
                    self._hand_over([cell])
            else:
                yield chunk, [_lost(chunk[0], error)]
            return
        seconds, results = ended.seconds, ended.results
        if self._note is not None:
            self._note(ended)
        rest = chunk[len(results) :]
        if rest:  # They took longer than those before.
            self._give_back(rest)
        self._adapt(len(results), seconds)
        self._losses = 0
        yield chunk[: len(results)], results

    def _suspect(self, chunk: Sequence[Cell], error: BrokenExecutor, *, was_alone: bool) -> Ended:
        """Note a chunk that was in flight when a worker died."""
        self._breakage = error
        if self._renew is None or not was_alone:
            self._suspects.append(chunk)
        elif len(chunk) == 1:
            self._losses += 1
            yield chunk, [_lost(chunk[0], error)]
        else:
            half = len(chunk) // 2
            self._suspects.extendleft([chunk[half:], chunk[:half]])

    def _adapt(self, count: int, seconds: float) -> None:
        """Aim at chunks of the wanted duration."""
        if self._narrows:
            self._width = 1 if seconds < _LIGHT_SECONDS * count else self._at_once
        wanted = self._seconds * count / max(seconds, 1e-9)
        self._size = max(self._smallest, min(_LARGEST, int(wanted), self._size * _GROWTH))


def _lost(cell: Cell, error: BaseException) -> CellResult:
    cause = "its worker process died" if isinstance(error, BrokenExecutor) else "the executor failed"
    text = f"lost: {cause} ({type(error).__name__}: {error})"
    return CellResult(0.0, f"{text:.200}", {}, {}, None, "lost", attempt=cell.attempt)


def _broken(error: BaseException) -> EvaluationError:
    cause = f"the executor gave up ({type(error).__name__}: {error})"
    advice = (
        'With resume="run.jsonl" and a new executor, the same call goes on: what was in flight is recorded as lost, '
        'and runs again last and one by one, or not at all with retry="none"'
    )
    return EvaluationError(f"Cannot go on with the evaluation: {cause}. {advice}.")


def workers_of(executor: Any) -> int | None:
    """Return how many cells an executor can run at once, where it tells."""
    count = getattr(executor, "_max_workers", None)
    if count is None and hasattr(getattr(executor, "_client", None), "nthreads"):  # Dask's
        count = sum(executor._client.nthreads().values())  # noqa: SLF001 - it has no public way
    return count if isinstance(count, int) and count > 0 else None
