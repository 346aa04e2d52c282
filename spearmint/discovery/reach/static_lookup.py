"""Attributes as the interpreter would find them, without running anything that stands in their way."""

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import FunctionType, GetSetDescriptorType, MemberDescriptorType, MethodType, ModuleType
from typing import Any

MISSING: Any = object()

# Read as the interpreter reads them, past whatever a class may define under the same names.
_dict_of_class: Callable[[type], Mapping[str, Any]] = type.__dict__["__dict__"].__get__
_mro_of_class: Callable[[type], tuple[type, ...]] = type.__dict__["__mro__"].__get__
namespace_of: Callable[[ModuleType], dict[str, Any]] = vars(ModuleType)["__dict__"].__get__


@dataclass(frozen=True, slots=True)
class Instance:
    """Some instance of a class, when it is not known which."""

    of: type


@dataclass(frozen=True, slots=True)
class Bound:
    """What a call passes a receiver to: an instance, an `Instance`, or a class."""

    function: Any
    receiver: Any


@dataclass(frozen=True, slots=True)
class Getter:
    """What reading a property runs. What it gives is not known."""

    function: Any
    receiver: Any


def attribute_of(owner: Any, name: str) -> Any:
    """Find what ``owner.name`` would be.

    Returns:
        The value; a `Bound` where the interpreter would bind it; a `Getter` for a property; `MISSING` where there is
        nothing, or nothing that can be told without running code.
    """
    kind = type(owner)
    if issubclass(kind, ModuleType):
        return namespace_of(owner).get(name, MISSING)
    if kind is Instance:
        return _bound(in_class(owner.of, name), owner, owner.of)
    if issubclass(kind, type):
        found = in_class(owner, name)
        return _bound(in_class(kind, name), owner, kind) if found is MISSING else _of_class(found, owner)
    return _of_instance(owner, name)


def _of_instance(owner: Any, name: str) -> Any:
    passed: set[int] = set()
    while id(owner) not in passed:
        passed.add(id(owner))
        kind = type(owner)
        found = in_class(kind, name)
        if found is MISSING or in_class(type(found), "__set__") is MISSING:  # Else it goes before what is held.
            own = own_attributes(owner)
            if own is not None and name in own:
                return own[name]
        if found is not MISSING:
            return _bound(found, owner, kind)
        owner = wrapped_in(owner)
        if owner is MISSING or is_class(owner):
            break
    return attribute_of(owner, name) if is_class(owner) else MISSING


def in_class(owner: type, name: str) -> Any:
    """Find what stands in a class, or in one that it derives from, under a name; `MISSING` if nothing does."""
    for base in _mro_of_class(owner):
        found = _dict_of_class(base).get(name, MISSING)
        if found is not MISSING:
            return found
    return MISSING


def after_class(receiver: Any, owner: type, name: str) -> Any:
    """Find what ``super().name`` would be in a method of ``owner``, as `attribute_of` does."""
    start = receiver_class(receiver)
    order = _mro_of_class(start)
    if owner not in order:
        return MISSING
    for base in order[order.index(owner) + 1 :]:
        found = _dict_of_class(base).get(name, MISSING)
        if found is not MISSING:
            return _of_class(found, start, through=receiver) if start is receiver else _bound(found, receiver, start)
    return MISSING


def receiver_class(receiver: Any) -> type:
    """Return the class in which the attributes of a receiver are found."""
    kind = type(receiver)
    if kind is Instance:
        return receiver.of  # type: ignore[no-any-return]
    return receiver if issubclass(kind, type) else kind


def modules_of(owner: type) -> Iterator[str]:
    """Yield the names of the modules that a class, and what it derives from, were defined in."""
    for base in _mro_of_class(owner):
        module = _dict_of_class(base).get("__module__")
        if isinstance(module, str):
            yield module


def is_class(value: Any) -> bool:
    """Tell whether a value is a class, without asking it for its ``__class__``."""
    return issubclass(type(value), type)


def own_attributes(value: Any) -> dict[str, Any] | None:
    """Return an instance's ``__dict__``; None if it has none, or one that code makes."""
    descriptor = in_class(type(value), "__dict__")
    if type(descriptor) not in (GetSetDescriptorType, MemberDescriptorType):
        return None
    found = descriptor.__get__(value, type(value))
    return found if type(found) is dict else None


def wrapped_in(value: Any) -> Any:
    """Return what a decorated function or a proxy stands for, `MISSING` if it says of nothing."""
    if type(value) is FunctionType:  # Which has no subclasses.
        return getattr(value, "__wrapped__", MISSING)
    own = own_attributes(value)
    if own is not None and "__wrapped__" in own:
        return own["__wrapped__"]
    for base in _mro_of_class(type(value)):
        found: Any = _dict_of_class(base).get("__wrapped__")
        if type(found) in (GetSetDescriptorType, MemberDescriptorType):  # Made by the interpreter: no code runs.
            try:
                return found.__get__(value, type(value))
            except (AttributeError, ValueError):  # A proxy that nothing has been put into.
                return MISSING
    return MISSING


