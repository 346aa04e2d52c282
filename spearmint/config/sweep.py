"""Sweeps: the alternatives for one place in a config."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import islice
from threading import RLock
from typing import Any, Generic, TypeVar, cast, overload

from spearmint.errors import ConfigError
from spearmint.redaction import redactor

T = TypeVar("T")

SWEEP_KEY = "$sweep"
RANGE_KEY = "$range"
FLOAT_RANGE_KEY = "$float_range"

_RANGE_KEYS = ("start", "stop", "step")
_SHOWN = 10


class DynamicValue(Generic[T]):
    """Alternatives for one place in a config: each config of the expansion has one of them there.

    An alternative may hold further alternatives. What can be iterated only once, such as a generator, is consumed as
    far as it is needed and remembered, so that a second use gives the same values; it may be endless where nothing asks
    for its end. A set has no order that is the same in every process: sort it first.

    Args:
        values: The alternatives, in order.

    Raises:
        ConfigError: The argument is text, bytes or a mapping, or cannot be iterated.

    Examples:
        >>> DynamicValue([5, 10])
        DynamicValue([5, 10])
    """

    __slots__ = ("_values",)

    def __init__(self, values: Iterable[T]) -> None:
        if isinstance(values, str | bytes | bytearray | Mapping):
            msg = f"Cannot sweep over {_shown(values)}: it is one value. Put the alternatives into a list."
            raise ConfigError(msg)
        try:
            source = iter(values)
        except TypeError as error:
            msg = f"Cannot sweep over {_shown(values)}: it cannot be iterated. Put the alternatives into a list."
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

    @property
    def known_length(self) -> int:
        """How many alternatives there are at least; of an iterator, how many it has given so far."""
        values = self._values
        if isinstance(values, range):  # whose `len` ends at sys.maxsize
            return max(0, (values[-1] - values.start) // values.step + 1) if values else 0
        if isinstance(values, _FloatRange):
            return values.length
        return len(values.pulled if isinstance(values, _Remembered) else cast("tuple[T, ...]", values))

    def __repr__(self) -> str:
        is_open = isinstance(self._values, _Remembered) and not self._values.is_complete
        known = self._values.pulled if isinstance(self._values, _Remembered) else self._values
        shown = [repr(value) for value in islice(known, _SHOWN + 1)]
        if is_open or len(shown) > _SHOWN:
            shown[_SHOWN:] = ["..."]
        return f"DynamicValue([{', '.join(shown)}])"


class Range(DynamicValue[float]):
    """All numbers between two, of which `spearmint.Spearmint.search` tries some; elsewhere the lower one stands there.

    Args:
        low: The lowest number.
        high: The highest.
        log: Whether numbers are as far apart as their logarithms are; ``low`` is above 0 then.

    Raises:
        ConfigError: If these are no finite numbers, the lower one first.

    Examples:
        >>> Range(0.0, 1.0)
        Range(0.0, 1.0, log=False)
    """

    __slots__ = ("high", "log", "low")

    def __init__(self, low: float, high: float, *, log: bool = False) -> None:
        for number in (low, high):
            if type(number) not in (int, float) or not math.isfinite(number):
                raise ConfigError(f"Cannot search between {low!r} and {high!r}: {number!r} is no finite number.")
        if not low < high or (log and low <= 0):
            needed = "0 < low < high" if log else "low < high"
            raise ConfigError(f"Cannot search between {low!r} and {high!r}: there is to be {needed}.")
        super().__init__([float(low)])
        self.low, self.high, self.log = float(low), float(high), log

    def __repr__(self) -> str:
        return f"Range({self.low!r}, {self.high!r}, log={self.log!r})"

    def at(self, share: float) -> float:
        """Return the number at a share of the way from the lowest to the highest, to 12 digits."""
        if self.log:
            number = math.exp(math.log(self.low) + share * (math.log(self.high) - math.log(self.low)))
        else:
            number = self.low + share * (self.high - self.low)
        return min(self.high, max(self.low, float(f"{number:.12g}")))  # the same there and back again

    def share_of(self, number: float) -> float:
        """Return how far along the way a number stands, from 0 to 1."""
        if self.log:
            return (math.log(number) - math.log(self.low)) / (math.log(self.high) - math.log(self.low))
        return (number - self.low) / (self.high - self.low)


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
        self.length = max(0, math.ceil((Fraction(repr(stop)) - self._start) / self._step))

    def __len__(self) -> int:
        return self.length

    @overload
    def __getitem__(self, index: int) -> float: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[float]: ...
    def __getitem__(self, index: int | slice) -> float | Sequence[float]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(self.length))]
        if not 0 <= index < self.length:
            raise IndexError(index)
        return float(self._start + index * self._step)


def _shown(value: Any) -> str:
    return f"{redactor().hide(repr(value)):.80}"


class RangeError(ValueError):
    """A range is malformed.

    Attributes:
        cause: What is wrong.
        advice: What to do about it.
    """

    def __init__(self, cause: str, advice: str) -> None:
        super().__init__(f"{cause}. {advice}.")
        self.cause = cause
        self.advice = advice


def make_range(limits: Any) -> Sequence[float]:
    """Return the numbers of a range as files say it: a mapping with ``stop`` and perhaps ``start`` and ``step``."""
    if not isinstance(limits, dict):
        raise RangeError(f"{RANGE_KEY!r} has {limits!r}", "Give it a mapping with start, stop and step")
    unknown = [key for key in limits if key not in _RANGE_KEYS]
    if unknown or "stop" not in limits:
        cause = f"the range has an unknown key {unknown[0]!r}" if unknown else "the range has no stop"
        raise RangeError(cause, "The keys are start (default 0), stop and step (default 1)")
    start, stop, step = limits.get("start", 0), limits["stop"], limits.get("step", 1)
    for key, number in zip(_RANGE_KEYS, (start, stop, step), strict=True):
        if type(number) not in (int, float) or not math.isfinite(number):
            raise RangeError(f"the range's {key} is {number!r}", "Give it a finite number")
    if step == 0:
        raise RangeError("the range's step is 0", "Give it another step")
    if all(type(number) is int for number in (start, stop, step)):
        return range(start, stop, step)
    return _FloatRange(start, stop, step)


def make_float_range(limits: Any) -> Range:
    """Return the range that files say by a mapping with ``low``, ``high`` and perhaps ``log``."""
    if not isinstance(limits, dict) or not {"low", "high"} <= set(limits) <= {"low", "high", "log"}:
        raise RangeError(f"{FLOAT_RANGE_KEY!r} has {limits!r}", "Give it a mapping with low, high and perhaps log")
    try:
        return Range(limits["low"], limits["high"], log=bool(limits.get("log", False)))
    except ConfigError as error:
        raise RangeError(str(error).rstrip("."), "Give other limits") from None
