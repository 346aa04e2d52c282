"""What is measured of a unit: the sum of its outcomes, a mean over its calls, or one sum over another."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from spearmint.errors import EvaluationError
from spearmint.suggest import did_you_mean

MetricKind = Literal["sum", "mean", "ratio"]
MOST_METRICS = 50
WORSE_IF_HIGHER = ("error", "duration")
"""Metrics of calls that are recorded without a line, of which less is better."""


@dataclass(frozen=True, slots=True)
class OnlineMetric:
    """What is measured of a unit.

    Attributes:
        name: As it was asked for.
        kind: ``"sum"`` of its outcomes, 0 without any; ``"mean"`` over its calls; ``"ratio"`` of two sums.
        outcome: Name of the outcomes.
        per: Name of the outcomes that a ratio divides by; empty where there is none.
    """

    name: str
    kind: MetricKind
    outcome: str
    per: str = ""


def metrics_of(asked: Sequence[str] | None, recorded: dict[str, bool]) -> list[OnlineMetric]:
    """Return the metrics of a report.

    Args:
        asked: Their names, such as ``"purchase"`` or ``"clicks/views"``; None for all outcomes.
        recorded: From the names of the outcomes in the journal to whether they are means over calls.

    Raises:
        EvaluationError: If the journal holds no outcome of that name, or too many names to choose from.
    """
    if asked is None:
        if len(recorded) > MOST_METRICS:
            cause = f"the journal holds outcomes of {len(recorded)} names"
            raise EvaluationError(f"Cannot report on all metrics: {cause}. Name those to report on in metrics=.")
        return [_plain(name, recorded) for name in sorted(recorded, key=lambda name: (recorded[name], name))]
    found = [_metric(name, recorded) for name in dict.fromkeys(asked)]
    if not found:
        raise EvaluationError("Cannot report on metrics []: there is none. Name one, or leave metrics= out for all.")
    return found


def _plain(name: str, recorded: dict[str, bool]) -> OnlineMetric:
    return OnlineMetric(name, "mean" if recorded[name] else "sum", name)


def _metric(name: str, recorded: dict[str, bool]) -> OnlineMetric:
    if name in recorded:
        return _plain(name, recorded)
    numerator, slash, denominator = (part.strip() for part in name.partition("/"))
    parts = [numerator, denominator] if slash else [name]
    for part in parts:
        if part not in recorded:
            there = f"there are {', '.join(sorted(recorded))}" if recorded else "the journal holds no outcome"
            hint = did_you_mean(part, list(recorded))
            raise EvaluationError(f"Cannot report on {name!r}: no unit has an outcome {part!r}; {there}.{hint}")
    return OnlineMetric(name, "ratio", numerator, denominator)


def check_options(alpha: float, horizon: float, test: str, covariate: str | None) -> None:
    """Refuse options of a report that are out of range.

    Raises:
        EvaluationError: If one is.
    """
    if not (isinstance(alpha, int | float) and 0 < alpha < 0.5):  # noqa: PLR2004 - beyond, errors are the rule
        raise EvaluationError(f"Cannot report with alpha {alpha!r}: give a number between 0 and 0.5, such as 0.05.")
    if not (isinstance(horizon, int | float) and 0 < horizon < math.inf):
        cause = "it is no number of units. Give about as many as the verdict is expected at, such as 5000"
        raise EvaluationError(f"Cannot report with horizon {horizon!r}: {cause}.")
    for name, value, known in (("test", test, ["sequential", "fixed"]), ("covariate", covariate, ["before", None])):
        if value not in known:
            texts = [repr(one) for one in known]
            hint = did_you_mean(str(value), [one for one in known if one])
            raise EvaluationError(f"Cannot report with {name} {value!r}: give {' or '.join(texts)}.{hint}")
