"""What of a journal still counts: which cells are done, which lack scores, and which run again, and why."""

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from spearmint.errors import EvaluationError
from spearmint.evaluation.dataset import Row
from spearmint.evaluation.run.cell import Cell, CellResult
from spearmint.evaluation.run.identity import Identity
from spearmint.evaluation.run.journal import ResultLog, StoredCell
from spearmint.evaluation.run.result_table import CellKey, ResultTable
from spearmint.evaluation.run.stored_output import is_pickled
from spearmint.scorers import Scorer

Retry = Literal["errors", "none", "all"]
Stale = Literal["rerun", "use", "error"]

_NONE = -1  # no line counts
_STALE = -2  # there are lines, of other code
_MOST_ATTEMPTS = 255
_STALE_CAUSES = frozenset({"code", "config", "scorer", "expectations"})
_VERBS = {"stored cells": " run again", "stored scores": " are made again"}
# From each cause to what it is about, and why that does not count.
_CAUSES = {
    "code": ("stored cells", ": the code of {function} has changed"),
    "config": ("stored cells", ": the content of config {name!r} has changed"),
    "scorer": ("stored scores", ": scorer {name!r} has changed"),
    "expectations": ("stored scores", ": the expectations that {name!r} takes have changed"),
    "used": ("stored cells", " of other code are used: the code of {function} has changed"),
    "failed": ("stored cells", ": they had failed"),
    "lost": ("stored cells", ": their worker process had died"),
    "score failed": ("stored scores", ": {name!r} had failed"),
    "trace": ("stored cells", ": {name} takes a trace, which is not stored"),
    "pickled": ("stored cells", ": their outputs, which {name} needs, are pickled, and are read with pickle=True only"),
    "unstorable": ("stored cells", ": their outputs, which {name} needs, could not be stored"),
}


