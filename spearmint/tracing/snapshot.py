"""What is kept of a value for later: copies where it could change, parts where it is large. None of its code runs."""

import dataclasses
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, SecretBytes, SecretStr

from spearmint.config.canonical import DICTS
from spearmint.config.model import Config

_NODES = 1000  # Parts of one value that are looked at.
_DEPTH = 12
_KEY = 64
_BYTES = 65_536  # An array up to this size is copied.
_ATOMS = frozenset({type(None), bool, int, float, complex})
_DICTS = frozenset({*DICTS, Config})
_LISTS = frozenset({list, tuple, set, frozenset})
_ARRAYS = frozenset({"numpy", "pandas", "torch", "polars", "pyarrow", "jax", "jaxlib", "tensorflow", "scipy", "xarray"})


@dataclasses.dataclass(frozen=True, slots=True)
class ObjectFields:
    """The fields of a model or dataclass, as they were.

    Attributes:
        kind: Its class.
        values: From each field's name to a snapshot.
        hidden: Fields that do not show in its repr.
    """

    kind: type
    values: dict[str, Any]
    hidden: frozenset[str]


@dataclasses.dataclass(frozen=True, slots=True)
class Truncated:
    """A part of a value.

    Attributes:
        part: What is kept.
        missing: What is not, in words.
    """

    part: Any
    missing: str


class Snapshotter:
    """Takes the snapshot of one value, within bounds.

    Args:
        max_chars: Characters kept of all texts in it together.
        max_items: Items kept of one container.

    Attributes:
        is_complete: Whether the snapshot is a value equal to the original, of the same types.
    """

    __slots__ = ("_above", "_chars", "_items", "_nodes", "is_complete")

    def __init__(self, max_chars: int, max_items: int) -> None:
        self._chars = max_chars
        self._items = max_items
        self._nodes = _NODES
        self._above: list[int] = []
        self.is_complete = True

    def capture(self, value: Any) -> Any:
        """Return the snapshot of a value."""
        kind = type(value)
        if kind in _ATOMS:
            return value
        if kind is str:
            return self._text(value, "characters")
        self._nodes -= 1
        if self._nodes < 0 or len(self._above) > _DEPTH or id(value) in self._above:
            self.is_complete = False
            return Truncated(None, f"a {kind.__name__} beyond what is kept")
        self._above.append(id(value))
        try:
            return self._composite(kind, value)
        finally:
            self._above.pop()

    def _composite(self, kind: type, value: Any) -> Any:
        if kind in _DICTS:
            return self._dict(value)
        if kind in _LISTS:
            return self._list(kind, value)
        if kind is bytes or kind is bytearray:
            return self._text(bytes(value) if len(value) <= self._chars else value, "bytes")
        if issubclass(kind, SecretStr | SecretBytes):
            return value
        return self._other(kind, value)

    def _other(self, kind: type, value: Any) -> Any:
        self.is_complete = False
        if issubclass(kind, str):
            return self._text(str.__str__(value), "characters")
        if issubclass(kind, BaseModel):
            return self._model(kind, value)
        if dataclasses.is_dataclass(kind):
            return self._dataclass(kind, value)
        return _array(kind, value) if kind.__module__.partition(".")[0] in _ARRAYS else value

    def _text(self, value: Any, unit: str) -> Any:
        length = len(value)
        if length <= self._chars:
            self._chars -= length
            return value
        self.is_complete = False
        part, self._chars = value[: self._chars], 0
        return Truncated(part, f"{length - len(part)} more {unit}")

    def _dict(self, value: dict[Any, Any]) -> Any:
        made: dict[Any, Any] = {}
        cut = 0
        for key, held in value.copy().items():  # A copy in one step, which other threads do not change meanwhile.
            if len(made) >= self._items:
                self.is_complete = False
                return Truncated(made, f"{len(value) - len(made)} more items")
            kept = self._key(key)
            cut += kept is not key
            made[kept] = self.capture(held)
        if cut:
            return Truncated(made, f"the ends of {cut} keys")
        return made if type(value) in (dict, Config) else type(value)(made)

    def _key(self, key: Any) -> Any:
        length = max(self._chars, _KEY)  # Names of parameters and fields stay whole.
        if type(key) is str and len(key) > length:
            self.is_complete = False
            return key[:length]
        return key

    def _list(self, kind: type, value: Any) -> Any:
        part = list(_first(value, self._items))
        taken = [self.capture(held) for held in part]
        if len(part) < len(value):
            self.is_complete = False
            return Truncated(taken, f"{len(value) - len(part)} more items")
        if kind is list:
            return taken
        if kind is tuple:
            return tuple(taken)
        try:
            return kind(taken)
        except TypeError:  # What was frozen in it is a list of fields now.
            self.is_complete = False
            return taken

    def _model(self, kind: type[BaseModel], value: BaseModel) -> ObjectFields:
        shown = kind.model_fields
        held = {**value.__dict__, **(value.__pydantic_extra__ or {})}
        kept = {name: one for name, one in held.items() if name not in shown or not shown[name].exclude}
        hidden = frozenset(name for name in kept if name in shown and not shown[name].repr)
        return ObjectFields(kind, self._values(kept), hidden)

    def _dataclass(self, kind: type, value: Any) -> ObjectFields:
        missing = object()
        declared = dataclasses.fields(kind)
        # By the class's slots or the instance's own dict, so that no `__getattribute__` of the user's runs.
        held = {one.name: _stored(kind, value, one.name, missing) for one in declared}
        hidden = frozenset(one.name for one in declared if not one.repr)
        return ObjectFields(kind, self._values({name: one for name, one in held.items() if one is not missing}), hidden)

    def _values(self, held: dict[str, Any]) -> dict[str, Any]:
        made = {name: self.capture(one) for name, one in _first(held.items(), self._items)}
        if len(held) > len(made):
            made["…"] = Truncated(None, f"{len(held) - len(made)} more fields")
        return made


