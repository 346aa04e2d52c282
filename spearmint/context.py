"""What is current while code runs: the case, and attributes such as a user's id that strategies may read."""

from collections.abc import Mapping
from contextvars import ContextVar, Token
from types import MappingProxyType, TracebackType
from typing import Any, Self

from spearmint.cases import ExperimentCase
from spearmint.errors import DeclarationError

experiment_case_var: ContextVar[ExperimentCase | None] = ContextVar("experiment_case", default=None)
attributes_var: ContextVar[Mapping[str, Any]] = ContextVar("spearmint_attributes", default=MappingProxyType({}))


class RuntimeContext:
    """Make a case, or attributes, current for the code inside ``with``.

    It nests: attributes join those of the contexts around it, and the inner value of a name wins.

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

    __slots__ = ("_attributes", "_case", "_tokens")

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
        self._tokens: list[tuple[Token[Any] | None, Token[Any] | None]] = []

    def __enter__(self) -> Self:
        case = None if self._case is None else experiment_case_var.set(self._case)
        attributes = None
        if self._attributes:
            attributes = attributes_var.set(MappingProxyType({**attributes_var.get(), **self._attributes}))
        self._tokens.append((case, attributes))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        case, attributes = self._tokens.pop()
        if attributes is not None:
            attributes_var.reset(attributes)
        if case is not None:
            experiment_case_var.reset(case)
