"""What tells arguments apart exactly: two values with equal keys are equal in type, content and order.

What may change and is held twice is told from two that are equal, as a function that changes or compares them tells it.
"""

import pickle
import types
import weakref
from collections.abc import Callable, Hashable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextvars import ContextVar
from dataclasses import is_dataclass
from functools import lru_cache
from itertools import chain
from typing import Any, NamedTuple

from pydantic import BaseModel

from spearmint.registry.experiment import ProxyBase

_LARGEST = 4_000_000  # bytes that are compared
_PROTOCOL = 5
_FEW = 16  # items of a container that is looked through without pickle
_DEPTH = 4  # containers in containers that are
_SHORT = 10_000  # characters that are kept as they are


class UnkeyableError(Exception):
    """A value cannot be told from others by its content. The message says which, and why."""


class TooLargeError(UnkeyableError):
    """A value holds more than is compared."""


class ExactKey(NamedTuple):
    """What a value is recognised by.

    Attributes:
        content: Equal for values that are equal in type, content and order.
        kept: What counts by its identity, which is to be alive as long as the key is in use.
    """

    content: Hashable
    kept: tuple[Any, ...]


def exact_key(value: Any, is_user_code: Callable[[str], bool]) -> ExactKey:
    """Return what a value is recognised by.

    Functions, classes, modules and what libraries make that cannot be pickled, such as the client of a service, count
    by their identity; all else counts by its content.

    Args:
        value: Anything.
        is_user_code: Tells by a module's name whether it is the user's.

    Raises:
        UnkeyableError: If it holds an iterator, an object of the user's that cannot be read, or too much.
    """
    plain = (type(value), value) if type(value) in _EXACT else _plain_key(value, _DEPTH, set())
    if plain is not None:
        return ExactKey(plain, ())
    try:
        return _pickled(value, is_user_code, is_fast=True)
    except UnkeyableError:
        raise
    except (ValueError, RecursionError):
        pass  # It holds itself, or something twice: then what is shared within it counts too.
    except Exception as error:
        raise UnkeyableError(_cause(error)) from error
    try:
        return _pickled(value, is_user_code, is_fast=False)
    except UnkeyableError:
        raise
    except Exception as error:
        raise UnkeyableError(_cause(error)) from error


def _plain_key(value: Any, depth: int, seen: set[int]) -> Hashable:
    """Return what tells a small value of the plainest types from all others, in a tenth of pickle's time; else None."""
    kind = type(value)
    if kind in _EXACT:
        return kind, value
    if kind is float:  # 0.0 equals -0.0, and NaN not itself.
        return kind, value.hex()
    if kind is str or kind is bytes:
        return (kind, value) if len(value) <= _SHORT else None
    if kind not in _CONTAINERS or len(value) > _FEW or not depth or id(value) in seen:
        return None
    if kind is not tuple:
        seen.add(id(value))
    keys: list[Any] = [kind]
    for item in chain(value, value.values()) if kind is dict else value:
        key = _plain_key(item, depth - 1, seen)
        if key is None:
            return None
        keys.append(key)
    return tuple(keys)


_EXACT = frozenset({int, bool, type(None)})  # whose equal values cannot be told apart
_CONTAINERS = frozenset({tuple, list, dict})


def _pickled(value: Any, is_user_code: Callable[[str], bool], *, is_fast: bool) -> ExactKey:
    text = _BoundedText()
    pickler = _ExactPickler(text, is_user_code)
    pickler.fast = is_fast  # Without references to what came before, so that equal values have equal texts.
    pickler.dump(value)
    if is_fast and pickler.holds_twice:
        message = "it holds something twice"
        raise ValueError(message)
    return ExactKey(b"".join(text.parts), tuple(pickler.kept))


def _cause(error: Exception) -> str:
    return f"{error}" if isinstance(error, TypeError | pickle.PicklingError) else f"{type(error).__name__}: {error}"


