"""How far judges agree with each other, and with people."""

import math
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass

from spearmint.statistics.intervals import Estimate, wilson

Judgement = Hashable | None
"""What a judge says of a row; None where it says nothing."""

_PAIR = 2


def cohens_kappa(one: Sequence[Judgement], other: Sequence[Judgement]) -> float:
    """Return how far two judges agree beyond chance, from 1 for always to 0 for as often as chance would have it.

    From J. Cohen, "A coefficient of agreement for nominal scales", Educational and Psychological Measurement 20, 1960,
    https://doi.org/10.1177/001316446002000104.

    Args:
        one: What the one judge says of each row.
        other: What the other says of the same rows. Rows of which either says nothing are left out.

    Returns:
        Kappa; NaN where no row is left, or both say the same of all rows, so that chance would agree as well.

    Raises:
        ValueError: If the two have different lengths.
    """
    pairs = _pairs(one, other)
    if not pairs:
        return math.nan
    n = len(pairs)
    agreed = sum(a == b for a, b in pairs) / n
    first, second = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    by_chance = sum(first[mark] * second[mark] for mark in first) / n**2
    return math.nan if by_chance == 1 else (agreed - by_chance) / (1 - by_chance)


def krippendorffs_alpha(judges: Sequence[Sequence[Judgement]], *, is_interval: bool = False) -> float:
    """Return how far any number of judges agree beyond chance, rows that some of them leave out included.

    From K. Krippendorff, "Content analysis", 4th edition, 2018, chapter 12.

    Args:
        judges: For each judge what it says of each row; None where it says nothing.
        is_interval: Whether marks are numbers whose distance counts, squared; else any two marks differ by as much.

    Returns:
        Alpha, 1 for always; NaN where no row has two marks, or all marks are the same.

    Raises:
        ValueError: If judges have different numbers of rows.
    """
    if len({len(marks) for marks in judges}) > 1:
        lengths = [len(marks) for marks in judges]
        raise ValueError(f"Cannot compare judges of {lengths} rows: give a mark, or None, of each row from each.")
    distance: Callable[[Judgement, Judgement], float] = _squared if is_interval else _differs
    rows = [[mark for mark in row if mark is not None] for row in zip(*judges, strict=True)]
    rows = [row for row in rows if len(row) >= _PAIR]
    total = sum(len(row) for row in rows)
    counts = Counter(mark for row in rows for mark in row)
    by_chance = _disagreement(counts, distance)
    if by_chance == 0:
        return math.nan
    observed = sum(_disagreement(Counter(row), distance) / (len(row) - 1) for row in rows)
    return 1 - (total - 1) * observed / by_chance


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How often a judge says of passing and failing rows what people say.

    Attributes:
        sensitivity: Share of the rows that people let pass which the judge lets pass, with its 95 % interval.
        specificity: Share of the rows that people let fail which the judge lets fail.
    """

    sensitivity: Estimate
    specificity: Estimate


def accuracy(judge: Sequence[bool | None], people: Sequence[bool | None]) -> Accuracy:
    """Return how often a judge says what people say.

    Args:
        judge: Whether the judge lets each row pass.
        people: Whether people do. Rows of which either says nothing are left out.

    Returns:
        Both shares; their values are NaN where people let no row pass, or none fail.

    Raises:
        ValueError: If the two have different lengths.
    """
    pairs = _pairs(judge, people)
    passing = [bool(said) for said, truth in pairs if truth]
    failing = [not said for said, truth in pairs if not truth]
    return Accuracy(wilson(sum(passing), len(passing)), wilson(sum(failing), len(failing)))


def _pairs(one: Sequence[Judgement], other: Sequence[Judgement]) -> list[tuple[Judgement, Judgement]]:
    if len(one) != len(other):
        raise ValueError(f"Cannot compare marks of {len(one)} and {len(other)} rows: give both of the same rows.")
    return [(a, b) for a, b in zip(one, other, strict=True) if a is not None and b is not None]


def _disagreement(counts: Mapping[Judgement, int], distance: Callable[[Judgement, Judgement], float]) -> float:
    """Return the sum of the distances of all ordered pairs of marks."""
    marks = list(counts)
    return sum(counts[a] * counts[b] * distance(a, b) for a in marks for b in marks)


def _differs(one: Judgement, other: Judgement) -> float:
    return float(one != other)


def _squared(one: Judgement, other: Judgement) -> float:
    return (float(one) - float(other)) ** 2  # type: ignore[arg-type]  # The caller has said that they are numbers.
