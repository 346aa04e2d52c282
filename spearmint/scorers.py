"""Scorers by MLflow's convention: what they take, and what their results count as."""

import inspect
import math
import numbers
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from spearmint.errors import EvaluationError

TAKEN = ("inputs", "outputs", "expectations", "trace", "config")
_PAIR = ("inputs", "outputs", "main_outputs")
OF_CALLS = ("error", "duration")
"""Metrics of calls that are recorded without a scorer."""
_ANSWERS = {"yes": 1.0, "no": 0.0, "true": 1.0, "false": 0.0}  # what MLflow's judges say


@dataclass(frozen=True, slots=True)
class Scorer:
    """One scorer, ready to be called.

    Attributes:
        name: Its name, which is its metric's unless it returns a dict.
        function: Takes those of `TAKEN` that it wants, by keyword.
        wants: Which it wants; one that compares pairs: `_PAIR`.
        source: What its code version is read from.
    """

    name: str
    function: Callable[..., Any]
    wants: tuple[str, ...]
    source: Any

    @property
    def is_pairwise(self) -> bool:
        """Whether it compares outputs with main's on the same row."""
        return self.wants == _PAIR


def compile_scorers(scorers: Any) -> tuple[Scorer, ...]:
    """Read callables or MLflow scorers, or a mapping from names to those."""
    if isinstance(scorers, Mapping):
        named = [(str(name), scorer) for name, scorer in scorers.items()]
    elif isinstance(scorers, Iterable) and not (isinstance(scorers, str) or callable(scorers)):  # MLflow's are both.
        named = [(_name(scorer), scorer) for scorer in scorers]
    else:
        named = [(_name(scorers), scorers)]
    if not named:
        raise EvaluationError("Cannot evaluate without scorers: nothing would be compared. Give scorers=[...].")
    made = tuple(_compile(name, scorer) for name, scorer in named)
    for name in {one.name for one in made}:
        if sum(one.name == name for one in made) > 1:
            message = f"Cannot tell two scorers apart: both are called {name!r}. Give scorers={{name: scorer, ...}}."
            raise EvaluationError(message)
    return made


def compile_call_scorers(scorers: Any) -> tuple[Scorer, ...]:
    """Read scorers of real calls, of which nothing is expected, and whose traces are not there yet.

    Args:
        scorers: As for `compile_scorers`; also none.

    Raises:
        EvaluationError: If one is no scorer, or needs what there is not.
    """
    made = compile_scorers(scorers) if scorers else ()
    for one in made:
        if one.name in OF_CALLS:
            advice = "Give it another name, as in {name: scorer}"
            raise EvaluationError(f"Cannot score calls by {one.name!r}: that is recorded without a scorer. {advice}.")
        if "trace" in one.wants and not _is_mlflow(one.source) and _needs(one.function, "trace"):
            cause = "it needs 'trace', which is not written yet when a call is scored"
            raise EvaluationError(f"Cannot score calls by {one.name!r}: {cause}. Score inputs and outputs.")
        if one.is_pairwise:
            cause = "it compares with main's output for the same inputs, which a unit of another arm has none of"
            raise EvaluationError(f"Cannot score calls by {one.name!r}: {cause}. Use it in an evaluation.")
    return tuple(replace(one, wants=tuple(name for name in one.wants if name != "trace")) for one in made)


def _needs(function: Callable[..., Any], name: str) -> bool:
    found = inspect.signature(function).parameters.get(name)
    return found is not None and found.default is found.empty


def scores_of(scorer: Scorer, result: Any) -> dict[str, float]:
    """Return what a scorer's result counts as, by metric; a bool counts as 0 or 1, and None is no score."""
    if result is None:
        return {}
    if type(result) in (bool, int):
        return {scorer.name: float(result)}
    if isinstance(result, Mapping):
        return {str(name): _number(value) for name, value in result.items() if value is not None}
    if isinstance(result, list) and result and all(hasattr(one, "feedback") for one in result):
        return {one.name: _feedback(one) for one in result}
    if hasattr(result, "feedback"):
        return {scorer.name: _feedback(result)}
    return {scorer.name: _number(result)}


