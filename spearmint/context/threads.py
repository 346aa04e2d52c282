"""Cases on threads that are started in them: kept, or warned of as lost, where the user asks for that.

Nothing but a change of `threading` can see that a thread is started in a case, so that nothing is done unasked. Without
it, `spearmint.context.propagate` keeps the case where it is named.
"""

import functools
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar, cast

from spearmint.cases.detached_case import DetachedCase
from spearmint.context.current import experiment_case_var, propagate

P = ParamSpec("P")
R = TypeVar("R")

_OWN_THREADS = "spearmint-"  # They run variants, each of which has a case of its own.


class ThreadPropagation:
    """A change of `threading.Thread.start` and `ThreadPoolExecutor.submit`, which `uninstall` takes back.

    It is a context manager, too. Of several, the last one made counts.

    Args:
        keeps: Whether work that is started within a case keeps it, with all other context variables. Else it runs
            outside, as without the change, and a warning names the first experiment that is called there.
    """

    def __init__(self, *, keeps: bool = True) -> None:
        self.keeps = keeps

    def uninstall(self) -> None:
        """Take the change back; a second time does nothing."""
        with _lock:
            if self not in _installed:
                return
            _installed.remove(self)
            # What another library has put around ours still calls ours, which does nothing when none is installed.
            if not _installed and threading.Thread.start is _started:
                threading.Thread.start = _start  # type: ignore[method-assign]
            if not _installed and ThreadPoolExecutor.submit is _submitted:
                ThreadPoolExecutor.submit = _submit  # type: ignore[method-assign]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.uninstall()


_installed: list[ThreadPropagation] = []
_lock = threading.Lock()


def install_thread_propagation(*, keeps: bool = True) -> ThreadPropagation:
    """Let work that is started on other threads within a case keep the case.

    This concerns every `threading.Thread`, and what is submitted to a `concurrent.futures.ThreadPoolExecutor`, from now
    on. What is started outside any case is not changed.

    Args:
        keeps: False leaves the work outside the case, and warns once of an experiment that is called there.

    Returns:
        What takes it back.
    """
    made = ThreadPropagation(keeps=keeps)
    with _lock:
        _installed.append(made)
        threading.Thread.start = _started  # type: ignore[assignment,method-assign]
        ThreadPoolExecutor.submit = _submitted  # type: ignore[method-assign,assignment]
    return made


_start = threading.Thread.start
_submit = ThreadPoolExecutor.submit


@functools.wraps(_start)
def _started(thread: threading.Thread) -> None:
    if _installed and experiment_case_var.get() is not None and not thread.name.startswith(_OWN_THREADS):
        thread.run = _with_case(thread.run)  # type: ignore[method-assign]
    _start(thread)


def _submitted(pool: ThreadPoolExecutor, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
    if not _installed or experiment_case_var.get() is None:
        return _submit(pool, function, *args, **kwargs)
    return copy_context().run(_submit_outside, pool, _with_case(function), args, kwargs)


functools.update_wrapper(cast("Any", _submitted), cast("Any", _submit))


def _submit_outside(pool: ThreadPoolExecutor, function: Callable[..., R], args: Any, kwargs: Any) -> Future[R]:
    experiment_case_var.set(None)  # Else a worker that the pool starts for this would keep the case for all its life.
    return _submit(pool, function, *args, **kwargs)


def _with_case(function: Callable[P, R]) -> Callable[P, R]:
    if _installed[-1].keeps:
        return propagate(function)
    case = experiment_case_var.get()
    assert case is not None  # noqa: S101 - asked before

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        token = experiment_case_var.set(DetachedCase.of(case))
        try:
            return function(*args, **kwargs)
        finally:
            experiment_case_var.reset(token)

    return call