class Resumption:
    """The stored results of an evaluation, sorted into what counts and what does not.

    Args:
        journal: The file.
        identity: What results are recognised by.
        table: Where results that count are recorded.
        scorers: The scorers.
        function: Name of the function, for messages.
        retry: Which results run again although they count: those that failed, none, or all.
        stale: What happens to results of other code: they run again, are used, or are an error.
        pickles: Whether outputs that were pickled may be read.

    Attributes:
        notes: What of the file did not count, in sentences.

    Raises:
        EvaluationError: If the file is damaged, or holds stale results and ``stale`` is ``"error"``.
    """

    def __init__(
        self,
        journal: ResultLog,
        identity: Identity,
        table: ResultTable,
        scorers: Sequence[Scorer],
        *,
        function: str,
        retry: Retry,
        stale: Stale,
        pickles: bool = False,
    ) -> None:
        self._journal = journal
        self._identity = identity
        self._table = table
        self._scorers = scorers
        self._function = function
        self._retry = retry
        self._stale = stale
        self._pickles = pickles
        _, rows, repeats = table.shape
        count = len(identity.cases) * rows * repeats
        self._offsets = array("q", [_NONE]) * count
        self._attempts = array("B", [0]) * count
        self._lost: set[int] = set()
        self._counts: Counter[tuple[str, str]] = Counter()
        self._other_configs: set[tuple[str, int, int]] = set()
        self._find()
        self._sort()
        self.notes = list(self._sentences())
        if stale == "error" and self._stale_count:
            cause = " ".join(self.notes)
            advice = 'Give stale="rerun" to run them again, stale="use" to take them as they are, or another path'
            raise EvaluationError(f"Cannot resume from {str(journal.path)!r}: {cause} {advice}.")

    @property
    def lost_count(self) -> int:
        """How many cells are to be run whose process died the last time."""
        return len(self._lost)

    @property
    def pickled_count(self) -> int:
        """How many cells lack scores that need an output that is pickled, and is not to be read."""
        return sum(count for (cause, _), count in self._counts.items() if cause == "pickled")

    def cell(self, case: int, row: Row, repeat: int) -> Cell | None:
        """Return a cell to be run; None if there is a result that counts, or its process died the last time."""
        key = CellKey(case, row.number, repeat)
        index = self._index(case, row.number, repeat)
        return None if index in self._lost or self._table.has(key) else self._cell(index, key, row)

    def stored(self, key: CellKey) -> CellResult:
        """Return the result of a cell that has one that counts."""
        return self._journal.read(self._offsets[self._index(key.case, key.row, key.repeat)]).result

    def cells(self, rows: Iterable[Row]) -> Iterator[Cell]:
        """Yield the cells to be run, row by row, so that a run that ends early has whole rows to compare."""
        return (cell for index, cell in self._left(rows) if index not in self._lost)

    def lost_cells(self, rows: Iterable[Row]) -> Iterator[Cell]:
        """Yield those whose process died the last time; those that were lost most often come last."""
        lost = [cell for index, cell in self._left(rows) if index in self._lost] if self._lost else []
        return iter(sorted(lost, key=lambda cell: cell.attempt))

    def _left(self, rows: Iterable[Row]) -> Iterator[tuple[int, Cell]]:
        _, _, repeats = self._table.shape
        for row in rows:
            for repeat in range(repeats):
                for case in range(len(self._identity.cases)):
                    key = CellKey(case, row.number, repeat)
                    if not self._table.has(key):
                        index = self._index(case, row.number, repeat)
                        yield index, self._cell(index, key, row)

    def _cell(self, index: int, key: CellKey, row: Row) -> Cell:
        attempt = min(self._attempts[index] + 1, _MOST_ATTEMPTS)
        offset = self._offsets[index]
        known = self._partial(self._journal.read(offset), row.number) if offset >= 0 else None
        return Cell(key.case, row, key.repeat, attempt, known)

    def _index(self, case: int, row: int, repeat: int) -> int:
        _, rows, repeats = self._table.shape
        return (case * rows + row) * repeats + repeat

    def _key(self, index: int) -> CellKey:
        _, rows, repeats = self._table.shape
        place, repeat = divmod(index, repeats)
        return CellKey(*divmod(place, rows), repeat)

    def _find(self) -> None:
        """Find for each cell the last line that counts."""
        _, _, repeats = self._table.shape
        positions = {digest: position for position, digest in enumerate(self._identity.cases)}
        ids = set(self._identity.case_ids)
        numbers = {(row.inputs, row.nth): number for number, row in enumerate(self._identity.rows)}
        for one in self._journal.stored():
            row = numbers.get((one.row.inputs, one.row.nth))
            if row is None or one.repeat >= repeats:
                continue
            case = positions.get(one.case)
            if case is None:
                if one.case_id in ids:
                    self._other_configs.add((one.case_id, row, one.repeat))
                continue
            index = self._index(case, row, one.repeat)
            self._attempts[index] = min(max(self._attempts[index] + 1, one.result.attempt), _MOST_ATTEMPTS)
            if one.code == self._identity.code or self._stale == "use":
                self._offsets[index] = one.offset
            elif self._offsets[index] == _NONE:
                self._offsets[index] = _STALE

    def _sort(self) -> None:
        """Record what is complete, and keep the places of what lacks scores alone."""
        for index, offset in enumerate(self._offsets):
            if offset == _STALE:
                self._counts["code", ""] += 1
            if offset < 0:
                continue
            one = self._journal.read(offset)
            if self._stale == "use" and one.code != self._identity.code:
                self._counts["used", ""] += 1
            if not self._keeps(one, index):
                self._offsets[index] = _NONE

    def _keeps(self, one: StoredCell, index: int) -> bool:
        """Tell whether a result is of use; it is recorded if it is complete."""
        if self._retry == "all":
            return False
        key = self._key(index)
        if one.result.error is not None and self._retry == "errors":
            is_lost = one.result.status == "lost"
            self._counts["lost" if is_lost else "failed", ""] += 1
            if is_lost:
                self._lost.add(index)
            return False
        result = one.result if one.result.error is not None else self._partial(one, key.row)
        lacking = [] if result.error is not None else [scorer for scorer in self._scorers if _lacks(result, scorer)]
        self._count_scores(one, key.row)
        if not lacking:
            self._table.record(key, result)
        cause = _why_anew(result, lacking, pickles=self._pickles)
        if cause:
            self._counts[cause, ", ".join(repr(scorer.name) for scorer in lacking)] += 1
        return not cause

    def _partial(self, one: StoredCell, row: int) -> CellResult:
        """Return a result with those scores alone that count."""
        names = [scorer.name for scorer in self._scorers if not self._cause_of(one, scorer, row)]
        scores = {name: one.result.scores[name] for name in names if name in one.result.scores}
        errors = {name: one.result.scorer_errors[name] for name in names if name in one.result.scorer_errors}
        return one.result._replace(scores=scores, scorer_errors=errors)

    def _count_scores(self, one: StoredCell, row: int) -> None:
        for scorer in self._scorers:
            cause = self._cause_of(one, scorer, row)
            if cause and (scorer.name in one.result.scores or scorer.name in one.result.scorer_errors):
                self._counts[cause, scorer.name] += 1

    def _cause_of(self, one: StoredCell, scorer: Scorer, row: int) -> str:
        """Say why a score does not count; empty if it does."""
        if self._stale != "use" and one.scorers.get(scorer.name) != self._identity.scorers[scorer.name]:
            return "scorer"
        has_changed = one.row.expectations != self._identity.rows[row].expectations
        if self._stale != "use" and has_changed and "expectations" in scorer.wants:
            return "expectations"
        return "score failed" if self._retry == "errors" and scorer.name in one.result.scorer_errors else ""

    @property
    def _stale_count(self) -> int:
        return sum(count for (cause, _), count in self._counts.items() if cause in _STALE_CAUSES)

    def _sentences(self) -> Iterator[str]:
        for case_id in self._identity.case_ids:
            self._counts["config", case_id] += sum(one[0] == case_id for one in self._other_configs)
        for (cause, name), count in sorted(self._counts.items()):
            if not count:
                continue
            what, why = _CAUSES[cause]
            verb = "" if cause == "used" else " are stale" if self._is_kept_back(cause) else _VERBS[what]
            plural = what if count > 1 else what.replace("cells", "cell").replace("scores", "score")
            verb = verb if count > 1 else verb.replace(" are ", " is ").replace(" run ", " runs ")
            yield f"{count} {plural}{verb}{why}.".format(name=name, function=self._function)

    def _is_kept_back(self, cause: str) -> bool:
        return self._stale == "error" and cause in _STALE_CAUSES


def _lacks(result: CellResult, scorer: Scorer) -> bool:
    return not result.has_score(scorer.name)


def _why_anew(result: CellResult, lacking: Sequence[Scorer], *, pickles: bool) -> str:
    """Say why scores cannot be made of a stored output; empty if they can."""
    if any("trace" in scorer.wants for scorer in lacking):
        return "trace"
    if lacking and result.stored is not None and is_pickled(result.stored) and not pickles:
        return "pickled"
    return "unstorable" if lacking and result.stored is None else ""
