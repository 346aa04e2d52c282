"""What cells of one evaluation share: the steps of the function, and its scorers."""

from collections import deque
from collections.abc import Callable, Hashable, Mapping
from contextlib import suppress
from functools import partial
from itertools import repeat
from typing import Any

from spearmint.config.model import ATOMS
from spearmint.context.current import step_caller_var
from spearmint.evaluation.sharing.account import StepAccount
from spearmint.evaluation.sharing.cell_steps import call_step
from spearmint.evaluation.sharing.clock import CellClock
from spearmint.evaluation.sharing.exact_key import UnkeyableError, exact_key
from spearmint.evaluation.sharing.row_memo import RowMemo
from spearmint.evaluation.sharing.shared_steps import SharedSteps
from spearmint.evaluation.sharing.step_call import CellContext
from spearmint.registry.experiment import ExperimentFunction

_PATIENCE = 300.0  # seconds that a score waits for an equal one
Score = Callable[[], Mapping[str, float]]


class _StepsOfCell:
    """Lets the calls of steps inside `with` know their cell; a class, as a generator costs each cell more."""

    __slots__ = ("_cell", "_token")

    def __init__(self, cell: CellContext) -> None:
        self._cell = cell

    def __enter__(self) -> CellClock:
        self._token = step_caller_var.set(partial(call_step, self._cell))
        return self._cell.clock

    def __exit__(self, *_: object) -> None:
        step_caller_var.reset(self._token)


class Sharing:
    """What the cases of each row have computed.

    Args:
        shared: Which experiments are shared.
        rows: How many rows are remembered, those that were begun last.
    """

    def __init__(self, shared: SharedSteps, rows: int) -> None:
        self._shared = shared
        self._limit = rows
        self._rows: dict[tuple[int, int], RowMemo] = {}
        self._begun: deque[tuple[int, int]] = deque()

    @classmethod
    def of(cls, experiment: ExperimentFunction, args: tuple[Any, ...], rows: int) -> "Sharing":
        """Return what shares the steps of an experiment, given the arguments that every call of it gets first."""
        return cls(SharedSteps(experiment, args), rows)

    def renewed(self) -> "Sharing":
        """Return the same for another part of an evaluation, with nothing computed yet."""
        return Sharing(self._shared, self._limit)

    @property
    def has_steps(self) -> bool:
        """Whether the function calls experiments, as far as that is known by now."""
        self._shared.refresh()
        return bool(self._shared.steps)

    def memo(self, row: int, repeat: int) -> RowMemo:
        """Return what the cases of a row have computed."""
        place = row, repeat
        return self._rows.get(place) or self._begin(place)

    def _begin(self, place: tuple[int, int]) -> RowMemo:
        # Without a lock, which the threads of an evaluation would take for every cell and wait for each other's.
        memo = self._rows.setdefault(place, RowMemo())
        self._begun.append(place)
        if len(self._begun) > self._limit:
            with suppress(IndexError):
                self._rows.pop(self._begun.popleft(), None)
        return memo

    def steps(self, row: int, repeat: int, account: StepAccount) -> "_StepsOfCell":
        """Share the steps that are called inside `with`, which gives the clock of a cell that runs alone."""
        return _StepsOfCell(CellContext(self._shared, self.memo(row, repeat), account))

    def score(self, memo: RowMemo, scorer: str, given: Any, account: StepAccount, score: Score) -> Mapping[str, float]:
        """Make a score, or return that of an equal output of the same row.

        Args:
            memo: What the cases of the row have computed.
            scorer: Its name.
            given: What it gets, without what is the same in the whole row.
            account: Where it is counted.
            score: Makes it.

        Raises:
            BaseException: What the scorer raises.
        """
        try:
            exact = exact_key(given, self._shared.is_user_code)
        except UnkeyableError:
            account.count_score(is_reused=False)
            return score()
        claim, entry = memo.claim((scorer, exact.content), exact.kept, None, waits=True)
        if claim == "wait":
            with suppress(TimeoutError):
                memo.waiter(entry, None).result(_PATIENCE)
            claim = "reuse" if entry.state == "done" else "alone"
        account.count_score(is_reused=claim == "reuse")
        if claim == "reuse":
            found: Mapping[str, float] = entry.give()
            return found
        if claim == "alone":
            return score()
        is_shared = False
        try:
            made = score()
            is_shared = self._is_unchanged(given, exact.content)
            entry.give = repeat(made).__next__
        finally:
            (memo.publish if is_shared else memo.fail)(entry)
        return made

    def _is_unchanged(self, given: Any, content: Hashable) -> bool:
        if type(given) in ATOMS:
            return True
        try:
            return exact_key(given, self._shared.is_user_code).content == content
        except UnkeyableError:
            return False
