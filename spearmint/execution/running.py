"""The one place where a case and a span become current, and cease to be."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import Token
from time import perf_counter
from typing import Any

from spearmint.cases.case import ExperimentCase
from spearmint.context.current import experiment_case_var
from spearmint.execution.call_metrics import call_meter
from spearmint.frames import hide_frames
from spearmint.results import Outcome, outcome_of
from spearmint.tracing.recorder import Entered, enter, leave
from spearmint.tracing.span import span_var


def restore(token: Token[ExperimentCase | None] | None, outer: ExperimentCase | None) -> None:
    """Make the case current that was so before; without a token, setting the other one was interrupted."""
    if token is None:  # So that nothing has been awaited, and the context is the same still.
        experiment_case_var.set(outer)
        return
    with suppress(ValueError, RuntimeError):  # Ended by the collector in another context; or restored already.
        experiment_case_var.reset(token)


class _Current:
    """The case and the span that are current before an execution, and how to make them so again.

    A signal handler may raise between any two bytecodes, also inside `enter` and `restore`. So what was current is
    read before anything is set, and the caller restores twice: in a `finally`, and once more should that be
    interrupted. This is no context manager, since an ``__exit__`` that is interrupted as it begins restores nothing.
    """

    __slots__ = ("_case", "_case_token", "_entered", "_is_restored", "_span")

    def __init__(self) -> None:
        self._case = experiment_case_var.get()
        self._span = span_var.get()
        self._case_token: Token[ExperimentCase | None] | None = None
        self._entered: Entered | None = None
        self._is_restored = False

    def enter(self, case: ExperimentCase, span: Any) -> None:
        if span is not None:
            self._entered = enter(span)
        self._case_token = experiment_case_var.set(case)

    def restore(self) -> None:
        if self._is_restored:
            return
        restore(self._case_token, self._case)
        if self._entered is not None:
            leave(self._entered)
        elif span_var.get() is not self._span and self._case_token is None:
            span_var.set(self._span)
        self._is_restored = True


def run(
    case: ExperimentCase, span: Any, function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Any:
    """Call a function, or a step of a stream, in a case; its span is None where it is not traced."""
    current = _Current()
    try:
        try:
            current.enter(case, span)
            return function(*args, **kwargs)
        finally:
            current.restore()
    except BaseException:
        current.restore()
        raise


async def arun(
    case: ExperimentCase, span: Any, function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Any:
    """Do for an async function what `run` does for a function."""
    current = _Current()
    try:
        try:
            current.enter(case, span)
            return await function(*args, **kwargs)
        finally:
            current.restore()
    except BaseException:
        current.restore()
        raise


def run_to_outcome(
    case: ExperimentCase,
    span: Any,
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    *,
    own_frames: int = 2,
    is_counted: bool = True,
) -> Outcome:
    """Do as `run`; what the function raises is part of the outcome, without ``own_frames`` of its traceback."""
    started = perf_counter()
    try:
        value = run(case, span, function, args, kwargs)
    except BaseException as error:  # noqa: BLE001 - an outcome is data until one place raises it
        outcome = outcome_of(error, perf_counter() - started, own_frames=own_frames)
    else:
        outcome = Outcome("success", value, None, perf_counter() - started)
    if call_meter.is_on and is_counted:
        call_meter.record(case, outcome.duration, outcome.status)
    return outcome


async def arun_to_outcome(
    case: ExperimentCase,
    span: Any,
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    *,
    own_frames: int = 2,
    is_counted: bool = True,
) -> Outcome:
    """Do for an async function what `run_to_outcome` does for a function."""
    started = perf_counter()
    try:
        value = await arun(case, span, function, args, kwargs)
    except BaseException as error:  # noqa: BLE001 - as above
        outcome = outcome_of(error, perf_counter() - started, own_frames=own_frames)
    else:
        outcome = Outcome("success", value, None, perf_counter() - started)
    if call_meter.is_on and is_counted:
        call_meter.record(case, outcome.duration, outcome.status)
    return outcome


hide_frames(globals())
