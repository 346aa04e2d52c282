"""What an execution does to its trace as it begins and ends: the little that happens on the caller's time."""

import asyncio
import sys
import weakref
from collections.abc import Mapping
from contextlib import suppress
from contextvars import Token
from time import time_ns
from types import FunctionType
from typing import Any

from spearmint.cases.bound_config import BoundConfig
from spearmint.cases.case import ExperimentCase
from spearmint.context.current import attributes_var
from spearmint.registry.experiment import ExperimentFunction
from spearmint.registry.plain_calls import plain_calls
from spearmint.results import Outcome, Role
from spearmint.tracing import live_mode
from spearmint.tracing.equality import DEFAULT
from spearmint.tracing.exporter import exporter
from spearmint.tracing.mlflow import state as mlflow_state
from spearmint.tracing.sampling import SamplingDecision, id_source, sample
from spearmint.tracing.snapshot import snapshot
from spearmint.tracing.span import (
    UNSAMPLED,
    ComparableResult,
    Span,
    SpanStatus,
    Trace,
    Unsampled,
    exception_info,
    span_var,
)

_STATUSES: dict[str, SpanStatus] = {"success": "success", "failed": "failed", "timed_out": "timed_out"}
_NANOSECONDS = 1_000_000_000


# Stands in for `sys.modules` when tracing is on without mlflow being imported, so that a call looks at one thing only.
_FORCED = {"mlflow": None}
_calls: "weakref.WeakSet[FunctionType]" = weakref.WeakSet()


def watch(call: FunctionType) -> None:
    """Let a function that runs calls know, as ``modules`` in its globals, where to look whether tracing may be on."""
    _calls.add(call)
    call.__globals__["modules"] = _FORCED if exporter.options.enabled else sys.modules


def is_traced(experiment: ExperimentFunction) -> bool:
    """Tell whether executions of an experiment are recorded, sampling aside."""
    setting = experiment.is_traced
    if setting is None:
        setting = exporter.options.enabled
    return "mlflow" in sys.modules if setting is None else setting


def may_be_traced(experiment: ExperimentFunction) -> bool:
    """Tell whether its executions are recorded, or will be once mlflow is imported without a word to `plain_calls`."""
    setting = exporter.options.enabled if experiment.is_traced is None else experiment.is_traced
    return is_traced(experiment) or (setting is None and not plain_calls.sees_imports)


def set_options(changes: Mapping[str, Any]) -> None:
    """Set options of the process; see `spearmint.configure`.

    Raises:
        ConfigError: If a name is unknown or a value is out of range.
    """
    exporter.configure(changes)
    plain_calls.end()
    for call in tuple(_calls):
        watch(call)


