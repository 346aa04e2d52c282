"""Run the cells of an evaluation: stored results are taken, the others are dispatched, recorded and written."""

import functools
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack, contextmanager
from contextvars import copy_context
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from spearmint.errors import EvaluationError
from spearmint.evaluation.budget import Stop
from spearmint.evaluation.dataset import Dataset, Row
from spearmint.evaluation.limits import Limits
from spearmint.evaluation.race import RaceOutcome
from spearmint.evaluation.run.budget_cells import BudgetCells
from spearmint.evaluation.run.case_names import EvaluatedCase
from spearmint.evaluation.run.cell import Cell, CellResult, Subject
from spearmint.evaluation.run.chunk import ChunkResult, run_cells
from spearmint.evaluation.run.dispatcher import Dispatcher, Submit, workers_of
from spearmint.evaluation.run.identity import Identity, identify
from spearmint.evaluation.run.journal import Journal, ResultLog, worth_keeping
from spearmint.evaluation.run.local_pool import DaemonThreadPool
from spearmint.evaluation.run.options import EvaluationOptions
from spearmint.evaluation.run.pair_cells import PairCells
from spearmint.evaluation.run.progress import CellProgress
from spearmint.evaluation.run.race_cells import CellOf, RaceCells
from spearmint.evaluation.run.remote import EvaluationPayload, RemoteSubmitter, needs_pickling
from spearmint.evaluation.run.result_table import CellKey, ResultTable
from spearmint.evaluation.run.resume import Resumption
from spearmint.evaluation.run.store import RunStore
from spearmint.evaluation.spending import Spending, Spent, observed_spans

_LOCAL_SECONDS = 0.01  # that a chunk takes on threads of this process
_REMOTE_SECONDS = 0.1  # that one takes elsewhere
_PATIENCE = 4  # times that, until the rest of a chunk is given back


def _share_of(limits: Limits | None, workers: int) -> Limits | None:
    """Return the limits of each of several workers, which do not know of each other."""
    return limits if limits is None or limits.rate is None else replace(limits, rate=limits.rate / workers)


class RunOutcome(NamedTuple):
    """What is to be known of a run.

    Attributes:
        notes: What is to be said of stored results that did not count, and of tokens that are not known, in sentences.
        race: How the race ended; None where there was none.
        spent: What the run has spent.
        stop: What of its budget ended it; None if nothing did.
    """

    notes: tuple[str, ...]
    race: RaceOutcome | None
    spent: Spent
    stop: Stop | None


