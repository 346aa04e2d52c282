"""Rows of an evaluation from production: what callers passed, what main returned, what people said of it."""

import importlib
import math
import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from spearmint.errors import EvaluationError, SpearmintError
from spearmint.redaction import redactor
from spearmint.render import counted
from spearmint.warn import warn

TRACES = "traces:"
_SPECIAL = ("errors", "differing", "slow")
_SHARE = 4  # One part in so many of a sample is of each special kind, where there are as many.
_SLOW = 0.95  # The quantile of the durations from which on a call is slow.
_MOST_CALLS = 10_000
_NAMED = 5
_LONGEST = 500
_WAYS = {"cut": "cut (max_chars and max_items bound what is kept)", "text": "there as text only"}


def stratified_sample(executions: Sequence[Any], differing: set[str], size: int, seed: int) -> list[Any]:
    """Choose executions by chance, the rare kinds among them.

    Up to a quarter each are calls that failed, calls whose variants' results differ from main's, and the slowest 5 %,
    each call in the first of these that it belongs to; the rest are drawn from all others. So a mean over them is not
    a mean over what was recorded.

    Args:
        executions: `spearmint.tracing.mlflow.search.TracedExecution` objects.
        differing: The ids of the calls whose results differ.
        size: How many to choose, if there are as many.
        seed: Of the same executions, equal seeds choose the same.

    Returns:
        The chosen ones, in their order.
    """
    chance = random.Random(seed)  # noqa: S311 - no secret
    durations = sorted(one.seconds for one in executions)
    slow = durations[math.ceil(_SLOW * len(durations)) - 1] if durations else math.inf
    kinds = defaultdict(list)
    # By what they are, not by the order in which a store tells them.
    for one in sorted(executions, key=lambda one: (one.began_ms, one.trace_id)):
        is_kind = (one.is_error, one.call_id in differing, one.seconds >= slow and durations[0] < slow)
        kinds[next((kind for kind, holds in zip(_SPECIAL, is_kind, strict=True) if holds), "usual")].append(one)
    chosen: list[Any] = []
    for kind in _SPECIAL:
        chosen += chance.sample(kinds[kind], min(len(kinds[kind]), size // _SHARE))
    taken = {one.trace_id for one in chosen}
    others = [one for some in kinds.values() for one in some if one.trace_id not in taken]
    usual = chance.sample(kinds["usual"], min(len(kinds["usual"]), size - len(chosen)))
    taken |= {one.trace_id for one in usual}
    left = [one for one in others if one.trace_id not in taken]
    taken |= {one.trace_id for one in chance.sample(left, min(len(left), size - len(taken)))}
    return [one for one in executions if one.trace_id in taken]


def rows_of(reader: Any, executions: Sequence[Any]) -> tuple[list[dict[str, Any]], Counter[str]]:
    """Return a row for each call: its inputs, main's output as ``expected``, feedback as expectations of its name.

    Args:
        reader: A `spearmint.tracing.mlflow.search.TraceReader`.
        executions: Executions of one experiment under main, as the reader finds them.

    Returns:
        The rows, and how many calls are left out, by reason.

    Raises:
        EvaluationError: If a value is masked, or the executions are of several experiments.
    """
    experiments = sorted({one.experiment for one in executions})
    if len(experiments) > 1:
        message = f"Cannot make rows of calls of several experiments: {', '.join(experiments)}. Name one."
        raise EvaluationError(message)
    rows: list[dict[str, Any]] = []
    left_out: Counter[str] = Counter()
    masked: Counter[str] = Counter()
    for execution in executions:
        call = reader.call(execution)
        if call is None:
            left_out["their spans are gone"] += 1
            continue
        lost = {f"input {name!r}": way for name, way in call.lost_inputs.items()}
        if call.has_output and call.lost_output:
            lost["the output"] = call.lost_output
        lost |= {f"feedback {name!r}": "masked" for name in _secret(call.expectations)}
        if "masked" in lost.values():
            masked.update(name for name, way in lost.items() if way == "masked")
        elif lost:
            left_out.update(f"{name} is {_WAYS[way]}" for name, way in list(lost.items())[:1])
        else:
            rows.append(_row(call))
    if masked:
        found = ", ".join(f"{name} ({counted(count, 'call')})" for name, count in masked.most_common(_NAMED))
        raise EvaluationError(
            f"Cannot make rows of traces that are masked: {found}. A masked value is not what the function was given. "
            "Choose other calls, or write such rows by hand."
        )
    return rows, left_out


def read_rows(where: str, experiment: str) -> list[dict[str, Any]]:
    """Return the rows of an experiment's calls that MLflow has recorded under main, the earliest first.

    Args:
        where: A filter as `mlflow.search_traces` takes it; empty for all.
        experiment: ``"module:qualified.name"``.

    Raises:
        EvaluationError: If there are none, or `rows_of` raises it.
        LookupError: If there is no store of MLflow's to read.
    """
    reading: Any = importlib.import_module("spearmint.tracing.mlflow.search")
    condition = f"tags.`spearmint.experiment` = '{experiment}' AND tags.`spearmint.role` = 'main'"
    try:
        reader = reading.TraceReader(None, ())
        found = list(_first(reader.find(where=f"{condition} AND {where}" if where else condition)))
        rows, left_out = rows_of(reader, found[::-1])
    except SpearmintError:
        raise
    except Exception as error:  # such as a filter that MLflow cannot read
        text = redactor().excerpt(str(error), _LONGEST)
        raise EvaluationError(f"Cannot read rows from {TRACES + where!r}: {text}") from error
    told = "; ".join(f"left out, {counted(count, 'call')}: {reason}" for reason, count in left_out.items())
    if not rows:
        raise EvaluationError(f"Cannot read rows from {TRACES + where!r}: no call of {experiment} is there. {told}")
    if told:
        warn(f"Of the calls of {experiment} in MLflow, {told}.")
    return rows


def _first(executions: Iterator[Any]) -> Iterator[Any]:
    for count, one in enumerate(executions):
        if count == _MOST_CALLS:
            message = f"Cannot read rows from more than {_MOST_CALLS:,} traces. Give a narrower filter."
            raise EvaluationError(message)
        yield one


def _secret(values: Mapping[str, Any]) -> list[str]:
    hide = redactor()
    return [name for name, value in values.items() if hide.redact({name: value}) != {name: value}]


def _row(call: Any) -> dict[str, Any]:
    expectations = {"expected": call.output} if call.has_output else {}
    return {
        "inputs": dict(call.inputs),
        "expectations": {**expectations, **call.expectations},
        "trace_id": call.trace_id,
    }