def begin_span(
    experiment: ExperimentFunction, case: ExperimentCase, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Any:
    """Begin to record a direct call: within a traced execution as part of it, else as a trace of its own.

    Returns:
        What is to be current in `span_var` while it runs, and to be given to `end`.
    """
    parent = span_var.get()
    if parent is UNSAMPLED:
        return UNSAMPLED
    if parent is None or parent.trace.is_closed:
        decision = sample(experiment)
        if not isinstance(decision, SamplingDecision):
            return UNSAMPLED
        role: Role = "main" if parent is None else parent.trace.role  # Whose call has ended before it.
        return begin_root(decision, role, experiment, case, (args, kwargs))
    try:
        span = _span(parent.trace, parent, experiment, case.option, (args, kwargs))
        span.live = live_mode.open_child(span, parent)
    except Exception:  # noqa: BLE001 - whatever fails here, the call goes on
        return UNSAMPLED
    return span


def begin_root(
    decision: SamplingDecision,
    role: Role,
    experiment: ExperimentFunction,
    case: ExperimentCase,
    given: tuple[tuple[Any, ...], Mapping[str, Any]],
) -> Any:
    """Begin the trace of one execution of a call, of main or of a variant, and return what `begin_span` does."""
    exporter.start()
    outer = span_var.get()
    trace = None
    try:
        trace = Trace(
            id_source.getrandbits(128),
            decision.call_id,
            role,
            case,
            place=mlflow_state.current_destination(),
            generation=exporter.generation,
        )
        attributes = attributes_var.get()
        if attributes:
            limits = exporter.options
            trace.attributes, _ = snapshot(dict(attributes), limits.max_chars, limits.max_items)
        if decision.compares:
            trace.compare = experiment.compare or DEFAULT
        if role == "variant":
            trace.main, trace.decision = decision.main, decision
        span = _span(trace, None, experiment, case.option, given)
        mode = exporter.options.mode
        if trace.main is not None and live_mode.is_live(trace.main.spans[0]):
            mode = "live"  # The user's spans nest in a variant as they do in main, whose span has ended by now.
        span.live = live_mode.open_root(span, mode, is_alone=role == "variant" or outer is not None)
        if case.log.is_captured and role == "main" and case.parent is None:
            case.log.trace_id = trace.trace_id
        if role == "main":
            decision.take_main(trace)
    except Exception:  # noqa: BLE001 - whatever fails here, the call goes on
        if role == "main":
            decision.do_without_main()
            if trace is not None:
                exporter.lose(trace)
        return UNSAMPLED
    return span


def _span(trace: Trace, parent: Span | None, experiment: ExperimentFunction, option: BoundConfig, given: Any) -> Span:
    limits = exporter.options
    inputs, _ = snapshot(given, limits.max_chars, limits.max_items)
    span = Span(trace, experiment, option, id_source.getrandbits(64), parent, time_ns(), inputs)
    trace.spans.append(span)
    return span


def trace_id_of(span: Any) -> str | None:
    """Return the id of the trace that a span is part of."""
    return None if span is UNSAMPLED else span.trace.trace_id


Entered = tuple[Token[Any], Any, Any]


def enter(span: Any) -> Entered:
    """Make a span the one that is running, for MLflow too where it is open there; return what `leave` needs."""
    live = span.live
    return span_var.set(span), live, None if live is None else live.attach()


def leave(entered: Entered) -> None:
    """Undo `enter`."""
    token, live, attached = entered
    if live is not None:
        live.detach(attached)
    with suppress(ValueError, RuntimeError):  # Ended by the collector in another context; or left already.
        span_var.reset(token)


def collect(span: Any, item: Any) -> None:
    """Record one more item of a stream."""
    if span is UNSAMPLED:
        return
    limits = exporter.options
    if span.items is None:
        span.items = []
    if len(span.items) >= limits.max_items:
        span.more += 1
    else:
        span.items.append(snapshot(item, limits.max_chars // limits.max_items + 1, limits.max_items)[0])


def end(span: Any, value: Any = None, error: BaseException | None = None) -> None:
    """Record how an execution ended that returned a value, or raised."""
    if span is UNSAMPLED:
        return
    status: SpanStatus = "success"
    if error is not None:
        status = "failed" if isinstance(error, Exception) else _status_of_interruption(error)
    _close(span, status, value, error, 0)


def end_main(decision: SamplingDecision | Unsampled | None, error: BaseException) -> None:
    """Record that main of a call has ended by an exception, unless its end is known: a signal handler has raised."""
    if not isinstance(decision, SamplingDecision):
        return
    if decision.main is not None:
        end(decision.main.spans[0], None, error)
    decision.do_without_main()  # Also if it was interrupted before it had taken all variants along.


def end_with(span: Any, outcome: Outcome, status: SpanStatus | None = None) -> None:
    """Record how an execution ended whose outcome is known; ``status`` where that says more."""
    if span is None or span is UNSAMPLED:
        return
    _close(
        span,
        status or _STATUSES.get(outcome.status, "cancelled"),
        outcome.value,
        outcome.exception,
        int(outcome.duration * _NANOSECONDS),
    )


def _status_of_interruption(error: BaseException) -> SpanStatus:
    return "cancelled" if isinstance(error, asyncio.CancelledError | GeneratorExit) else "failed"


def _close(span: Span, status: SpanStatus, value: Any, error: BaseException | None, nanoseconds: int) -> None:
    try:
        try:
            _record_end(span, status, value, error, nanoseconds)
        except BaseException as interruption:  # Of a signal handler: what was done so far can be done again.
            _record_end(span, status, value, error, nanoseconds)
            if not isinstance(interruption, Exception):
                raise
    except Exception:  # noqa: BLE001 - whatever fails here, the call goes on
        exporter.lose(span.trace)


def _record_end(span: Span, status: SpanStatus, value: Any, error: BaseException | None, nanoseconds: int) -> None:
    if span.is_closed or (span.trace.is_closed and span.parent is not None):
        return
    span.ended = span.ended or (span.started + nanoseconds if nanoseconds else time_ns())
    span.status = status
    limits = exporter.options
    span.output, is_complete = snapshot(value, limits.max_chars, limits.max_items)
    if error is not None:
        span.failure = exception_info(error)
    if span.live is not None:
        live_mode.close(span, limits)
    if span.parent is None:
        _submit(span, value, is_complete=is_complete)
    span.is_closed = True


def _submit(root: Span, value: Any, *, is_complete: bool) -> None:
    trace = root.trace
    for span in trace.spans:
        if not span.ended:
            span.ended = root.ended
    # What is not copied may be large, and is kept for comparing only while few wait.
    # A stream that was cut short is compared with nothing.
    is_whole = root.status in ("success", "failed") or not root.is_stream
    if trace.compare is not None and is_whole and (is_complete or exporter.is_keeping_up):
        trace.answer = ComparableResult(root.output if is_complete else value, root.failure)
    trace.is_closed = True
    if trace.role == "variant" and _waits_for_main(trace):
        return
    main = trace.main
    if main is None:
        if not live_mode.is_user_trace(root):
            exporter.put(trace)
        for one in tuple(trace.waiting):  # What comes later finds main closed.
            exporter.put(one)
        trace.waiting.clear()
        return
    if not main.is_closed:
        main.waiting.append(trace)
    if main.is_closed:  # It may have ended just now, and have taken it along.
        exporter.put(trace)


def _waits_for_main(variant: Trace) -> bool:
    """Tell whether main of its call has yet to begin, on a thread that the variant's has overtaken."""
    decision = variant.decision
    if variant.main is None:
        decision.early.append(variant)
        variant.main = decision.main  # It may have begun just now.
    return variant.main is None and decision.has_main
