"""Which config and case each call ran under: what a ``with capture()`` block collects."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import cast

from spearmint.cases.case import ExperimentCase
from spearmint.cases.join_log import JoinLog
from spearmint.cases.plan import Plan
from spearmint.config.model import Config
from spearmint.registry.plain_calls import plain_calls
from spearmint.registry.state import epoch


class CapturedCall:
    """One call of an experiment outside any case.

    Attributes:
        case: The case that main ran in.
    """

    __slots__ = ("case",)

    def __init__(self, case: ExperimentCase) -> None:
        self.case = case

    @property
    def name(self) -> str:
        """The name of the experiment, ``"module:qualified.name"``."""
        return self.case.root.name

    @property
    def config_id(self) -> str:
        """The id of the config that the experiment ran under."""
        return self.case.config_id

    @property
    def case_id(self) -> str:
        """The id of the case: the config ids of all its experiments that vary, joined with ``+``."""
        return self.case.case_id

    @property
    def assignment(self) -> Mapping[str, Config]:
        """From the name of each experiment with a config of its own to that config."""
        return self.case.assignment

    @property
    def trace_id(self) -> str | None:
        """The id of main's trace in MLflow; None before it begins, and where the call is not traced."""
        return self.case.log.trace_id

    @property
    def token(self) -> str | None:
        """What joins an outcome to the exposure of this call; None where no exposure was recorded."""
        return self.case.log.token

    def __repr__(self) -> str:
        return f"<CapturedCall {self.name} {self.case_id}>"


class Captured:
    """What a ``with capture()`` block has collected.

    Attributes:
        calls: One for each call outside any case, in the order in which they began.
    """

    __slots__ = ("calls",)

    def __init__(self) -> None:
        self.calls: list[CapturedCall] = []

    def __repr__(self) -> str:
        return f"<Captured {self.calls!r}>"


_captured_var: ContextVar[tuple[Captured, ...]] = ContextVar("spearmint_captured", default=())

active: list[object] = []
"""What stands for blocks that have not ended, in the whole process. While there are any, no case is cached."""


@contextmanager
def capture() -> Iterator[Captured]:
    """Collect which config and case each experiment runs under that is called inside ``with``.

    It collects what is called outside any case, in this context: this thread or task, and the tasks started in it. What
    such a call calls in turn is part of its case. Blocks nest. Outside of them, a call costs what it costs anyway.

    Yields:
        What is collected; its ``calls`` may be read during and after the block.

    >>> from spearmint import experiment
    >>> @experiment(configs=[{"__config_id__": "short", "limit": 1}])
    ... def take(text, config):
    ...     return text[: config.limit]
    >>> with capture() as captured:
    ...     take("mint")
    'm'
    >>> captured.calls[0].config_id
    'short'
    """
    captured = Captured()
    token = _captured_var.set((*_captured_var.get(), captured))
    active.append(captured)
    plain_calls.end()
    epoch.invalidate_all()  # A call in a cached case would pass unseen.
    try:
        yield captured
    finally:
        active.remove(captured)
        _captured_var.reset(token)


def record(choice: tuple[ExperimentCase, Plan | None]) -> tuple[ExperimentCase, Plan | None]:
    """Add a call to the blocks around it, and return what was chosen for it with a main case of its own."""
    around = [one for one in _captured_var.get() if one in active]
    if not around:
        return choice
    case, plan = choice
    own = cast("Plan", case.plan).main_case(JoinLog(is_captured=True, version=case.log.version))
    for one in around:
        one.calls.append(CapturedCall(own))
    return own, plan
