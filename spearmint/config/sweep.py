"""Sweeps: from one mapping with alternatives in it to the configs of their product."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import islice
from threading import RLock
from typing import Any, Generic, TypeVar, cast, overload

from spearmint.config.canonical import MAX_DEPTH
from spearmint.config.model import ATOMS, MAPPINGS, Config, assemble, give_id, given_id, rebuilt_tuple, take_id
from spearmint.errors import ConfigError

T = TypeVar("T")

SWEEP_KEY = "$sweep"
RANGE_KEY = "$range"

_RANGE_KEYS = ("start", "stop", "step")
_SHOWN = 10
_DONE = object()

_Path = tuple[str, ...]
_Axis = tuple["DynamicValue[Any]", _Path]


class DynamicValue(Generic[T]):
    """Alternatives for one place in a config: each config of the expansion has one of them there.

    An alternative may hold further alternatives. What can be iterated only once, such as a generator, is consumed as
    far as it is needed and remembered, so that a second use gives the same values; it may be endless where nobody asks
    for its end. A set has no order that is the same in every process: sort it first.

    Args:
        values: The alternatives, in order.

    Raises:
        ConfigError: The argument is text, bytes or a mapping, or cannot be iterated.

    Examples:
        >>> [config.k for config in generate_configurations({"k": DynamicValue([5, 10])})]
        [5, 10]
    """

    __slots__ = ("_values",)

    def __init__(self, values: Iterable[T]) -> None:
        if isinstance(values, str | bytes | bytearray | Mapping):
            msg = f"Cannot sweep over {values!r}: it is one value. Put the alternatives into a list."
            raise ConfigError(msg)
        try:
            source = iter(values)
        except TypeError as error:
            msg = f"Cannot sweep over {values!r}: it cannot be iterated. Put the alternatives into a list."
            raise ConfigError(msg) from error
        self._values: Iterable[T]
        if isinstance(values, list):
            self._values = tuple(values)
        elif isinstance(values, tuple | range | _FloatRange):
            self._values = cast("Iterable[T]", values)
        else:
            self._values = _Remembered(source)

    def __iter__(self) -> Iterator[T]:
        return iter(self._values)

    def __repr__(self) -> str:
        is_open = isinstance(self._values, _Remembered) and not self._values.is_complete
        known = self._values.pulled if isinstance(self._values, _Remembered) else self._values
        shown = [repr(value) for value in islice(known, _SHOWN + 1)]
        if is_open or len(shown) > _SHOWN:
            shown[_SHOWN:] = ["..."]
        return f"DynamicValue([{', '.join(shown)}])"


class _Remembered(Iterable[T]):
    """What an iterator gave so far, and the way to get the rest; several threads may read it.

    Attributes:
        pulled: The values so far.
        is_complete: Whether there are no more.
    """

    def __init__(self, source: Iterator[T]) -> None:
        self.pulled: list[T] = []
        self.is_complete = False
        self._source = source
        self._failure: BaseException | None = None
        self._lock = RLock()

    def __iter__(self) -> Iterator[T]:
        index = 0
        while index < len(self.pulled) or self._pull(index):
            yield self.pulled[index]
            index += 1

    def _pull(self, index: int) -> bool:
        """Get one more value unless another thread already has; tell whether there is one at the index."""
        with self._lock:
            if index < len(self.pulled) or self.is_complete:
                return index < len(self.pulled)
            if self._failure is not None:  # a generator that raised ends, which must not look like its values' end
                msg = f"Cannot go on with a sweep: its iterable raised {self._failure!r} before. Mend the iterable."
                raise ConfigError(msg) from self._failure
            try:
                self.pulled.append(next(self._source))
            except StopIteration:
                self.is_complete = True
                return False
            except BaseException as error:
                self._failure = error
                raise
            return True


class _FloatRange(Sequence[float]):
    """As `range`, in steps that are exact in decimal notation: 0.1, 0.2, 0.3."""

    def __init__(self, start: float, stop: float, step: float) -> None:
        self._start, self._step = Fraction(repr(start)), Fraction(repr(step))
        self._length = max(0, math.ceil((Fraction(repr(stop)) - self._start) / self._step))

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> float: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[float]: ...
    def __getitem__(self, index: int | slice) -> float | Sequence[float]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(self._length))]
        if not 0 <= index < self._length:
            raise IndexError(index)
        return float(self._start + index * self._step)


def generate_configurations(config: Mapping[str, Any]) -> Iterator[Config]:
    """Expand a mapping into one config for each combination of its alternatives.

    Alternatives are a `DynamicValue`, or what files say: a mapping with the one key ``"$sweep"`` and a list, or with
    the one key ``"$range"`` and ``{"start": 0, "stop": 10, "step": 2}`` in the meaning of Python's `range`. They may
    stand anywhere, also in lists and in one another. The combinations come in the order of `itertools.product` over
    the keys, the last key fastest, and are made one by one.

    Args:
        config: Any mapping. It is not changed.

    Returns:
        The configs, lazily. Dicts, lists and tuples belong to one config each; other values are shared by all.

    Raises:
        ConfigError: There is nothing to choose from somewhere, a range is malformed, or the mapping contains itself.

    Examples:
        >>> grid = {"k": DynamicValue([5, 10]), "b": {"$range": {"start": 0.1, "stop": 0.3, "step": 0.1}}}
        >>> [(config.k, config.b) for config in generate_configurations(grid)]
        [(5, 0.1), (5, 0.2), (10, 0.1), (10, 0.2)]
    """
    if not isinstance(config, MAPPINGS):
        msg = f"Cannot expand {config!r}: it is no mapping. Give a config, or a dict."
        raise ConfigError(msg)
    axes: list[_Axis] = []
    template = _template(dict(config), (), axes)
    return _configs(template, axes, given_id(config))


def _configs(template: Any, axes: list[_Axis], config_id: str | None) -> Iterator[Config]:
    for row in _rows(axes):
        config = _filled(template, iter(row))
        if not isinstance(config, Config):
            msg = f"Cannot use {config!r} as a config: it is no mapping. Sweep over mappings here."
            raise ConfigError(msg)
        take_id(config)
        if config_id is not None:
            give_id(config, config_id)
        yield config


def _template(value: Any, path: _Path, axes: list[_Axis]) -> Any:
    """Return a value with each sweep in it as a `DynamicValue`, and add these to the axes in the order of the keys."""
    if type(value) in ATOMS:
        return value
    if len(path) > MAX_DEPTH:
        raise _inexpandable(path[:3], f"it is nested deeper than {MAX_DEPTH} levels, or contains itself", "Flatten it")
    sweep = _sweep(value, path)
    if sweep is not None:
        axes.append((sweep, path))
        return sweep
    if isinstance(value, dict):
        return {key: _template(item, (*path, str(key)), axes) for key, item in value.items()}
    if isinstance(value, list):
        return [_template(item, (*path, str(index)), axes) for index, item in enumerate(value)]
    if isinstance(value, tuple):
        return rebuilt_tuple(value, [_template(item, (*path, str(index)), axes) for index, item in enumerate(value)])
    return value


def _sweep(value: Any, path: _Path) -> "DynamicValue[Any] | None":
    """Return the alternatives that a value stands for, however it says so; None for a value that is itself."""
    if isinstance(value, DynamicValue):
        return value
    if not isinstance(value, dict) or len(value) != 1:
        return None
    if SWEEP_KEY in value:
        alternatives = value[SWEEP_KEY]
        if isinstance(alternatives, list | tuple):
            return DynamicValue(alternatives)
        raise _inexpandable(path, f"{SWEEP_KEY!r} has {alternatives!r}", "Give it a list")
    if RANGE_KEY in value:
        return DynamicValue(_range(value[RANGE_KEY], path))
    return None


def _range(limits: Any, path: _Path) -> Sequence[float]:
    if not isinstance(limits, dict):
        raise _inexpandable(path, f"{RANGE_KEY!r} has {limits!r}", "Give it a mapping with start, stop and step")
    unknown = [key for key in limits if key not in _RANGE_KEYS]
    if unknown or "stop" not in limits:
        cause = f"the range has an unknown key {unknown[0]!r}" if unknown else "the range has no stop"
        raise _inexpandable(path, cause, "The keys are start (default 0), stop and step (default 1)")
    start, stop, step = limits.get("start", 0), limits["stop"], limits.get("step", 1)
    for key, number in zip(_RANGE_KEYS, (start, stop, step), strict=True):
        if type(number) not in (int, float) or not math.isfinite(number):
            raise _inexpandable(path, f"the range's {key} is {number!r}", "Give it a finite number")
    if step == 0:
        raise _inexpandable(path, "the range's step is 0", "Give it another step")
    if all(type(number) is int for number in (start, stop, step)):
        return range(start, stop, step)
    return _FloatRange(start, stop, step)


def _rows(axes: list[_Axis]) -> Iterator[list[Any]]:
    """Yield each combination, always in the same list, as an odometer counts.

    `itertools.product` would read every axis to its end before its first row.
    """
    wheels = [_alternatives(sweep, path) for sweep, path in axes]
    row = [next(wheel) for wheel in wheels]
    places = range(len(axes) - 1, -1, -1)
    is_turning = True
    while is_turning:
        yield row
        is_turning = False
        for place in places:
            value = next(wheels[place], _DONE)
            if value is not _DONE:
                row[place] = value
                is_turning = True
                break
            wheels[place] = _alternatives(*axes[place])
            row[place] = next(wheels[place])


def _alternatives(sweep: "DynamicValue[Any]", path: _Path) -> Iterator[Any]:
    """Yield at least one value: what the sweep holds, and in place of what holds sweeps what these expand to."""
    is_empty = True
    for alternative in sweep:
        if type(alternative) in ATOMS:
            is_empty = False
            yield alternative
            continue
        axes: list[_Axis] = []
        template = _template(alternative, path, axes)
        for row in _rows(axes):
            is_empty = False
            yield _filled(template, iter(row))
    if is_empty:
        raise _inexpandable(path, "there is nothing to choose from", "Give the sweep at least one value")


def _filled(template: Any, row: Iterator[Any]) -> Any:
    """Return a template with new containers, and with the next value of the row in place of each sweep."""
    if isinstance(template, DynamicValue):
        return _filled(next(row), row)
    if isinstance(template, dict):
        config = assemble(())
        for key, part in template.items():
            value = next(row) if type(part) is DynamicValue else part
            config[key] = value if type(value) in ATOMS else _filled(value, row)
        return config
    if isinstance(template, list):
        return [_filled(item, row) for item in template]
    if isinstance(template, tuple):
        return rebuilt_tuple(template, [_filled(item, row) for item in template])
    return template


def _inexpandable(path: _Path, cause: str, advice: str) -> ConfigError:
    place = repr(".".join(path)) if path else "the config"
    return ConfigError(f"Cannot expand {place}: {cause}. {advice}.")
