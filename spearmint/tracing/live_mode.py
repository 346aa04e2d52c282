"""Whether an execution gets an MLflow span at once, or is written later; and the opening and closing of such spans."""

import importlib
import sys
from contextlib import suppress
from typing import Any

from spearmint.imports_under_way import is_half_imported
from spearmint.tracing.attributes import attributes_of, describe_alone
from spearmint.tracing.marks import first_marks_of
from spearmint.tracing.mlflow import state as mlflow_state
from spearmint.tracing.options import Mode, TracingOptions
from spearmint.tracing.span import Span


def open_root(span: Span, mode: Mode, *, is_alone: bool) -> Any:
    """Open in MLflow what the root of a trace needs, and return what to attach while it runs, or None."""
    if "mlflow.tracing.provider" not in sys.modules or is_half_imported("mlflow"):
        return None  # A call does not wait for an import, which in the child of a fork may never end.
    is_live = mode == "live" or (mode == "auto" and mlflow_state.wants_live())
    if is_live:
        with suppress(Exception):  # Such as MLflow's tracing being disabled: then it is written later.
            return _open_live(span, is_alone=is_alone)
    return _live().DetachedContext() if is_alone and mlflow_state.has_context() else None


def _open_live(span: Span, *, is_alone: bool) -> Any:
    try:
        live = _live().LiveSpan(span, is_alone=is_alone)
        if not live.is_ours:
            live.mark(first_marks_of(span.trace))
    except BaseException as error:  # Also of a signal handler: nothing else would end the span.
        _live().forget(span, error)
        raise
    return live


def open_child(span: Span, parent: Span) -> Any:
    """Open an MLflow span for an execution within another one that has one; otherwise as `open_root`."""
    if not is_live(parent):
        return None
    with suppress(Exception):
        return _live().LiveSpan(span, is_alone=False)
    return None


def close(span: Span, options: TracingOptions) -> None:
    """Close what was opened for a span that has ended."""
    if not is_live(span):
        return
    live = span.live
    with suppress(Exception):  # MLflow's failure is not the caller's.
        if not live.is_ours:
            described, marks = describe_alone(span, options)
            if span.parent is None:
                live.mark({**marks, "spearmint.status": described.status})
            live.end_with(span, described, attributes_of(span, described))
            return
        live.end(span)
        if span.parent is None:
            span.trace.made = live.take()


def is_live(span: Span) -> bool:
    """Tell whether a span was open in MLflow from its beginning."""
    return hasattr(span.live, "is_ours")


def is_user_trace(root: Span) -> bool:
    """Tell whether the trace that a span stands in is the user's, which MLflow delivers."""
    return is_live(root) and not root.live.is_ours


def _live() -> Any:
    return importlib.import_module("spearmint.tracing.mlflow.live_span")
