"""A race: cases run side by side on blocks of rows, and what falls behind beyond doubt is dropped."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spearmint.errors import EvaluationError
from spearmint.evaluation.directions import is_lower_better
from spearmint.render import counted
from spearmint.statistics.betting import PairwiseEvidence
from spearmint.statistics.intervals import Values

Positions = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Race:
    """How to find the best case at the cost of a part of the cells.

    All cases run on rows in one seeded order, in blocks. At the end of a block, a case is dropped once the evidence
    that others score higher is strong enough. The best case is ever dropped with a probability of at most ``delta``,
    however often one looks: see `spearmint.statistics.betting`. What counts is the mean over all data of which the
    rows are a sample, so rows should be independent of each other.

    Args:
        metric: The metric.
        delta: How likely the best case may be dropped, between 0 and 1.
        epsilon: A difference that does not matter: a case may be dropped although it is better by less than this.
        block: Rows between two looks.
        confirm: Share of the rows that are held out: on them, the winner alone is compared with main.
        seed: Of the order of the rows.
        bounds: Lowest and highest value of the metric. A failed cell has the worse of them.
        lower: Whether less is better; of latency, cost and tokens it always is.

    Raises:
        EvaluationError: If one is out of range.
    """

    metric: str
    delta: float = 0.05
    epsilon: float = 0.0
    block: int = 20
    confirm: float = 0.3
    seed: int = 0
    bounds: tuple[float, float] = (0.0, 1.0)
    lower: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.metric, str) or not self.metric:
            raise _refused("metric", self.metric, "it is no name of a metric")
        if not 0 < self.delta < 1:
            raise _refused("delta", self.delta, "it is no probability between 0 and 1")
        if not 0 <= self.epsilon < math.inf:
            raise _refused("epsilon", self.epsilon, "it is no difference of scores from 0")
        if not isinstance(self.block, int) or isinstance(self.block, bool) or self.block < 1:
            raise _refused("block", self.block, "it is no whole number from 1")
        if not 0 <= self.confirm < 1:
            raise _refused("confirm", self.confirm, "it is no share from 0 to below 1")
        low, high = self.bounds
        if not -math.inf < low < high < math.inf:
            raise _refused("bounds", self.bounds, "they are to be finite, the lower one first")
        object.__setattr__(self, "lower", self.lower or is_lower_better(self.metric))

    def order(self, rows: int) -> tuple[Positions, Positions]:
        """Return the rows that are raced on, in their order, and those that are held out."""
        order = np.random.default_rng(self.seed).permutation(rows)
        held_out = min(round(self.confirm * rows), rows - 1)
        return order[held_out:], order[:held_out]


@dataclass(frozen=True, slots=True)
class Drop:
    """A case that left the race.

    Attributes:
        case: Position of the case.
        rows: After how many rows.
        by: Position of the case that most of the evidence was of.
    """

    case: int
    rows: int
    by: int


class RaceState:
    """How a race stands: a function of the scores alone, whatever the order in which they came.

    Args:
        race: The race.
        cases: How many cases there are.

    Attributes:
        is_racing: For each case whether it is still in the race.
        drops: The cases that have left, in their order.
        rows: How many rows have been raced on.
    """

    def __init__(self, race: Race, cases: int) -> None:
        self._race = race
        self._evidence = PairwiseEvidence(cases, bounds=race.bounds, epsilon=race.epsilon)
        self._sums = np.zeros(cases)
        self.is_racing = np.ones(cases, dtype=bool)
        self.drops: list[Drop] = []
        self.rows = 0

    @property
    def racing(self) -> Sequence[int]:
        """Positions of the cases in the race."""
        return [int(case) for case in np.flatnonzero(self.is_racing)]

    @property
    def winner(self) -> int:
        """Position of the best case so far, of those in the race; the first of equal ones."""
        return max(self.racing, key=lambda case: float(self._sums[case]))

    def add_block(self, scores: Values) -> None:
        """Add a block of rows, and drop what has fallen behind.

        Args:
            scores: By row, case and repetition; NaN for a failed cell, which has the worst score. Of repetitions, the
                mean counts. What stands in the columns of cases that have left counts for nothing.

        Raises:
            EvaluationError: If a score lies outside the bounds.
        """
        low, high = self._race.bounds
        upright = low + high - scores if self._race.lower else scores
        upright = np.where(np.isnan(upright), low, upright).mean(axis=2)
        try:
            self._evidence.update(upright, self.is_racing)
        except ValueError as error:
            advice = f"Give Race({self._race.metric!r}, bounds=(lowest, highest))"
            raise EvaluationError(f"Cannot go on with the race by {self._race.metric!r}: {error} {advice}.") from error
        self._sums += np.where(self.is_racing, upright.sum(axis=0), 0)
        self.rows += len(scores)
        against, between = self._evidence.against(), self._evidence.between()
        behind = [case for case in self.racing if against[case] >= -math.log(self._race.delta)]
        if len(behind) == len(self.racing):  # Evidence of each against each cannot be; the least doubted stays.
            behind.remove(min(behind, key=lambda case: float(against[case])))
        np.fill_diagonal(between, -np.inf)
        for case in behind:
            self.is_racing[case] = False
            self.drops.append(Drop(case, self.rows, int(between[:, case].argmax())))


@dataclass(frozen=True, slots=True)
class RaceOutcome:
    """How a race ended.

    Attributes:
        race: The race.
        survivors: Positions of the cases that were never dropped.
        drops: Those that were.
        winner: Position of the best survivor.
        rows: How many rows were raced on.
        held_out: Numbers of the rows that were held out.
    """

    race: Race
    survivors: Sequence[int]
    drops: Sequence[Drop]
    winner: int
    rows: int
    held_out: Positions

    def fate(self, case: int, names: Sequence[str]) -> str:
        """Say what became of a case.

        Args:
            case: Its position.
            names: What to call the cases.
        """
        for drop in self.drops:
            if drop.case == case:
                return f"dropped after {counted(drop.rows, 'row')} by {names[drop.by]}"
        return "won" if case == self.winner else "survived"


def _refused(name: str, value: object, cause: str) -> EvaluationError:
    return EvaluationError(f"Cannot race with {name}={value!r:.100}: {cause}.")
