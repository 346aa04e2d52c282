"""MLflow spans that are open while an execution runs, so that those of autologging and of the user nest in them.

A trace that begins with a span of ours is taken out of MLflow's hands when it ends, and goes the way of all others:
MLflow's queues, which lose without a count and hold up the exit, never see it. Where a span of the user's was open, the
trace is the user's, and MLflow delivers it.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any

from mlflow.entities import SpanStatus, SpanStatusCode, Trace
from mlflow.tracing import provider
from mlflow.tracing.fluent import get_current_active_span, start_span_no_context
from mlflow.tracing.trace_manager import InMemoryTraceManager
from opentelemetry.sdk.trace import Event, ReadableSpan, SpanProcessor
from opentelemetry.trace import INVALID_SPAN, set_span_in_context

from spearmint.tracing.attributes import Description, display_name
from spearmint.tracing.span import Span

# MLflow types these only in part.
_provider: Any = provider
_manager: Any = InMemoryTraceManager

# OpenTelemetry's ids of the traces under way that are ours.
_ours: set[int] = set()


class LiveSpan:
    """One open MLflow span.

    Args:
        span: What is recorded of the execution; it gets MLflow's ids.
        is_alone: Whether it begins a trace of its own, also where an MLflow span is open, as a variant's does.

    Attributes:
        is_ours: Whether the trace begins with a span of ours.

    Raises:
        Exception: If MLflow opens none, as where its tracing is disabled.
    """

    __slots__ = ("_span", "is_ours")

    def __init__(self, span: Span, *, is_alone: bool) -> None:
        outer = None if is_alone else get_current_active_span()
        hidden = DetachedContext()
        token = hidden.attach() if outer is None else None
        try:
            self._span: Any = start_span_no_context(_name(span), parent_span=outer, start_time_ns=span.started)
        finally:
            if token is not None:
                hidden.detach(token)
        otel: Any = self._span._span  # noqa: SLF001 - MLflow has no other way to the ids that a trace is found by
        if otel is None or not otel.is_recording():
            message = "MLflow opened no span"
            raise RuntimeError(message)
        context = otel.get_span_context()
        span.number = context.span_id
        span.trace.number = context.trace_id
        self.is_ours = outer is None or context.trace_id in _ours
        if outer is None and not _intercept_export(context.trace_id):
            self.is_ours = False

    def attach(self) -> Any:
        """Make it the open span of the code that runs now; return what `detach` needs."""
        return provider.set_span_in_context(self._span)

    def detach(self, token: Any) -> None:
        """Undo `attach`."""
        with suppress(Exception):  # The collector may end a suspended call in another context.
            provider.detach_span_from_context(token)

    def mark(self, marks: dict[str, str]) -> None:
        """Let the user's trace be found by what the first experiment in it is."""
        with _manager.get_instance().get_trace(self._span.trace_id) as trace:
            if trace is None:
                return
            first = trace.info.tags.get("spearmint.call_id", marks["spearmint.call_id"])
            if first == marks["spearmint.call_id"]:
                trace.info.tags.update(marks)
                trace.info.trace_metadata.update(marks)

    def end(self, span: Span) -> None:
        """Close a span of a trace of ours; what it says is filled in by the worker."""
        self._span.end(end_time_ns=span.ended)

    def end_with(self, span: Span, described: Description, attributes: dict[str, Any]) -> None:
        """Close a span in a trace of the user's, with all that it says."""
        self._span.set_attributes(attributes)
        if described.failure is not None:
            self._span._span._add_event(Event("exception", described.failure, span.ended))  # noqa: SLF001 - as add_event
        if described.is_error:
            self._span.set_status(SpanStatus(SpanStatusCode.ERROR, described.problem))
        self._span.end(end_time_ns=span.ended)

    def take(self) -> Trace | None:
        """Take the trace, whose root this is, out of MLflow's hands."""
        number = self._span._span.get_span_context().trace_id  # noqa: SLF001 - as above
        taken = _manager.get_instance().pop_trace(number)
        _ours.discard(number)
        return None if taken is None else taken.trace


def forget(span: Span, error: BaseException) -> None:
    """Take a trace whose opening was interrupted out of MLflow's hands: nothing else ends the span it begins with.

    MLflow has not told its id. It is found by its first span; where that is not in it yet, by what the error came
    through. Where MLflow has caught an error there, the empty trace is MLflow's, which keeps it for an hour at most.
    """
    manager = _manager.get_instance()
    with manager._lock:  # noqa: SLF001 - MLflow finds a trace by its ids alone
        numbers = [
            number
            for number, trace_id in manager._otel_id_to_mlflow_trace_id.items()  # noqa: SLF001 - as above
            if _begins_with(manager._traces.get(trace_id), span)  # noqa: SLF001 - as above
        ]
        for number in {*numbers, *_begun_in(error.__traceback__)}:
            manager.pop_trace(number)
            _ours.discard(number)


def _begun_in(trace: TracebackType | None) -> Iterator[int]:
    """Yield the numbers of traces that were being begun in OpenTelemetry's callback as an error came."""
    while trace is not None:
        frame, trace = trace.tb_frame, trace.tb_next
        begun = frame.f_locals.get("span") if frame.f_code.co_name == SpanProcessor.on_start.__name__ else None
        if isinstance(begun, ReadableSpan) and begun.parent is None and begun.context is not None:
            yield begun.context.trace_id


def _begins_with(trace: Any, span: Span) -> bool:
    first = None if trace is None else next(iter(trace.span_dict.values()), None)
    return first is not None and first.start_time_ns == span.started and first.name == _name(span)


def _name(span: Span) -> str:
    return display_name(span.experiment)


def _intercept_export(number: int) -> bool:
    """Keep MLflow's exporter away from a trace; return whether it can be kept away."""
    exporter = _provider._get_trace_exporter()  # noqa: SLF001 - MLflow has no public name for it
    if exporter is None or not hasattr(exporter, "_client"):  # It exports to something else than MLflow.
        return False
    if not hasattr(exporter, "spearmint_original"):
        exporter.spearmint_original = original = exporter.export

        def export(spans: Sequence[Any]) -> Any:
            others = [one for one in spans if one.context.trace_id not in _ours]
            return original(others) if others else None

        exporter.export = export
    _ours.add(number)
    return True


class DetachedContext:
    """Hides the span that a context was copied with: what runs here neither joins its trace nor is lost with it."""

    __slots__ = ()

    def attach(self) -> Any:
        """Hide it; return what `detach` needs."""
        api = _provider.get_context_api()
        return api.attach(set_span_in_context(INVALID_SPAN, api.get_current()))

    def detach(self, token: Any) -> None:
        """Undo `attach`."""
        with suppress(Exception):  # The collector may end a suspended call in another context.
            _provider.get_context_api().detach(token)
