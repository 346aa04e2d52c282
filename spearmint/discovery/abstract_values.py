"""What an expression may evaluate to, as far as names tell: the one model that both extractors compute with."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeAlias


class Marker(Enum):
    """Values without a name that the extractors must tell from an unknown value."""

    NULL = auto()
    """The empty slot beside the callee of a plain call."""
    SELF = auto()
    """The instance beside the callee of a method call."""
    INTERNAL = auto()
    """A callee of the compiler's own making: a new function, `__build_class__`, the error of an `assert`."""


@dataclass(frozen=True, slots=True)
class Union:
    """Several things at once.

    Attributes:
        names: The names that the value may be known by, one for each branch that gives one.
        items: The names in it, if it is a list, tuple, set or dict that the expression writes out.
    """

    names: frozenset[str]
    items: frozenset[str]


Value: TypeAlias = str | Union | Marker | None

_NOTHING: frozenset[str] = frozenset()


def names_of(value: Value) -> Iterable[str]:
    """Give the names that the value may be known by."""
    if isinstance(value, str):
        return (value,)
    return value.names if isinstance(value, Union) else ()


def items_of(value: Value) -> frozenset[str]:
    """Give the names that the value, if it is a written-out container, holds."""
    return value.items if isinstance(value, Union) else _NOTHING


def merge(one: Value, other: Value) -> Value:
    """Join the values that two branches leave in one place."""
    if one == other:
        return one
    if one is None or isinstance(one, Marker):
        return None if isinstance(other, Marker) else other
    if other is None or isinstance(other, Marker):
        return one
    return Union(frozenset(names_of(one)).union(names_of(other)), items_of(one) | items_of(other))


def attribute(value: Value, name: str) -> Value:
    """Look an attribute up on a value."""
    if isinstance(value, str):
        return f"{value}.{name}"
    if isinstance(value, Union) and value.names:
        return Union(frozenset(f"{base}.{name}" for base in value.names), _NOTHING)
    return None


def result(callee: Value) -> Value:
    """Give the value of a call; only what a dotted name returns has a name, so chains end after one call."""
    if isinstance(callee, str):
        return None if "(" in callee else f"{callee}()"
    if isinstance(callee, Union):
        names = frozenset(f"{name}()" for name in callee.names if "(" not in name)
        return Union(names, _NOTHING) if names else None
    return None


def container_of(container: Value, values: Iterable[Value] = (), others: Iterable[Value] = ()) -> Value:
    """Give the written-out container that holds also `values`, and the items of the containers `others`."""
    items = set(items_of(container))
    for value in values:
        items.update(names_of(value))
        items |= items_of(value)
    for other in others:
        items |= items_of(other)
    return Union(_NOTHING, frozenset(items)) if items else None
