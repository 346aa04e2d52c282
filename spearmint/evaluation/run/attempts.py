"""A call made again until it succeeds, within limits."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Any, NamedTuple, TypeVar

import tenacity

from spearmint.cases.case import ExperimentCase
from spearmint.errors import EvaluationError
from spearmint.evaluation.dataset import Row
from spearmint.evaluation.limits import Limits
from spearmint.evaluation.run.cell_text import error_text
from spearmint.evaluation.run.controller import Controller, Controllers
from spearmint.evaluation.run.faults import Fault, fault_of

T = TypeVar("T")

# Between attempts, where the service does not say: a random time of up to 0.5 s, which doubles, and 30 s at most.
_backoff = tenacity.wait_random_exponential(multiplier=0.5, max=30)


@dataclass(frozen=True, slots=True)
class Limited:
    """Limits, and the controller that keeps them.

    Attributes:
        limits: The limits.
        controller: Lets calls through.
        controllers: Those of all keys.
        taken: What tells the key of a cell: the parameters of ``per``; empty where all cells have one.
    """

    limits: Limits
    controller: Controller
    controllers: Controllers
    taken: tuple[str, ...] = ()

    def of_cell(self, case: ExperimentCase, row: Row) -> "Limited":
        """Return the same for one cell, which a function of the caller's may say what it is limited with.

        Raises:
            EvaluationError: If the function raises, or what it returns is no key.
        """
        if not self.taken:
            return self
        given = {"inputs": row.inputs, "config": case.config, "parameters": case.parameters}
        per: Any = self.limits.per
        try:
            controller = self.controllers.of(per(**{name: given[name] for name in self.taken}), self.limits)
        except Exception as error:
            cause = f"per= has raised {error_text(error, case, row)}"
            message = f"Cannot limit config {case.config_id!r} on the row at {row.place}: {cause}. Correct it."
            raise EvaluationError(message) from error
        return replace(self, controller=controller)


def both_limited(limits: Limits | None, scorer_limits: Limits | None) -> tuple[Limited | None, Limited | None]:
    """Return what keeps the limits of a function and of its scorers, together where both say so."""
    controllers = Controllers()
    own = None if limits is None else _limited(limits, controllers)
    if scorer_limits is limits or scorer_limits is None:
        return own, None if scorer_limits is None else own
    return own, _limited(scorer_limits, controllers)


def _limited(limits: Limits, controllers: Controllers) -> Limited:
    is_named = isinstance(limits.per, str)
    controller = controllers.of(limits.per, limits) if is_named else Controller(limits)
    return Limited(limits, controller, controllers, limits.taken)


class Attempted(NamedTuple):
    """What came of a call.

    Attributes:
        value: Of its last attempt; None where there was none.
        attempts: How many there were.
        refusal: Why there is no other, where the service's quota is used up; empty if that is not the cause.
    """

    value: Any
    attempts: int
    refusal: str = ""


class QuotaError(EvaluationError):
    """A service takes no more calls for long."""


def attempt(limited: Limited | None, call: Callable[[], T], error_of: Callable[[T], BaseException | None]) -> Attempted:
    """Make a call until it succeeds, or is not worth another attempt.

    Args:
        limited: The limits; None for one attempt at once.
        call: Makes an attempt; it raises nothing.
        error_of: Returns what an attempt has failed with; None if it has not.
    """
    if limited is None:
        return Attempted(call(), 1)
    limits, controller = limited.limits, limited.controller
    faults: list[Fault | None] = []
    values: list[T] = []

    def once() -> T:
        with controller.call():
            if controller.exhausted:
                raise QuotaError(controller.exhausted)
            value = call()
        values.append(value)
        fault = fault_of(error_of(value), limits.retry_on)
        faults.append(fault)
        if fault is not None and fault.is_throttled:
            controller.refuse(fault)
        elif fault is None:
            controller.succeed()
        return value

    def wait(state: tenacity.RetryCallState) -> float:
        fault = faults[-1]
        asked = None if fault is None else fault.retry_after
        return float(_backoff(state)) if asked is None else 0.0  # The controller waits for as long as was asked.

    retrying = tenacity.Retrying(
        stop=tenacity.stop_after_attempt(limits.attempts),
        wait=wait,
        retry=tenacity.retry_if_result(lambda _: faults[-1] is not None and not controller.exhausted),
        retry_error_callback=lambda state: state.outcome.result() if state.outcome is not None else None,
        sleep=tenacity.nap.sleep,
    )
    try:
        value = retrying(once)
    except QuotaError:
        return Attempted(values[-1] if values else None, len(faults), controller.exhausted)
    return Attempted(value, len(faults), "" if faults[-1] is None else controller.exhausted)


def attempt_or_raise(limited: Limited | None, call: Callable[[], T]) -> T:
    """Make a call that may raise until it succeeds, or is not worth another attempt; raise what the last one does.

    Raises:
        QuotaError: If the service's quota is used up.
    """
    if limited is None:
        return call()

    def once() -> tuple[T | None, Exception | None]:
        try:
            return call(), None
        except Exception as error:  # noqa: BLE001 - it is raised below, unless it is worth another attempt
            return None, error

    made, _, refusal = attempt(limited, once, itemgetter(1))
    if refusal:
        raise QuotaError(refusal)
    value, error = made
    if error is not None:
        raise error
    result: T = value
    return result
