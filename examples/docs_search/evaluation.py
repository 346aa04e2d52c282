"""How well a case did: how high it ranked the right answers, and how long it took."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Score:
    """What one case did on a list of queries.

    Attributes:
        name: A short name for it.
        settings: The configs of all its steps, by path.
        ranks: For each query the rank of the right answer, counted from 1; None if it was not found, or on an error.
        seconds: How long each query without an error took.
        errors: What went wrong, for each query that failed.
    """

    name: str
    settings: Mapping[str, Any]
    ranks: list[int | None] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def hit(self, depth: int) -> float:
        """Return the share of queries whose answer is among the first ``depth``."""
        return _mean([rank is not None and rank <= depth for rank in self.ranks])

    @property
    def mrr(self) -> float:
        """The mean reciprocal rank; an answer that was not found counts 0."""
        return _mean([1 / rank if rank else 0.0 for rank in self.ranks])

    def latency(self, share: float) -> float:
        """Return the milliseconds within which this share of the queries was done; NaN if none was."""
        if not self.seconds:
            return math.nan
        nearest = max(1, math.ceil(share * len(self.seconds)))
        return sorted(self.seconds)[nearest - 1] * 1000


def rank_of(answer: str, ranking: list[str]) -> int | None:
    """Return the rank of the answer, counted from 1, or None."""
    return ranking.index(answer) + 1 if answer in ranking else None


def wins(one: Score, other: Score) -> int:
    """Count the queries for which one ranked the answer higher than the other did."""
    pairs = zip(one.ranks, other.ranks, strict=True)
    return sum((a or math.inf) < (b or math.inf) for a, b in pairs)


def _mean(values: list[float] | list[bool]) -> float:
    return sum(values) / len(values) if values else 0.0
