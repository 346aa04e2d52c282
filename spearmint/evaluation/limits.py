"""How hard an evaluation may press on the services that it calls, and what it does when they say no."""

import inspect
import math
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Literal

from spearmint.errors import EvaluationError

_TAKEN = ("inputs", "config", "parameters")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How many calls may be under way, how often, and what happens to those that fail.

    With ``concurrency="auto"``, 20 calls are under way at first. A round of as many calls without a refusal lets 5 %
    more in; a refusal (429 and its like) lets in four fifths, once for a burst of them. ``Retry-After`` holds for all.

    Args:
        concurrency: How many calls may be under way at once; ``"auto"`` to find out.
        rate: Calls per second, with a bucket of one second; None for no limit.
        attempts: How often a call is made until it succeeds, the first included.
        timeout: Seconds that a call may take; None for the evaluation's ``timeout``.
        retry_on: Tells whether an exception is worth another attempt. By default timeouts, lost connections and what
            says 408, 409, 429 or 5xx are, by ``status_code``, ``response.status_code`` or the name of the class.
        max_wait: The longest wait in seconds that a service may ask for. A longer one is a quota that is used up: the
            run ends on whole rows, and `spearmint.evaluation.report.report.Report.stopped` is ``"quota"``.
        per: What is limited together, such as ``"openai"``: function and scorers with the same share one budget. A
            function tells it for each cell, such as ``lambda parameters: parameters["reply: model"]``: it takes any of
            ``inputs``, ``config`` and ``parameters`` (the values of all configs of the case by path) by name. None for
            one budget for the function, and one for scorers.

    Raises:
        EvaluationError: If one is out of range.
    """

    concurrency: int | Literal["auto"] = "auto"
    rate: float | None = None
    attempts: int = 4
    timeout: float | None = None
    retry_on: Callable[[BaseException], bool] | None = None
    max_wait: float = 300.0
    per: str | Callable[..., Hashable] | None = None

    def __post_init__(self) -> None:
        if self.concurrency != "auto":
            _check("concurrency", self.concurrency, int, "whole number of calls from 1, or 'auto'")
        _check("attempts", self.attempts, int, "whole number of attempts from 1")
        for name in ("rate", "timeout"):
            if getattr(self, name) is not None:
                _check(name, getattr(self, name), int | float, "number above 0, or None")
        _check("max_wait", self.max_wait, int | float, "number of seconds above 0")
        if self.retry_on is not None and not callable(self.retry_on):
            raise _refused("retry_on", self.retry_on, "function of the exception")
        if not (self.per is None or isinstance(self.per, str) or self.taken):
            taken = f"{', '.join(_TAKEN[:-1])} and {_TAKEN[-1]}"
            raise _refused("per", self.per, f"name, and no function of some of {taken}")

    @property
    def taken(self) -> tuple[str, ...]:
        """What ``per`` takes where it is a function; empty where it is none, or takes something else."""
        if not callable(self.per):
            return ()
        try:
            names = tuple(inspect.signature(self.per).parameters)
        except ValueError:  # It is written in C, and does not tell.
            return ()
        return names if set(names) <= set(_TAKEN) else ()


def _check(name: str, value: Any, kind: Any, wanted: str) -> None:
    if not isinstance(value, kind) or isinstance(value, bool) or not 0 < value < math.inf:
        raise _refused(name, value, wanted)


def _refused(name: str, value: Any, wanted: str) -> EvaluationError:
    return EvaluationError(f"Cannot keep Limits({name}={value!r:.100}): it is no {wanted}. Give one.")
