"""What is current while code runs: the case, and attributes such as a user's id that strategies may read."""

import functools
import inspect
from collections.abc import Callable, Mapping
from contextvars import ContextVar, copy_context
from types import MappingProxyType, TracebackType
from typing import Any, ParamSpec, Self, TypeAlias, TypeVar, cast

from spearmint.cases.case import ExperimentCase
from spearmint.errors import DeclarationError

P = ParamSpec("P")
R = TypeVar("R")

experiment_case_var: ContextVar[ExperimentCase | None] = ContextVar("experiment_case", default=None)
attributes_var: ContextVar[Mapping[str, Any]] = ContextVar("spearmint_attributes", default=MappingProxyType({}))
step_caller_var: ContextVar[Callable[..., Any] | None] = ContextVar("spearmint_step_caller", default=None)
"""What runs the nested experiments of a case, given experiment, its view of the case and arguments; None for a call."""


class RuntimeContext:
    """Make a case, or attributes, current for the code inside ``with``.

    It nests: attributes join those of the contexts around it, and the inner value of a name wins. Several threads and
    tasks may be inside one at once, and generators may leave theirs in any order: each exit takes its own back.

    Args:
        case: The case that experiments called inside take part in; None leaves the current one.
        attributes: What strategies with a second parameter get to read.

    Raises:
        DeclarationError: If ``case`` is not an `ExperimentCase`, or ``attributes`` not a mapping.

    >>> with RuntimeContext(attributes={"user_id": "ann"}):
    ...     with RuntimeContext(attributes={"plan": "pro"}):
    ...         dict(attributes_var.get())
    {'user_id': 'ann', 'plan': 'pro'}
    """

    __slots__ = ("_attributes", "_case")

    def __init__(self, case: ExperimentCase | None = None, *, attributes: Mapping[str, Any] | None = None) -> None:
        if case is not None and not isinstance(case, ExperimentCase):
            message = (
                f"Cannot make {case!r} current: it is no ExperimentCase. "
                "Take one from results, or give attributes by keyword: RuntimeContext(attributes={...})."
            )
            raise DeclarationError(message)
        if attributes is not None and not isinstance(attributes, Mapping):
            message = f"Cannot use {attributes!r} as attributes: it is no mapping. Give a dict of names and values."
            raise DeclarationError(message)
        self._case = case
        self._attributes = dict(attributes or {})

    def __enter__(self) -> Self:
        around = attributes_var.get()
        _entries_var.set((*_entries_var.get(), (self, around, experiment_case_var.get())))
        attributes_var.set(MappingProxyType({**around, **self._attributes}))
        if self._case is not None:
            experiment_case_var.set(self._case)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        entries = _entries_var.get()
        if not entries or entries[-1][0] is not self:
            self._leave_out_of_order(entries)
            return
        _, attributes, case = entries[-1]
        _entries_var.set(entries[:-1])
        attributes_var.set(attributes)
        if self._case is not None:
            experiment_case_var.set(case)

    def _leave_out_of_order(self, entries: "_Entries") -> None:
        """Take this one from under those that are still inside, as generators that take turns leave it."""
        place = next((place for place in reversed(range(len(entries))) if entries[place][0] is self), None)
        if place is None:  # It was entered elsewhere, as where the collector closes a generator on another thread.
            return
        _, attributes, case = entries[place]
        kept = [*entries[:place]]
        for context, _, around in entries[place + 1 :]:
            kept.append((context, attributes, case if around is self._case else around))
            attributes = MappingProxyType({**attributes, **context._attributes})  # noqa: SLF001 - of the same class
        _entries_var.set(tuple(kept))
        attributes_var.set(attributes)
        if self._case is not None and experiment_case_var.get() is self._case:
            experiment_case_var.set(case)


_Entries: TypeAlias = tuple[tuple[RuntimeContext, Mapping[str, Any], ExperimentCase | None], ...]
_entries_var: ContextVar[_Entries] = ContextVar("spearmint_entries", default=())
"""Each entry that has not been left, the innermost last, with the attributes and the case around it."""


def propagate(function: Callable[P, R]) -> Callable[P, R]:
    """Return a function that runs in the case that is current now, wherever it is called.

    A new thread, or one of a pool, starts outside any case: an experiment called there runs under its main config.
    Hand over ``propagate(f)`` instead of ``f``, and it takes part in the case. The attributes, and all other context
    variables, are kept too.

    Args:
        function: A function, or an async function.

    Returns:
        The same with the context of this moment. It may be called many times, also at once.

    >>> with RuntimeContext(attributes={"user_id": "ann"}):
    ...     ask = propagate(lambda: attributes_var.get()["user_id"])
    >>> ask()
    'ann'
    """
    context = copy_context()
    if inspect.iscoroutinefunction(function):
        case, attributes = experiment_case_var.get(), attributes_var.get()

        async def acall(*args: P.args, **kwargs: P.kwargs) -> Any:
            # A coroutine has the context of the task that awaits it, so it is this that is changed.
            tokens = experiment_case_var.set(case), attributes_var.set(attributes)
            try:
                return await function(*args, **kwargs)
            finally:
                attributes_var.reset(tokens[1])
                experiment_case_var.reset(tokens[0])

        return functools.update_wrapper(cast("Any", acall), function)

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        # A copy for each call, since no two may be inside one context at once.
        return context.copy().run(function, *args, **kwargs)

    return call
