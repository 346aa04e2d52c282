"""What is kept of a run: numbers in compact arrays, and bounded samples of errors and outputs."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spearmint.evaluation.cost import PriceList
from spearmint.evaluation.directions import COST, LATENCY, TOKENS_IN, TOKENS_OUT
from spearmint.evaluation.run.cell import CellResult, CellStatus
from spearmint.evaluation.run.stored_output import DIGEST_BYTES
from spearmint.evaluation.sharing.account import StepAccount
from spearmint.evaluation.usage import Usages
from spearmint.statistics.repeats import reducer

KEPT_OUTPUTS = 50_000
"""Cells whose outputs' beginnings are kept in memory, at most 200 characters each."""
_KEPT_ERRORS = 20  # different texts for each case

_STATUSES: tuple[CellStatus | None, ...] = (None, "success", "failed", "timed_out", "lost")
_MISSING, _SCORED, _FAILED = 0, 1, 2  # and beyond: failed in other ways
_MOST_ATTEMPTS = 255


@dataclass(frozen=True, slots=True)
class CellKey:
    """Where a cell stands: positions of its case, row and repetition."""

    case: int
    row: int
    repeat: int


class ResultTable:
    """The results of all cells: 10 bytes for each, 8 for each metric, 24 for tokens, 16 for outputs.

    Args:
        cases: How many cases there are.
        rows: How many rows.
        repeats: How many repetitions of each.
        reduce: How the repetitions of a row become one score, as `spearmint.statistics.repeats.reducer` documents.
        prices: What tokens cost.

    Attributes:
        clusters: For each row the number of the cluster that it belongs to; None where rows stand for themselves.
        is_raced: Whether how many rows a case has depends on their scores.
        seconds: How long the function took, by case, row and repetition; NaN where it has not run or failed.
        scorers: From each metric to the scorer that gave it.
        account: What the cells shared.
        store: The store that has whole outputs, by their digests; None where there is none.
        details: The columns that are no metrics, but say more of one: which place a judge of pairs leans to.
    """

    def __init__(
        self, cases: int, rows: int, repeats: int, *, reduce: str = "mean", prices: PriceList | None = None
    ) -> None:
        self._shape = cases, rows, repeats
        self._prices = prices or PriceList()
        self._measured: dict[str, NDArray[np.float64]] = {}
        self._reduce = None if reduce == "mean" else reducer(reduce, repeats)
        self.account = StepAccount()
        self.clusters: NDArray[np.int64] | None = None
        self.is_raced = False
        self.details: frozenset[str] = frozenset()
        self._status = np.zeros(self._shape, np.uint8)
        self._attempts = np.zeros(self._shape, np.uint8)
        self.seconds = np.full(self._shape, np.nan)
        self._values: dict[str, NDArray[np.float64]] = {}
        self.scorers: dict[str, str] = {}
        self._scorer_errors: dict[str, NDArray[np.int64]] = {}
        self._error_count = 0
        self._errors: list[Counter[str]] = [Counter() for _ in range(cases)]
        self._outputs: dict[tuple[int, int, int], str] = {}
        self._digests: NDArray[np.void] | None = None
        self.store: Path | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """Numbers of cases, rows and repetitions."""
        return self._shape

    @property
    def metrics(self) -> list[str]:
        """The names of all metrics, in the order of their first values; a scorer that never gave one counts as one."""
        silent = [name for name in self._scorer_errors if name not in self.scorers.values()]
        given = [name for name in self._values if name not in self.details]
        return [*given, *(name for name in silent if name not in self._values)]

    @property
    def measured(self) -> list[str]:
        """The names of what is measured of each call, latency first; of tokens and cost, those that some call told."""
        return [LATENCY, *self._measured]

    @property
    def errors(self) -> int:
        """How many errors there are, of the function and of scorers."""
        return self._error_count

    @property
    def count(self) -> int:
        """How many cells have a result."""
        return int((self._status != _MISSING).sum())

    def has(self, place: CellKey) -> bool:
        """Tell whether a cell has a result."""
        return bool(self._status[place.case, place.row, place.repeat] != _MISSING)

    def has_run(self, case: int) -> NDArray[np.bool_]:
        """Tell for each row whether a case has a result in all of its repetitions."""
        has_run: NDArray[np.bool_] = (self._status[case] != _MISSING).all(axis=1)
        return has_run

    def has_all(self, cases: Sequence[int], rows: NDArray[np.int64]) -> bool:
        """Tell whether every cell of some cases on some rows has a result."""
        return bool((self._status[np.asarray(cases)[:, None], rows] != _MISSING).all())

    def record(self, place: CellKey, result: CellResult) -> bool:
        """Keep the result of a cell, and tell whether it was its first; a second one counts for nothing."""
        index = place.case, place.row, place.repeat
        if self._status[index] != _MISSING:
            return False
        self._attempts[index] = min(result.attempt, _MOST_ATTEMPTS)
        if result.error is not None:
            self._status[index] = max(_FAILED, _STATUSES.index(result.status))
            self._sample(place.case, result.error)
            return True
        self._status[index] = _SCORED
        self.seconds[index] = result.seconds
        if result.usage is not None and result.usage.alone is not None:
            self._measure(index, result.usage.alone)
        for scorer, scores in result.scores.items():
            for metric, value in scores.items():
                self._column(metric, scorer)[index] = value
        for scorer, error in result.scorer_errors.items():
            counts = self._scorer_errors.setdefault(scorer, np.zeros(self._shape[0], np.int64))
            counts[place.case] += 1
            self._sample(place.case, f"scorer {scorer}: {error}")
        if result.output is not None and len(self._outputs) < KEPT_OUTPUTS:
            self._outputs[index] = result.output
        if (digest := result.output_digest) is not None:
            if self._digests is None:
                self._digests = np.zeros(self._shape, np.dtype((np.void, DIGEST_BYTES)))
            self._digests[index] = np.void(digest)
        return True

    def copy_case(self, source: "ResultTable", theirs: int, ours: int) -> None:
        """Take over the numbers of a case from a table of the same rows and repetitions."""
        self._status[ours] = source._status[theirs]  # noqa: SLF001 - its own class
        self._attempts[ours] = source._attempts[theirs]  # noqa: SLF001
        self.seconds[ours] = source.seconds[theirs]
        for name, measured in source._measured.items():  # noqa: SLF001
            self._measured.setdefault(name, np.full(self._shape, np.nan))[ours] = measured[theirs]
        for metric, column in source._values.items():  # noqa: SLF001
            self._column(metric, source.scorers[metric])[ours] = column[theirs]

    def values(self, case: int, metric: str) -> NDArray[np.float64]:
        """Return a metric's value for each row under a case: of its repetitions, NaN where there is none."""
        column = self._find(metric)
        if column is None:
            return np.full(self._shape[1], np.nan)
        if self._reduce is None or metric not in self._values:
            return _mean(column[case])
        return np.array([self._reduce(row[~np.isnan(row)].tolist()) for row in column[case]])

    def mean(self, case: int, metric: str) -> float:
        """Return a metric's mean over the rows under a case; NaN where there is none."""
        values = self.values(case, metric)
        known = values[~np.isnan(values)]
        return float(known.mean()) if len(known) else math.nan

    def scores(self, metric: str, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return a metric's value in every cell of some rows, by row, case and repetition; NaN where there is none."""
        column = self._find(metric)
        if column is None:
            return np.full((len(rows), self._shape[0], self._shape[2]), np.nan)
        return column[:, rows, :].swapaxes(0, 1)

    def failures(self, case: int) -> int:
        """Return how many cells of a case the function failed in."""
        return int((self._status[case] >= _FAILED).sum())

    def failed_rows(self, case: int) -> NDArray[np.bool_]:
        """Tell for each row whether the function failed on it under a case."""
        failed: NDArray[np.bool_] = (self._status[case] >= _FAILED).any(axis=1)
        return failed

    @property
    def has_nothing(self) -> bool:
        """Whether the function failed in every cell, or every score failed."""
        return not any(bool((~np.isnan(column)).any()) for column in self._values.values()) and self._error_count > 0

    def metric_errors(self, case: int, metric: str) -> int:
        """Return how many cells of a case have no value of a metric since the function or its scorer failed."""
        counts = self._scorer_errors.get(self.scorers.get(metric, metric))
        return self.failures(case) + (0 if counts is None else int(counts[case]))

    def error_samples(self, case: int) -> list[tuple[str, int]]:
        """Return the most frequent errors of a case, with their counts."""
        return self._errors[case].most_common()

    def output(self, place: CellKey) -> str | None:
        """Return the beginning of a cell's output, where it was kept."""
        return self._outputs.get((place.case, place.row, place.repeat))

    def digest(self, place: CellKey) -> bytes | None:
        """Return what a cell's output is recognised by; None where that is not known."""
        if self._digests is None:
            return None
        digest = self._digests[place.case, place.row, place.repeat].tobytes()
        return digest if any(digest) else None

    def cells(self) -> Iterator[dict[str, Any]]:
        """Yield each cell that has a result as a dict, case by case."""
        for case, row, repeat in np.argwhere(self._status != _MISSING).tolist():
            index = case, row, repeat
            cell: dict[str, Any] = {
                "case": case,
                "row": row,
                "repeat": repeat,
                "status": _STATUSES[int(self._status[index])],
            }
            cell |= {"attempt": int(self._attempts[index]), "seconds": float(self.seconds[index])}
            scores = {metric: float(column[index]) for metric, column in {**self._measured, **self._values}.items()}
            yield {**cell, **scores, "output": self._outputs.get(index)}

    def _column(self, metric: str, scorer: str) -> NDArray[np.float64]:
        column = self._values.get(metric)
        if column is None:
            column = self._values[metric] = np.full(self._shape, np.nan)
            self.scorers[metric] = scorer
        return column

    def _find(self, metric: str) -> NDArray[np.float64] | None:
        """Return the column of a metric; one that a scorer gives comes before one of the same name that is measured."""
        if metric == LATENCY:
            return self.seconds
        return self._values.get(metric, self._measured.get(metric))

    def _measure(self, index: tuple[int, int, int], usages: Usages) -> None:
        tokens = self._prices.tokens(usages)
        for metric, value in zip((TOKENS_IN, TOKENS_OUT, COST), (*tokens, self._prices.usd(usages)), strict=True):
            if math.isnan(value):
                continue
            if metric not in self._measured:
                self._measured[metric] = np.full(self._shape, np.nan)
            self._measured[metric][index] = value

    def _sample(self, case: int, text: str) -> None:
        self._error_count += 1
        seen = self._errors[case]
        if text in seen or len(seen) < _KEPT_ERRORS:
            seen[text] += 1
        else:
            seen["other errors"] += 1


def _mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean of each line without its NaNs."""
    if values.shape[1] == 1:
        return values[:, 0]
    counts = (~np.isnan(values)).sum(axis=1)
    with np.errstate(invalid="ignore"):
        return np.where(counts > 0, np.nansum(values, axis=1) / np.maximum(counts, 1), np.nan)
