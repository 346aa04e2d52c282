"""Judges that compare two outputs, and what their verdicts come to."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from spearmint.errors import EvaluationError
from spearmint.render import counted
from spearmint.statistics.sign_test import TIE, sign_test
from spearmint.tracing.equality import as_bool, equal

PairVerdict = Literal["first", "second", "tie"]
_LEANING: Mapping[Any, int] = {"first": 1, "tie": 0, "second": -1}


@dataclass(frozen=True, slots=True)
class Pairwise:
    """A scorer that asks a judge whether a config's output is better than main's on the same row.

    The judge sees each pair twice, in both orders, since judges tend to prefer a place, whatever stands there: L. Zheng
    and others, "Judging LLM-as-a-judge with MT-Bench and Chatbot Arena", 2023, https://arxiv.org/abs/2306.05685. Where
    its two verdicts are not for the same output, the pair is a tie. So are equal outputs, which it does not see.

    A win scores 1, a tie 0.5 and a loss 0, so that the mean is a win rate, and main's is 0.5. Differences from main are
    tested by the exact sign test.

    Args:
        judge: Takes the row's inputs and two outputs, and says which is better: ``"first"``, ``"second"`` or ``"tie"``.
            It may be a coroutine function.
        name: The name of the metric.

    Raises:
        EvaluationError: If the judge cannot be called with three arguments, or the name is none.

    >>> def prefers_shorter(inputs, first, second):
    ...     return "first" if len(first) < len(second) else "second"
    >>> Pairwise(prefers_shorter).compare({}, "yes", "certainly")
    {'win_rate': 1.0, 'win_rate.position': 0.0}
    """

    is_pairwise: ClassVar[bool] = True

    judge: Callable[[Any, Any, Any], Any]
    name: str = "win_rate"

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise EvaluationError(f"Cannot name a judge {self.name!r:.100}: it is no name of a metric.")
        advice = 'Give a function of inputs, first and second that returns "first", "second" or "tie"'
        if not callable(self.judge):
            raise EvaluationError(f"Cannot use {self.judge!r:.100} as a judge: it cannot be called. {advice}.")
        try:
            inspect.signature(self.judge).bind(None, None, None)
        except (TypeError, ValueError) as error:
            name = getattr(self.judge, "__name__", repr(self.judge))
            raise EvaluationError(f"Cannot use {name:.100} as a judge: {error}. {advice}.") from error

    def compare(self, inputs: Any, outputs: Any, main_outputs: Any, name: str | None = None) -> Any:
        """Compare an output with main's.

        Args:
            inputs: The row's inputs.
            outputs: The output.
            main_outputs: Main's output on the same row.
            name: The name of the metric; None for the scorer's own.

        Returns:
            The score, and, under ``"<name>.position"``, which place the judge leans to: 1 for the first in both orders,
            -1 for the second, 0 where its verdicts agree; only the score for equal outputs. Of a judge that is a
            coroutine function, a coroutine that returns it.

        Raises:
            ValueError: If the judge says anything else than it may.
        """
        metric = name or self.name
        if _is_equal(outputs, main_outputs):
            return {metric: TIE}
        verdict = self.judge(inputs, outputs, main_outputs)
        if inspect.isawaitable(verdict):
            return self._compare_later(verdict, inputs, outputs, main_outputs, metric)
        return _scores(metric, verdict, self.judge(inputs, main_outputs, outputs))

    async def _compare_later(self, verdict: Any, inputs: Any, outputs: Any, main_outputs: Any, metric: str) -> Any:
        return _scores(metric, await verdict, await self.judge(inputs, main_outputs, outputs))


def position_column(name: str) -> str:
    """Return where it stands which place the judge of a metric leans to."""
    return f"{name}.position"


def position_sentence(name: str, positions: NDArray[np.float64]) -> str:
    """Say how often a judge contradicted itself, and whether it prefers a place; empty if it did not.

    Args:
        name: The metric.
        positions: For each pair that it has judged, the place that it leans to.
    """
    known = positions[~np.isnan(positions)]
    first, second = int((known > 0).sum()), int((known < 0).sum())
    if not first + second:
        return ""
    pairs = counted(len(known), "pair")
    p_value = sign_test(first, second, len(known)).p_value
    told = f"The judge of {name} contradicted itself in {first + second} of {pairs}, which count as ties"
    leans = f"it leaned to the first place in {first}, to the second in {second}"
    return f"{told}: {leans} (p = {p_value:.2g} if it prefers no place)."


def _scores(metric: str, ours_first: Any, ours_second: Any) -> dict[str, float]:
    """Return what the verdicts with our output in the first place, and in the second, come to."""
    one, other = _leaning(ours_first), _leaning(ours_second)
    score = TIE if one != -other else TIE + one / 2
    return {metric: score, position_column(metric): (one + other) / 2}


def _leaning(verdict: Any) -> int:
    if not isinstance(verdict, str) or verdict not in _LEANING:
        message = f"a judge said {verdict!r:.100}; it is to say 'first', 'second' or 'tie'"
        raise ValueError(message)
    return _LEANING[verdict]


def _is_equal(ours: Any, main: Any) -> bool:
    try:
        return as_bool(equal(ours, main))
    except Exception:  # noqa: BLE001 - values of users' classes may refuse in any way: then the judge tells
        return False
