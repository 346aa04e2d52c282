"""How many calls of steps and scorers an evaluation made, and how many it was spared."""

import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

_SHOWN = 5  # reasons that are told


@dataclass(slots=True)
class StepAccount:
    """Counts of what was shared.

    Attributes:
        calls: Calls of steps that all cells would have made alone.
        reused: Those of them that were not made, since another cell had made them.
        scores: Calls of scorers that all cells would have made alone.
        reused_scores: Those of them that were not made.
        saved_seconds: How much longer the cells would have taken alone, one after another.
        unshared: Calls of steps whose results could not be shared, by a sentence that says why.
    """

    calls: int = 0
    reused: int = 0
    scores: int = 0
    reused_scores: int = 0
    saved_seconds: float = 0.0
    unshared: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def __reduce__(self) -> tuple[type["StepAccount"], tuple[Any, ...]]:
        counts = self.calls, self.reused, self.scores, self.reused_scores
        return StepAccount, (*counts, self.saved_seconds, self.unshared)

    def count(self, calls: int, *, reused: int = 0) -> None:
        """Count calls of steps."""
        with self._lock:
            self.calls += calls
            self.reused += reused

    def count_saved(self, seconds: float) -> None:
        """Count seconds that a cell was spared."""
        with self._lock:
            self.saved_seconds += seconds

    def count_score(self, *, is_reused: bool) -> None:
        """Count a call of a scorer."""
        with self._lock:
            self.scores += 1
            self.reused_scores += is_reused

    def count_unshared(self, name: str, reason: str) -> None:
        """Count a call of a step whose result could not be shared."""
        with self._lock:
            self.unshared[f"{name} was not shared: {reason}"] += 1

    def add(self, other: "StepAccount") -> None:
        """Add what another part of the evaluation has counted."""
        with self._lock:
            self.calls += other.calls
            self.reused += other.reused
            self.scores += other.scores
            self.reused_scores += other.reused_scores
            self.saved_seconds += other.saved_seconds
            self.unshared.update(other.unshared)

    def sentences(self) -> Iterator[str]:
        """Say what was shared, and what could not be."""
        parts = []
        if self.calls:
            parts.append(f"reused {self.reused:,} of {self.calls:,} step calls")
        if self.reused_scores:
            parts.append(f"reused {self.reused_scores:,} of {self.scores:,} scores")
        if parts:
            yield f"{', '.join(parts)}."
        for text, count in self.unshared.most_common(_SHOWN):
            yield f"{text} ({count:,} {'call' if count == 1 else 'calls'})."
        if len(self.unshared) > _SHOWN:
            yield f"{len(self.unshared) - _SHOWN} more reasons why steps were not shared."

    def __str__(self) -> str:
        return " ".join(self.sentences())