def unwrapped(value: Any) -> Any:
    """Return what is innermost in wrappers and proxies: a plain function, or what says of nothing that is inside."""
    passed: set[int] = set()
    while type(value) is not FunctionType and id(value) not in passed:
        passed.add(id(value))
        inner = wrapped_in(value)
        if inner is MISSING:
            break
        value = inner
    return value


def cell_contents(cell: Any) -> Any:
    """Return what is in a closure's cell, `MISSING` if it is still empty."""
    try:
        return cell.cell_contents
    except ValueError:
        return MISSING


def callables_in(value: Any) -> Iterator[tuple[Any, Any, bool]]:
    """Yield the functions and wrappers that calling a value runs, each with its receiver and whether it is passed."""
    waiting: list[tuple[Any, Any, bool]] = [(value, MISSING, False)]
    while waiting:
        one, receiver, is_reference = waiting.pop()
        kind = type(one)
        if kind is Bound or kind is Getter:
            waiting.append((one.function, one.receiver, is_reference))
        elif kind is FunctionType:
            yield one, receiver, is_reference
        elif kind is MethodType:
            waiting.append((one.__func__, one.__self__, is_reference))
        elif kind is staticmethod or kind is classmethod:
            waiting.append((one.__func__, receiver, is_reference))
        elif issubclass(kind, functools.partial):
            arguments = (*one.args, *one.keywords.values())
            waiting.extend((argument, MISSING, True) for argument in reversed(arguments) if _may_run(argument))
            waiting.append((one.func, receiver, is_reference))
        elif issubclass(kind, functools.partialmethod):
            waiting.append((one.func, receiver, is_reference))
        elif issubclass(kind, type):
            waiting.extend((found, Instance(one), is_reference) for found in _constructors(one))
        elif kind is not ModuleType:
            yield from _called_on(one, receiver, is_reference=is_reference)


def _called_on(value: Any, receiver: Any, *, is_reference: bool) -> Iterator[tuple[Any, Any, bool]]:
    """Yield a wrapper, or what stands in the class of an instance that can be called."""
    if wrapped_in(value) is not MISSING:
        yield value, receiver, is_reference
        return
    call = in_class(type(value), "__call__")
    if type(call) is FunctionType or (call is not MISSING and wrapped_in(call) is not MISSING):
        yield call, value, is_reference


def _constructors(owner: type) -> Iterator[Any]:
    for name in ("__init__", "__new__"):  # The last one comes first.
        found = in_class(owner, name)
        found = found.__func__ if type(found) is staticmethod else found
        if type(found) is FunctionType or (type(found).__module__ != "builtins" and wrapped_in(found) is not MISSING):
            yield found


def _may_run(argument: Any) -> bool:
    """Tell whether an argument is worth a look: a function, a method, a class or something around these."""
    kind = type(argument)
    return issubclass(kind, type) or in_class(kind, "__call__") is not MISSING


def _bound(found: Any, receiver: Any, owner: type) -> Any:
    kind = type(found)
    bind = _BINDING.get(kind)
    if bind is not None:
        return bind(found, receiver, owner)
    if found is not MISSING and wrapped_in(found) is not MISSING:
        return Bound(found, receiver)
    return found if in_class(kind, "__get__") is MISSING else MISSING


def _in_slot(found: Any, receiver: Any, owner: type) -> Any:
    if type(receiver) is Instance:
        return MISSING
    try:
        return found.__get__(receiver, owner)
    except AttributeError:
        return MISSING


_BINDING: Mapping[type, Callable[[Any, Any, type], Any]] = {
    FunctionType: lambda found, receiver, _: Bound(found, receiver),
    staticmethod: lambda found, _receiver, _owner: found.__func__,
    classmethod: lambda found, _, owner: Bound(found.__func__, owner),
    property: lambda found, receiver, _: MISSING if found.fget is None else Getter(found.fget, receiver),
    functools.cached_property: lambda found, receiver, _: Getter(found.func, receiver),
    functools.partialmethod: lambda found, receiver, _: Bound(found, receiver),
    MemberDescriptorType: _in_slot,
}


def _of_class(found: Any, owner: type, *, through: Any = MISSING) -> Any:
    """Return what a class gives for what stands in it; a function waits for an instance of that class."""
    kind = type(found)
    if kind is classmethod:
        return Bound(found.__func__, owner)
    if kind is staticmethod:
        return found.__func__
    if kind is FunctionType or (not issubclass(kind, type) and wrapped_in(found) is not MISSING):
        return Bound(found, Instance(owner) if through is MISSING else through)
    if kind is property or kind is functools.cached_property or kind is functools.partialmethod:
        return MISSING
    return found if issubclass(kind, type) or in_class(kind, "__get__") is MISSING else MISSING
