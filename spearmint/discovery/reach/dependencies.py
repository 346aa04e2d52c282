"""What a result was read from, so that one can tell later whether it still holds."""

from collections.abc import Callable
from operator import is_
from typing import Any

_AT_ONCE = 128  # names that one check looks at: some microseconds
_WEIGHT = 8  # A reading takes as long as so many names.

Get = Callable[[str], Any]
Read = Callable[..., Any]


class Dependencies:
    """Names in namespaces with what they stood for, and other readings with what they gave.

    A check looks at a bounded number of them, in turn, so that it costs the same however many there are.
    """

    __slots__ = ("_names", "_next", "_readings", "_rounds")

    def __init__(self) -> None:
        self._names: dict[int, tuple[Get, dict[str, Any]]] = {}
        self._readings: dict[tuple[Any, ...], tuple[Read, tuple[Any, ...], Any]] = {}
        self._rounds: list[list[Callable[[], bool]]] = []
        self._next = 0

    def name(self, namespace: dict[str, Any], name: str, value: Any) -> None:
        """Watch what a name stands for in a namespace; None where it is not there."""
        watched = self._names.get(id(namespace))
        if watched is None:
            watched = self._names[id(namespace)] = (namespace.get, {})
        watched[1][name] = value

    def add_read(self, read: Read, arguments: tuple[Any, ...], value: Any) -> None:
        """Watch what a function gives, which is quick and runs no code of the user's."""
        self._readings[(read, *(argument if isinstance(argument, str) else id(argument) for argument in arguments))] = (
            read,
            arguments,
            value,
        )

    def spot_check(self) -> bool:
        """Check the next few, and tell whether these are as they were."""
        batches = self._rounds or self._prepare()
        turn = self._next = (self._next + 1) % len(batches)
        return all(check() for check in batches[turn])

    def is_valid(self) -> bool:
        """Tell whether everything is as it was."""
        return all(check() for checks in self._rounds or self._prepare() for check in checks)

    def _prepare(self) -> list[list[Callable[[], bool]]]:
        checks: list[tuple[int, Callable[[], bool]]] = []
        for get, values in self._names.values():
            names, stood_for = tuple(values), tuple(values.values())
            for start in range(0, len(names), _AT_ONCE):
                end = start + _AT_ONCE
                part = names[start:end]
                checks.append((len(part), _check_of_names(get, part, stood_for[start:end])))
        checks.extend((_WEIGHT, _check_of_reading(*reading)) for reading in self._readings.values())
        batches: list[list[Callable[[], bool]]] = [[]]
        weight = 0
        for cost, check in checks:
            if weight + cost > _AT_ONCE and batches[-1]:
                batches.append([])
                weight = 0
            batches[-1].append(check)
            weight += cost
        self._rounds = batches
        return batches


def _check_of_names(get: Get, names: tuple[str, ...], values: tuple[Any, ...]) -> Callable[[], bool]:
    return lambda: all(map(is_, map(get, names), values))


def _check_of_reading(read: Read, arguments: tuple[Any, ...], value: Any) -> Callable[[], bool]:
    return lambda: read(*arguments) is value