def _feedback(feedback: Any) -> float:
    """Return the value of MLflow's Feedback."""
    if feedback.error is not None:
        raise RuntimeError(f"{feedback.error.error_code}: {feedback.error.error_message}")
    return _number(feedback.value)


def _number(value: Any) -> float:
    text = getattr(value, "value", value)  # MLflow's CategoricalRating is an enum
    if isinstance(text, str) and text.lower() in _ANSWERS:
        return _ANSWERS[text.lower()]
    item = getattr(value, "item", None)  # a scalar of numpy or torch
    number = item() if callable(item) else value
    if not isinstance(number, numbers.Real):
        message = f"a scorer returned {value!r:.100}, a {type(value).__name__}; it is to be a number, a bool or a dict"
        raise TypeError(message)
    if not math.isfinite(number):
        raise ValueError(f"a scorer returned {number}, which no mean can hold; return None for no score")
    return float(number)


def _name(scorer: Any) -> str:
    if _is_pairwise(scorer):
        return str(scorer.name)
    function = scorer.func if isinstance(scorer, partial) else scorer
    name = getattr(function, "name", None) if _is_mlflow(function) else getattr(function, "__name__", None)
    if name == "<lambda>":
        raise EvaluationError("Cannot name a scorer that is a lambda. Give scorers={name: lambda ...}, or a function.")
    return str(name or type(function).__name__)


def _compile(name: str, scorer: Any) -> Scorer:
    if _is_pairwise(scorer):
        return Scorer(name, partial(scorer.compare, name=name), _PAIR, scorer.judge)
    if _is_mlflow(scorer):
        taken = inspect.signature(scorer.__call__).parameters
        wants = tuple(one for one in TAKEN if one in taken and one != "config")
        return Scorer(name, scorer.run, wants, _source(scorer))
    if not callable(scorer):
        raise EvaluationError(f"Cannot use {scorer!r:.100} as a scorer: it cannot be called. Give a function.")
    try:
        parameters = inspect.signature(scorer).parameters.values()
    except (TypeError, ValueError) as error:
        message = f"Cannot use {name!r} as a scorer: its parameters cannot be read. Wrap it in a function."
        raise EvaluationError(message) from error
    takes_all = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters)
    for one in parameters:
        is_needed = one.default is one.empty and one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL)
        if is_needed and (one.name not in TAKEN or one.kind is one.POSITIONAL_ONLY):
            cause = f"it needs {one.name!r}, which scorers are not given by keyword"
            raise EvaluationError(f"Cannot use {name!r} as a scorer: {cause}. They may take {', '.join(TAKEN)}.")
    named = {one.name for one in parameters}
    # A trace costs much more than all the rest, so that only a scorer that names it gets one.
    wants = tuple(one for one in TAKEN if one in named or (takes_all and one != "trace"))
    source = scorer.version_source if hasattr(type(scorer), "version_source") else scorer
    return Scorer(name, scorer, wants, source)


def _source(scorer: Any) -> Any:
    """Return what a scorer of MLflow is told apart by: a function or class of the user's, else a judge's fields."""
    function = getattr(scorer, "_original_func", None)
    if function is not None:
        return function
    kind = type(scorer)
    is_own = kind.__module__.partition(".")[0] != "mlflow"
    return scorer if is_own else [kind, {name: getattr(scorer, name) for name in kind.model_fields}]


def _is_pairwise(scorer: Any) -> bool:
    """Tell whether it compares two outputs: such a scorer says so of itself, as it stands with evaluations."""
    return getattr(scorer, "is_pairwise", False) is True


def _is_mlflow(scorer: Any) -> bool:
    base = sys.modules.get("mlflow.genai.scorers.base")  # A process that has a scorer of MLflow has imported it.
    return base is not None and isinstance(scorer, base.Scorer)