@dataclass(frozen=True, slots=True)
class Schedule:
    """An evaluation that has been read and checked, and is about to run.

    Attributes:
        payload: What is evaluated, as it was given.
        subject: The same, ready to be called.
        cases: The cases, main first.
        dataset: The rows.
        table: Where the results go.
        spending: Adds up what is spent.
        options: How to run.
        refused: Why a service takes no more calls for long; empty as long as it does.
    """

    payload: EvaluationPayload
    subject: Subject
    cases: Sequence[EvaluatedCase]
    dataset: Dataset
    table: ResultTable
    spending: Spending
    options: EvaluationOptions
    refused: list[str] = field(default_factory=list)

    def run(self) -> RunOutcome:
        """Run every cell that has no result that counts; in a race, those of the cases that are still in it."""
        try:
            name = self.subject.experiment.name
            if self.options.store is not None:
                with RunStore(Path(self.options.store), name) as store:
                    return self._store(store)
            if self.options.resume is None:
                return self._outcome([], self._run(self._new_cell, self._cells()))
            with Journal(Path(self.options.resume), name) as journal:
                return self._resume(journal, self._identity())
        except KeyboardInterrupt as error:
            error.add_note(self._interruption())
            raise

    def _outcome(self, notes: Sequence[str], ended: tuple[RaceOutcome | None, Stop | None]) -> RunOutcome:
        raced, stop = ended
        return RunOutcome((*notes, *self.spending.notes()), raced, self.spending.spent, stop)

    def _interruption(self) -> str:
        cases, rows, repeats = self.table.shape
        ended = f"The evaluation was interrupted after {self.table.count} of {cases * rows * repeats} cells."
        return f"{ended} {self._way_on('They are')}"

    def _way_on(self, kept: str) -> str:
        """Say how to go on with an evaluation that has not come to its end."""
        resume, options = self.options.resume, self.options
        if options.store is not None:
            return f"{kept} in {str(options.store)!r}: the same call with cache=True goes on from there."
        if resume is None:
            return 'Nothing of it is kept; with resume="run.jsonl" another run would go on from there.'
        return f"{kept} in {str(resume)!r}: the same call goes on from there."

    def _identity(self) -> Identity:
        return identify(self.payload.function, self.cases, self.dataset, self.subject.scorers)

    def _store(self, store: RunStore) -> RunOutcome:
        """Run with a store: what earlier runs have is taken if the caller wants that."""
        identity = self._identity()
        store.begin(identity, self.cases, self.dataset, self.options.repeats)
        if self.options.cache:
            return self._resume(store, identity)
        write = functools.partial(store.write, identity)
        return self._outcome([], self._run(Cell, self._cells(), write=write))

    def _resume(self, journal: ResultLog, identity: Identity) -> RunOutcome:
        resumed = Resumption(
            journal,
            identity,
            self.table,
            self.subject.scorers,
            function=self.subject.experiment.name,
            retry=self.options.retry,
            stale=self.options.stale,
            pickles=self.options.pickle,
        )
        if not self.subject.is_called:
            return self._rescore(journal, identity, resumed)
        for note in resumed.notes:
            sys.stderr.write(f"spearmint: {note}\n")
        write = functools.partial(journal.write, identity)
        cells, suspects = resumed.cells(self._rows()), resumed.lost_cells(self._rows())
        ended = self._run(
            resumed.cell, cells, suspects=suspects, lost=resumed.lost_count, write=write, stored=resumed.stored
        )
        return self._outcome(resumed.notes, ended)

    def _rescore(self, journal: ResultLog, identity: Identity, resumed: Resumption) -> RunOutcome:
        """Score stored outputs alone; cells that have none stay without a result."""
        cells = (cell for cell in resumed.cells(self._rows()) if cell.known is not None)
        ended = self._run(resumed.cell, cells, write=functools.partial(journal.write, identity), stored=resumed.stored)
        if self.refused:
            return self._outcome([], ended)
        cases, rows, repeats = self.table.shape
        pickled = resumed.pickled_count
        without = cases * rows * repeats - self.table.count - pickled
        few = "1 cell has" if without == 1 else f"{without} cells have"
        notes = [f"{few} no stored output to be scored, and no result here."] if without else []
        if pickled:
            have = "1 cell has a pickled output" if pickled == 1 else f"{pickled} cells have pickled outputs"
            notes.append(f"{have}, which pickle=True (--pickle) alone reads, and no result here.")
        return self._outcome(notes, ended)

    def _run(
        self,
        cell_of: CellOf,
        cells: Iterator[Cell],
        *,
        suspects: Iterator[Cell] | None = None,
        lost: int = 0,
        write: Callable[[Sequence[Cell], Sequence[CellResult]], None] | None = None,
        stored: Callable[[CellKey], CellResult] | None = None,
    ) -> tuple[RaceOutcome | None, Stop | None]:
        race, budget, is_limited = self.options.race, self.options.budget, self.options.is_limited
        raced = None if race is None else RaceCells(race, list(self._rows()), self.table, cell_of)
        name = self.subject.experiment.name
        cases, rows, repeats = self.table.shape
        left = cases * rows * repeats - self.table.count
        limited = BudgetCells(budget, raced or cells, self.spending, rows) if budget or is_limited else None
        if limited is not None and suspects is not None:
            suspects = (cell for cell in suspects if limited.stop is None)
        with ExitStack() as stack:
            stack.enter_context(observed_spans(self.spending))
            progress = stack.enter_context(CellProgress(name, left, is_wanted=self.options.progress))
            dispatcher = stack.enter_context(self._dispatcher())
            upcoming: Iterator[Cell] = limited or raced or cells
            pairs = PairCells(upcoming, self.subject.pairwise, self.table, stored) if self.subject.pairwise else None
            count = left - lost if pairs is None else 2 * left - lost
            for chunk, made in dispatcher.run(pairs or upcoming, count, suspects=suspects):
                results = made if pairs is None else pairs.take(chunk, made)
                if write is not None:
                    write(*worth_keeping(chunk, results))
                ended = 0
                for cell, result in zip(chunk, results, strict=True):
                    self.spending.add(result.calls, result.seconds, result.usage)
                    if pairs is not None and not pairs.is_complete(result):
                        continue
                    ended += 1
                    if limited is None:
                        self._record(cell, result)
                        continue
                    if result.refusal:
                        self.refused.append(result.refusal)
                        limited.exhaust()
                    for whole in limited.whole(cell, result):
                        self._record(*whole)
                progress.advance(ended, self.table.errors)
        stop = None if limited is None else limited.stop
        if limited is not None and self.refused:
            stop = limited.quota_stop(f"{self.refused[0]}. {self._way_on('What was made is')}")
        return None if raced is None else raced.outcome, stop

    def _record(self, cell: Cell, result: CellResult) -> None:
        self.table.record(CellKey(cell.case, cell.row.number, cell.repeat), result)

    def _new_cell(self, case: int, row: Row, repeat: int) -> Cell | None:
        return None if self.table.has(CellKey(case, row.number, repeat)) else Cell(case, row, repeat)

    def _cells(self) -> Iterator[Cell]:
        """Yield all cells row by row, so that a run that ends early has whole rows to compare."""
        cases, _, repeats = self.table.shape
        for row in self._rows():
            for repeat in range(repeats):
                for case in range(cases):
                    yield Cell(case, row, repeat)

    def _rows(self) -> Iterator[Row]:
        """Yield the rows that were counted; fewer by now are an `EvaluationError`."""
        _, rows, _ = self.table.shape
        seen = 0
        for row in self.dataset.rows():
            if row.number >= rows:
                break
            seen += 1
            yield row
        if seen < rows:
            cause = f"{self.dataset.name} had {rows} rows and now has {seen}"
            raise EvaluationError(f"Cannot go on: {cause}. Leave it alone.")

    @contextmanager
    def _dispatcher(self) -> Iterator[Dispatcher]:
        executor = self.options.executor
        at_once = self.options.calls_at_once(None if executor is None else workers_of(executor))
        is_remote = executor is not None and needs_pickling(executor)
        is_async = self.subject.experiment.kind in ("coroutine", "async_generator")
        sharing = self.subject.sharing
        shares = sharing is not None and (sharing.has_steps or bool(self.subject.pairwise))
        with (
            self._threads(at_once) if executor is None or not is_remote else self._workers(executor, at_once) as submit
        ):
            yield Dispatcher(
                submit,
                at_once=at_once,
                seconds=_LOCAL_SECONDS if executor is None else _REMOTE_SECONDS,
                smallest=at_once if is_async and is_remote else 1,
                row=len(self.cases) if shares else 1,
                keeps_rows=shares and is_remote,
                narrows=executor is None,
                note=self._note,
                renew=getattr(executor, "renew", None),
            )

    def _note(self, ended: ChunkResult) -> None:
        if ended.account is not None:
            self.table.account.add(ended.account)
            self.spending.spare(ended.account.saved_seconds)

    @contextmanager
    def _workers(self, executor: Executor, at_once: int) -> Iterator[Submit]:
        """Give what submits a chunk to other processes."""
        payload = replace(
            self.payload,
            configs=[self.cases[0].config] if self.payload.configs else [],
            keeps_output=self.subject.keeps_output,
            stores_output=self.subject.stores_output,
            timeout=self.subject.timeout,
            concurrency=at_once,
            usage=self.subject.usage,
            pickles=self.subject.pickles,
            is_called=self.subject.is_called,
            shares=self.subject.sharing is not None,
            limits=_share_of(self.options.limits, at_once),
            scorer_limits=_share_of(self.options.scorer_limits, at_once),
        )
        name = self.subject.experiment.name
        yield RemoteSubmitter(executor, payload, name, cases=self.cases, budget=_REMOTE_SECONDS * _PATIENCE).submit

    @contextmanager
    def _threads(self, at_once: int) -> Iterator[Submit]:
        """Give what submits a chunk to threads of this process."""
        stopped = threading.Event()
        pool = self.options.executor or DaemonThreadPool(at_once)
        context = copy_context()
        here = {case.position: case.case for case in self.cases}
        run = functools.partial(run_cells, budget=_LOCAL_SECONDS * _PATIENCE, is_stopped=stopped.is_set)
        try:
            yield lambda chunk: pool.submit(run, self.subject, here, chunk, context)
        finally:
            stopped.set()
            if isinstance(pool, DaemonThreadPool):
                pool.shutdown(wait=False)