def _stored(kind: type, value: Any, name: str, missing: object) -> Any:
    try:
        own = object.__getattribute__(value, "__dict__")
    except AttributeError:
        own = {}
    if name in own:
        return own[name]
    slot: Any = next((vars(base)[name] for base in kind.__mro__ if name in vars(base)), missing)
    if type(slot).__name__ != "member_descriptor":
        return slot
    try:
        return slot.__get__(value, kind)
    except AttributeError:
        return missing


def _first(items: Iterable[Any], count: int) -> Iterable[Any]:
    return [one for _, one in zip(range(count), items, strict=False)]


def _array(kind: type, value: Any) -> Any:
    """Return a copy of a small array or table, and what a large one is like."""
    shape = getattr(value, "shape", None)
    size = 8
    for length in shape if isinstance(shape, tuple) else ():
        size *= length if isinstance(length, int) else 1
    if size > _BYTES:
        dtype = getattr(value, "dtype", None)
        return Truncated(None, f"{kind.__name__} of shape {shape}" + ("" if dtype is None else f" and dtype {dtype}"))
    copy = getattr(value, "copy", None)
    return copy() if callable(copy) else value


def snapshot(value: Any, max_chars: int, max_items: int) -> tuple[Any, bool]:
    """Keep a value for later.

    Args:
        value: Any value.
        max_chars: Characters kept of all texts in it together.
        max_items: Items kept of one container.

    Returns:
        The snapshot, and whether it equals the value and has its types. What it knows nothing of stays itself. Where
        taking one fails, a `Truncated` says so.
    """
    camera = Snapshotter(max_chars, max_items)
    try:
        return camera.capture(value), camera.is_complete
    except Exception as error:  # noqa: BLE001 - a value that cannot be kept harms no call
        return Truncated(None, f"a {type(value).__name__} that cannot be read: {type(error).__name__}"), False
