"""Reads of values under experiment within a case: what rewritten code calls.

It stands among the constants of code, which cloudpickle takes apart for a function that it pickles by value. Each
reader therefore has a name by which this module gives it again, in another process too.
"""

import copyreg
import importlib
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from spearmint.cases.bound_config import BoundConfig
from spearmint.cases.case import ExperimentCase
from spearmint.cases.detached_case import DetachedCase
from spearmint.config.copying import is_immutable
from spearmint.context.current import experiment_case_var
from spearmint.frames import hide_frames
from spearmint.online.exposures import exposures
from spearmint.planning.join import join_value
from spearmint.planning.value_slots import Reader, ValueSlot, register_reader, slot_of
from spearmint.registry.value import AS_WRITTEN, PER_EXECUTION, ValueExperiment
from spearmint.warn import warn_once

current_case = experiment_case_var.get
"""What rewritten code asks first: outside a case, a read goes no further."""

_readers: dict[tuple[str, str], Reader] = {}
_PICKLED = "_read_"
_MOST_CLASSES = 100  # that an attribute's reader keeps in mind; of more it looks each time


def reader_of(name: str, kind: str) -> Reader:
    """Return what rewritten code calls for a read within a case.

    Args:
        name: The value's name, ``"module:name"``.
        kind: ``"constant"``, ``"default"`` and ``"literal"`` are called with what was read and the case,
            ``"attribute"`` with the object that it was read of before them.

    Returns:
        The same function each time, which gives what the read gives.
    """
    found = _readers.get((name, kind))
    if found is None:
        slot = slot_of(name)
        made = _KINDS[kind](slot)
        made.__qualname__ = f"{_PICKLED}{kind}_{name.encode().hex()}"
        found = _readers.setdefault((name, kind), made)
        register_reader(found, slot)
    return found


# Each begins with what most reads come to, since that is what a read costs.


def _literal_reader(slot: ValueSlot) -> Reader:
    def read_literal(plain: Any, case: Any) -> Any:
        try:
            value = case._options[slot.experiment].read  # noqa: SLF001 - `assigned` would double the cost
        except KeyError:
            return _read(slot, plain, case)
        if value is AS_WRITTEN:
            return plain
        return _read(slot, plain, case) if value is PER_EXECUTION else value

    return read_literal


def _constant_reader(slot: ValueSlot) -> Reader:
    def read_constant(plain: Any, case: Any) -> Any:
        try:
            option = case._options[slot.experiment]  # noqa: SLF001 - as above
        except KeyError:
            return _read_if_original(slot, plain, case)
        if plain is option.replaced:
            return option.read
        return plain if option.read is AS_WRITTEN else _read_if_original(slot, plain, case)

    return read_constant


def _default_reader(slot: ValueSlot) -> Reader:
    def read_default(plain: Any, case: Any) -> Any:
        option = case._options.get(slot.experiment)  # noqa: SLF001 - as above
        if option is not None and plain is option.replaced:
            return option.read
        value = slot.value
        # Else the caller has given another.
        return _read(slot, plain, case) if value is not None and plain is value.original else plain

    return read_default


def _attribute_reader(slot: ValueSlot) -> Reader:
    owner, _, attribute = slot.name.partition(":")[2].rpartition(".")
    inheriting: dict[int, type] = {}  # By id: a metaclass may hash and compare as it likes.
    last: type | None = None  # of which the attribute was read, rather than of an instance

    def read_attribute(held_by: Any, plain: Any, case: Any) -> Any:
        nonlocal last
        if held_by is not last:
            kind = held_by if isinstance(held_by, type) else type(held_by)
            if kind is not held_by and attribute in getattr(held_by, "__dict__", ()):
                return plain
            if inheriting.get(id(kind)) is not kind:
                if not _has_from(kind, owner, attribute):
                    return plain
                if len(inheriting) < _MOST_CLASSES:
                    inheriting[id(kind)] = kind
            if kind is held_by:
                last = kind
        option = case._options.get(slot.experiment)  # noqa: SLF001 - as above
        if option is not None and plain is option.replaced:
            return option.read
        return _read_if_original(slot, plain, case)

    return read_attribute