class _BoundedText:
    """Takes bytes up to a limit."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self._left = _LARGEST

    def write(self, data: Any) -> None:
        self._left -= len(data) if isinstance(data, bytes) else memoryview(data).nbytes
        if self._left < 0:
            message = f"it holds more than {_LARGEST // 10**6} MB"
            raise TooLargeError(message)
        self.parts.append(bytes(data))


class Identical:
    """A value that is to count by its identity, whatever it is.

    Args:
        value: The value.
    """

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


class _ByIdentity:
    """Stands in a key for an object that counts by its identity."""


class _ExactPickler(pickle.Pickler):
    def __init__(self, file: Any, is_user_code: Callable[[str], bool]) -> None:
        super().__init__(file, _PROTOCOL)
        self._is_user_code = is_user_code
        self.kept: list[Any] = []
        self.holds_twice = False
        self._seen: dict[int, Any] = {}  # So they stay alive, as another could get the same id.

    def persistent_id(self, value: Any) -> None:
        """Note what is held twice, of all that is about to be written; nothing is written in another way."""
        kind: Any = type(value)
        if _may_change(kind):
            self.holds_twice = self.holds_twice or id(value) in self._seen
            self._seen[id(value)] = value

    def reducer_override(self, value: Any) -> Any:
        kind = type(value)
        if value is _ByIdentity:
            return NotImplemented
        if kind is Identical:
            return self._identity(value.value)
        if kind is types.FunctionType:
            return self._function(value)
        if kind in _BY_IDENTITY or isinstance(value, type | ProxyBase):
            return self._identity(value)
        if hasattr(kind, "__next__") or hasattr(kind, "__anext__") or hasattr(kind, "__await__"):
            message = f"it holds a {kind.__name__}, which is used up by reading it"
            raise UnkeyableError(message)
        hashable: Any = kind
        if _is_opaque(hashable, self._is_user_code) and not _can_be_pickled(value):
            return self._identity(value)
        return NotImplemented

    def _identity(self, value: Any) -> Any:
        self.kept.append(value)
        return _ByIdentity, (id(value),)

    def _function(self, function: types.FunctionType) -> Any:
        if function.__closure__ is None and not function.__defaults__ and not function.__kwdefaults__:
            return self._identity(function)
        self.kept.append(function.__code__)
        cells = [_held(cell) for cell in function.__closure__ or ()]
        return _ByIdentity, (id(function.__code__), cells, function.__defaults__, function.__kwdefaults__)


def _held(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not assigned yet
        return _ByIdentity


_BY_IDENTITY = frozenset(
    {object, types.ModuleType, types.BuiltinFunctionType, types.MethodDescriptorType, types.CodeType, ContextVar}
)


@lru_cache(maxsize=10_000)
def _may_change(kind: type) -> bool:
    """Tell whether an object of a class may change, as far as its hash tells; those that count by identity aside."""
    if kind is types.FunctionType or kind is Identical or kind in _BY_IDENTITY or issubclass(kind, type | ProxyBase):
        return False
    return kind.__hash__ is None or kind.__hash__ is object.__hash__


@lru_cache(maxsize=10_000)
def _is_opaque(kind: type, is_user_code: Callable[[str], bool]) -> bool:
    """Tell whether objects of a class are a library's, and none that merely hold values."""
    is_container = issubclass(kind, Mapping | Sequence | AbstractSet | BaseModel) or is_dataclass(kind)
    is_array = any(hasattr(kind, name) for name in ("__array__", "__dataframe__", "__dlpack__"))
    is_partial = kind.__module__ in ("functools", "collections", "builtins")
    return not (is_container or is_array or is_partial or kind is types.MethodType or is_user_code(kind.__module__))


_unpicklable: "weakref.WeakKeyDictionary[type, None]" = weakref.WeakKeyDictionary()


def _can_be_pickled(value: Any) -> bool:
    """Tell whether an object of a library has content; of a class that once had none, no object is tried again."""
    if type(value) in _unpicklable:
        return False
    try:
        pickle.Pickler(_BoundedText(), _PROTOCOL).dump(value)
    except TooLargeError:
        raise
    except Exception:  # noqa: BLE001 - a reducer of a library's may raise anything
        _unpicklable[type(value)] = None
        return False
    return True


def check_size(value: Any) -> None:
    """Refuse a value that holds too much to be copied for each cell, arrays not counted, which are copied fast.

    Raises:
        TooLargeError: If it does.
    """
    try:
        pickle.Pickler(_BoundedText(), _PROTOCOL, buffer_callback=lambda _: None).dump(value)
    except TooLargeError:
        raise
    except Exception:  # noqa: BLE001 - what cannot be pickled may be copied in other ways
        return


def is_plain(value: Any) -> bool:
    """Tell whether a value consists of the plainest types alone, which pickle copies exactly."""
    try:
        _PlainPickler(_BoundedText(), _PROTOCOL).dump(value)
    except Exception:  # noqa: BLE001 - all else is not plain
        return False
    return True


class _PlainPickler(pickle.Pickler):
    def reducer_override(self, value: Any) -> Any:
        raise UnkeyableError(type(value).__name__)
