"""One score of several repeats of a row."""

import re
from collections.abc import Callable, Sequence
from math import comb

import numpy as np

from spearmint.suggest import did_you_mean

Reducer = Callable[[Sequence[float]], float]

_NAMES = ("mean", "median", "pass_at_2", "pass_all_2")


def reducer(name: str, repeats: int) -> Reducer:
    """Return what makes one score of a row's repeats.

    ``pass_at_k`` is the best of ``k`` repeats and ``pass_all_k`` the worst, averaged over all choices of ``k`` of those
    that there are: of passes and failures, the chance that any or that all of ``k`` pass. From M. Chen et al.,
    "Evaluating large language models trained on code", 2021, https://arxiv.org/abs/2107.03374.

    Args:
        name: ``"mean"``, ``"median"``, ``"pass_at_k"`` or ``"pass_all_k"`` with a number for ``k``, such as
            ``"pass_at_2"``.
        repeats: How many repeats a row has.

    Returns:
        A function of the scores of a row's repeats, which is NaN where there are too few of them.

    Raises:
        ValueError: If there is no such reducer, or its ``k`` is not from 1 to ``repeats``.

    >>> reducer("pass_at_2", 4)([1.0, 0.0, 0.0, 0.0])
    0.5
    """
    if name == "mean":
        return lambda scores: float(np.mean(scores)) if scores else float("nan")
    if name == "median":
        return lambda scores: float(np.median(scores)) if scores else float("nan")
    matched = re.fullmatch(r"(pass_at|pass_all)_(\d+)", name)
    if matched is None:
        hint = did_you_mean(name, _NAMES)
        raise ValueError(f"Cannot reduce repeats by {name!r}: give mean, median, pass_at_k or pass_all_k.{hint}")
    size = int(matched[2])
    if not 1 <= size <= repeats:
        raise ValueError(
            f"Cannot reduce repeats by {name!r}: a row has {repeats} of them. Give a number from 1 to that."
        )
    is_best = matched[1] == "pass_at"
    return lambda scores: _best_of(sorted(scores, reverse=not is_best), size)


def _best_of(ordered: Sequence[float], size: int) -> float:
    """Return the mean over all choices of a size of the score that stands last in them."""
    n = len(ordered)
    if n < size:
        return float("nan")
    # The score at a position is last in as many choices as there are choices of the others among those before it.
    return sum(comb(before, size - 1) * score for before, score in enumerate(ordered)) / comb(n, size)
