"""Work of Spearmint's own that debuggers do not step through: hundreds of steps, of which none is the user's.

A debugger hears of steps from `sys.settrace`, on the thread that it debugs, or from `sys.monitoring`, as pdb does from
CPython 3.14 on.
"""

import functools
import sys
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from spearmint.frames import on_one_line

P = ParamSpec("P")
R = TypeVar("R")

_monitoring: Any = getattr(sys, "monitoring", None)  # New in CPython 3.12.


def untraced(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate a function so that no debugger steps through it; no code of the user's may run in it."""

    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        resume = _suspend()
        if resume is None:
            return function(*args, **kwargs)
        try:
            return function(*args, **kwargs)
        finally:
            resume()

    call.__code__ = on_one_line(call.__code__)
    return functools.wraps(function)(call)


def _suspend() -> Callable[[], object] | None:
    """Keep steps from the debugger, and return what lets it have them again; None where there is no debugger."""
    tracer = sys.gettrace()
    if tracer is not None:
        sys.settrace(None)
        return functools.partial(sys.settrace, tracer)
    if _monitoring is None or _monitoring.get_tool(_monitoring.DEBUGGER_ID) is None:
        return None
    events = _monitoring.get_events(_monitoring.DEBUGGER_ID)
    _monitoring.set_events(_monitoring.DEBUGGER_ID, 0)
    return functools.partial(_monitoring.set_events, _monitoring.DEBUGGER_ID, events)


_suspend.__code__ = on_one_line(_suspend.__code__)  # A debugger has still to step through this.