_KINDS: dict[str, Callable[[ValueSlot], Reader]] = {
    "attribute": _attribute_reader,
    "constant": _constant_reader,
    "default": _default_reader,
    "literal": _literal_reader,
}


def _has_from(kind: type, owner: str, attribute: str) -> bool:
    """Tell whether a class has an attribute from its owner, rather than one of its own or of a class between."""
    for base in kind.__mro__:
        if attribute in base.__dict__:
            return base.__qualname__ == owner
    return False


def _read_if_original(slot: ValueSlot, plain: Any, case: ExperimentCase) -> Any:
    experiment = slot.value
    if experiment is None:
        return plain
    if plain is not experiment.original and not _is_equal(plain, experiment.original):  # It has been rebound.
        slot.strangers += 1
        return plain
    return _read(slot, plain, case)


def _is_equal(plain: Any, original: Any) -> bool:
    """Tell whether what was read is as good as what stands in the code, as in a function that was pickled by value."""
    return type(plain) is type(original) and is_immutable(plain) and bool(plain == original)


def _read(slot: ValueSlot, plain: Any, case: ExperimentCase) -> Any:
    """Return what a read gives in a case, which the value joins if no analysis has seen the read."""
    experiment = slot.value
    if experiment is None or type(case) is DetachedCase:
        return plain
    option = case.assigned(experiment) or join_value(case, experiment)
    value = option.read  # type: ignore[attr-defined] # a value's option
    if value is AS_WRITTEN:
        return plain
    return _first_read(experiment, option, plain, case) if value is PER_EXECUTION else value


def _first_read(experiment: ValueExperiment, option: BoundConfig, plain: Any, case: ExperimentCase) -> Any:
    """Return what all reads of one execution share; the first of them tells whom it exposes."""
    values = case.values_read
    if experiment not in values:
        assignment = case.assignment_of_value(experiment, option)
        exposure = None if assignment is None else exposures.expose(assignment, case)
        supply = None if experiment.is_original(option) else option.values[0]
        values[experiment] = plain if supply is None else supply(), exposure
    return values[experiment][0]


def __getattr__(name: str) -> Any:
    """Return the reader of a pickled name, once the module of its value has put that under experiment."""
    kind, _, encoded = name.removeprefix(_PICKLED).partition("_")
    if not name.startswith(_PICKLED) or kind not in _KINDS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name)
    value = bytes.fromhex(encoded).decode()
    made = reader_of(value, kind)
    if slot_of(value).value is None:
        _import_and_tell(value)
    return made


def _import_and_tell(value: str) -> None:
    try:
        importlib.import_module(value.partition(":")[0])
    except Exception as error:  # noqa: BLE001 - the function may do without what is not there
        cause = f"its module cannot be imported here ({type(error).__name__}: {error})"
    else:
        cause = "no settings that are installed here name it"
    if slot_of(value).value is None:
        warn_once(
            (_import_and_tell, value),
            f"A function that reads {value} was pickled by value, and reads what stands in the code where it is "
            f"unpickled: {cause}. Install the settings there, and have the module there.",
        )


def case_variable() -> ContextVar[ExperimentCase | None]:
    """Return the variable that holds the running case; a pickle says it so."""
    return experiment_case_var


def _reduce_variable(variable: ContextVar[Any]) -> tuple[Callable[[], ContextVar[Any]], tuple[()]]:
    if variable is experiment_case_var:
        return case_variable, ()
    raise TypeError("cannot pickle '_contextvars.ContextVar' object")  # As without this.


# `current_case` is a method of it.
copyreg.pickle(ContextVar, _reduce_variable)
hide_frames(globals())
