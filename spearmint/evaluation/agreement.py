"""How far judges agree with people, and with each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spearmint.errors import EvaluationError
from spearmint.render import counted
from spearmint.statistics.agreement import Accuracy, accuracy, cohens_kappa, krippendorffs_alpha


@dataclass(frozen=True, slots=True)
class JudgeAgreement:
    """How far one judge agrees with people.

    Attributes:
        kappa: Cohen's kappa: 1 for always, 0 for as often as by chance; NaN where it cannot be told.
        accuracy: Sensitivity and specificity with their 95 % intervals; None where marks do not only pass and fail.
    """

    kappa: float
    accuracy: Accuracy | None


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far judges agree.

    Attributes:
        judges: From each judge's name to how far it agrees with people.
        alpha: Krippendorff's alpha of the judges among themselves; NaN for one judge.
    """

    judges: Mapping[str, JudgeAgreement]
    alpha: float


def agreement(judges: Mapping[str, Sequence[Any]], humans: Sequence[Any]) -> Agreement:
    """Tell how far judges agree with people, before they are trusted as scorers.

    Args:
        judges: From each judge's name to its marks, one per row; None where it gave none. They are names or truth
            values.
        humans: What people say of the same rows.

    Returns:
        The agreement.

    Raises:
        EvaluationError: If there is no judge, or one has another number of rows than people have.

    >>> found = agreement({"strict": [True, False, False, True]}, [True, False, True, True])
    >>> found.judges["strict"].kappa
    0.5
    """
    if not judges:
        raise EvaluationError("Cannot tell the agreement of no judges: give their marks by name.")
    for name, marks in judges.items():
        if len(marks) != len(humans):
            counts = f"it has marks of {counted(len(marks), 'row')}, and people of {len(humans)}"
            raise EvaluationError(f"Cannot compare judge {name!r} with people: {counts}. Give None for a missing mark.")
    told = {
        name: JudgeAgreement(cohens_kappa(marks, humans), accuracy(marks, humans) if _pass(marks, humans) else None)
        for name, marks in judges.items()
    }
    return Agreement(told, krippendorffs_alpha(list(judges.values())))


def _pass(*all_marks: Sequence[Any]) -> bool:
    return all(mark is None or isinstance(mark, bool) for marks in all_marks for mark in marks)
