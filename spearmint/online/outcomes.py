"""Outcomes: numbers about units that become known during a call or days later, and tokens that tie them to it."""

import math
from collections.abc import Mapping
from time import time_ns
from typing import Any

from spearmint.cases.case import ExperimentCase
from spearmint.context.current import attributes_var, experiment_case_var
from spearmint.errors import CaseError
from spearmint.online.exposures import recorded_unit
from spearmint.online.tokens import read_token, token_of
from spearmint.online.writer import records
from spearmint.redaction import redactor
from spearmint.registry.experiment import ExperimentFunction
from spearmint.registry.registry import registry
from spearmint.registry.state import epoch
from spearmint.strategies.split_inputs import unit_text
from spearmint.tracing.feedback import feedback
from spearmint.tracing.recorder import trace_id_of
from spearmint.tracing.span import span_var

_MOST_CHARACTERS = 1000


class OutcomeRecord:
    """A number about a unit.

    Args:
        name: What it is.
        value: The number.
        unit: The unit as records have it.
        attributes: What else is to be told.
        trace_id: The trace that it belongs to.
    """

    __slots__ = ("_attributes", "_name", "_time", "_trace_id", "_unit", "_value")

    def __init__(
        self, name: str, value: float, unit: str | None, attributes: Mapping[str, Any], trace_id: str | None
    ) -> None:
        self._name = name
        self._value = value
        self._unit = unit
        self._attributes = attributes
        self._trace_id = trace_id
        self._time = time_ns()

    def record(self) -> dict[str, Any]:
        """Return it as the journal has it."""
        made: dict[str, Any] = {"type": "outcome", "time": self._time, "name": self._name, "value": self._value}
        if self._unit is not None:
            made["feature_flag.context.id"] = self._unit
        if self._trace_id is not None:
            made["spearmint.trace_id"] = self._trace_id
        return made | {f"spearmint.attribute.{name}": value for name, value in self._attributes.items()}

    def lose(self) -> None:
        """Do nothing: the account counts it."""


class _UnitNames:
    """The attributes that say who is assigned, of all experiments that assign units."""

    def __init__(self) -> None:
        self._changes = -1
        self._names: tuple[str, ...] = ()

    def get(self) -> tuple[str, ...]:
        if self._changes != epoch.changes:
            self._changes = epoch.changes
            splits = [experiment.split for experiment in registry]
            self._names = tuple(dict.fromkeys(split.options.unit for split in splits if split is not None))
        return self._names


_unit_names = _UnitNames()


def track(
    name: str, value: float = 1.0, *, unit: str | None = None, token: str | None = None, **attributes: Any
) -> None:
    """Record an outcome: a number about a unit, such as a purchase or a rating.

    It belongs to every experiment that has exposed the unit before. It never raises: what can be no outcome is counted
    as ``failed`` in `spearmint.exposure_stats` and warned of once. Where neither a journal nor a sink is set, and in a
    variant, whose caller is no unit's, it records nothing.

    With the token of a traced call it is feedback on that trace in MLflow too, journal or not, where this process
    traces: `spearmint.feedback_stats` counts it. A trace that is not there yet is waited for, for half a minute.

    Args:
        name: What it is.
        value: The number; a bool counts as 0 or 1.
        unit: Whose it is. By default the unit of the context: what the attributes around the call say of each kind of
            unit that an experiment assigns, one outcome for each.
        token: What `spearmint.token` gave during a call, in place of ``unit``, in this process or another.
        **attributes: What else is to be told, as text, numbers or truth values; names of secrets are masked.
    """
    try:
        _track(name, value, unit, token, attributes)
    except Exception as error:  # noqa: BLE001 - the caller has other things to do
        records.account.count_failed(f"an outcome could not be recorded, {type(error).__name__}: {error}")


def _track(name: Any, value: Any, unit: Any, token: str | None, attributes: Mapping[str, Any]) -> None:
    is_recorded, is_feedback = records.is_on, token is not None and feedback.is_on
    if not is_recorded and not is_feedback:
        return
    case = experiment_case_var.get()
    if case is not None and case.assignments is None:
        return
    if not isinstance(name, str) or not name:
        raise ValueError(f"{name!r} is no name")
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{name} is {value!r}, which is no number that has a mean")
    told = {key: _shown(key, one) for key, one in attributes.items()}
    trace_id = None
    if token is not None:
        own, trace_id = read_token(token)
        if is_feedback and trace_id is not None:
            feedback.tell(trace_id, name, value if isinstance(value, bool) else number, told)
        if not is_recorded:
            return
        units = [] if own is None else [own]
    else:
        given = _units_of_context() if unit is None else [unit_text(unit)]
        units = [recorded_unit(one, records.options.hash_units) for one in given if one is not None]
    if not units and trace_id is None:
        raise ValueError(f"{name} has no unit: give unit=..., token=..., or track it within a RuntimeContext")
    whose: list[str | None] = [*units] or [None]
    for one in whose:
        records.put(OutcomeRecord(name, number, one, told, trace_id))


def _units_of_context() -> list[str]:
    attributes = attributes_var.get()
    found = [unit_text(attributes.get(name)) for name in _unit_names.get()]
    return list(dict.fromkeys(one for one in found if one is not None))


def _shown(name: str, value: Any) -> Any:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    text = value if isinstance(value, str) else repr(value)
    return str(redactor().redact({name: text})[name])[:_MOST_CHARACTERS]


def token() -> str:
    """Return text that ties a later `track` to the call that runs now, also in another process.

    Returns:
        Its unit and the id of its trace, where it has them, as text that fits into a URL. With ``hash_units`` the unit
        is hashed in it.

    Raises:
        CaseError: If no experiment is running.
    """
    case = experiment_case_var.get()
    if case is None:
        raise CaseError("Cannot give a token: no experiment is running. Call spearmint.token() inside one.")
    attributes = attributes_var.get()
    view: ExperimentCase | None = case
    unit: str | None = None
    while view is not None and unit is None:
        current = view.current
        split = current.split if isinstance(current, ExperimentFunction) else None
        unit = None if split is None else unit_text(attributes.get(split.options.unit))
        view = view.parent
    if unit is None:
        unit = next(iter(_units_of_context()), None)
    recorded = None if unit is None else recorded_unit(unit, records.options.hash_units)
    span = span_var.get()
    return token_of(recorded, None if span is None else trace_id_of(span))
