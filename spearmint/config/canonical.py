"""The canonical form of a config: one text for one content, the same in every process."""

import builtins
import dataclasses
import functools
import hashlib
import inspect
import json
import re
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from pathlib import PurePath
from typing import Any, get_args, get_origin
from uuid import UUID

from pydantic import BaseModel, SecretBytes, SecretStr

from spearmint.errors import ConfigError
from spearmint.giving_way import give_way

MAX_DEPTH = 100
"""How deep a config may nest: far beyond real configs, far below what exhausts the stack."""
DICTS: tuple[type[dict[Any, Any]], ...] = (dict, vars(builtins).get("frozendict", dict))
"""What stands for a mapping inside a config; `frozendict`, new in CPython 3.15, does not derive from dict."""

_TAG = "$canonical"
_ATOMS = (str, int, float, bool, type(None))
_ADDRESSES = (IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network)

_NUMPY_NUMBERS = "?bBiufc"
_Path = tuple[str, ...]

_text = json.JSONEncoder(sort_keys=True).encode


@dataclasses.dataclass(frozen=True, slots=True)
class _Form:
    """How the values of some types become a type-tagged structure.

    Attributes:
        types: What is treated so.
        label: Text that tells values apart, from the value.
        content: Further values that tell them apart, from the value; they become canonical in turn.
    """

    types: tuple[type, ...]
    label: Callable[[Any], str]
    content: Callable[[Any], Any] = lambda _: None


def _name(thing: Any) -> str:
    return f"{getattr(thing, '__module__', None)}:{thing.__qualname__}"


def _class_name(value: Any) -> str:
    return _name(type(value))


def _fields(instance: Any) -> dict[str, Any]:
    return {field.name: getattr(instance, field.name) for field in dataclasses.fields(instance)}


_FORMS = {
    "enum": _Form((Enum,), lambda member: f"{_class_name(member)}.{member.name}"),
    "path": _Form((PurePath,), PurePath.as_posix),
    "datetime": _Form((datetime,), datetime.isoformat),  # before date, its base
    "date": _Form((date,), date.isoformat),
    "time": _Form((time,), time.isoformat),
    "timedelta": _Form((timedelta,), lambda delta: f"{delta.days},{delta.seconds},{delta.microseconds}"),
    "text": _Form((Decimal, Fraction, UUID, *_ADDRESSES), _class_name, str),
    "bytes": _Form((bytes,), bytes.hex),
    "bytearray": _Form((bytearray,), bytearray.hex),
    "complex": _Form((complex,), lambda _: "", lambda number: [number.real, number.imag]),
    "range": _Form((range,), lambda _: "", lambda numbers: [numbers.start, numbers.stop, numbers.step]),
    "pattern": _Form((re.Pattern,), lambda pattern: str(pattern.flags), lambda pattern: pattern.pattern),
    "secret": _Form((SecretStr, SecretBytes), _class_name, lambda secret: secret.get_secret_value()),
    "model": _Form((BaseModel,), _class_name, dict),
    "mapping": _Form((Mapping,), _class_name, dict),
    "partial": _Form((functools.partial,), _class_name, lambda call: [call.func, call.args, call.keywords]),
    "method": _Form((types.MethodType,), lambda _: "", lambda method: [method.__func__, method.__self__]),
}


def canonical_text(config: Mapping[Any, Any]) -> str:
    """Return a text that says what a config holds, for configs that JSON cannot say.

    What JSON can say stays as JSON says it. Everything else becomes a structure tagged with its type, and the text of a
    config that holds one begins with a word that no JSON text begins with.

    Args:
        config: Any mapping.

    Returns:
        The same text in every process for the same content.

    Raises:
        ConfigError: A value has no such form, or the config contains itself.
    """
    give_way()
    writer = _Writer()
    form = writer.form(dict(config), ())
    try:
        text = _text(form)
    except ValueError as error:  # an integer of more digits than Python converts
        raise _unidentifiable((), str(error)) from error
    return f"canonical {text}" if writer.has_tagged else text


class _Writer:
    """One walk over one config.

    Attributes:
        has_tagged: Whether something was met that JSON cannot say.
    """

    def __init__(self) -> None:
        self.has_tagged = False
        self._open: set[int] = set()

    def form(self, value: Any, path: _Path) -> Any:
        """Return the canonical form of a value: what JSON can say."""
        if isinstance(value, _ATOMS):
            return value
        with self._entered(value, path):
            if isinstance(value, DICTS):
                return self._mapping(value, path)
            if isinstance(value, list | tuple):
                return [self.form(item, (*path, str(index))) for index, item in enumerate(value)]
            if isinstance(value, set | frozenset):
                return self._tagged("set", "", sorted(_text(self.form(item, path)) for item in value))
            numpy = sys.modules.get("numpy")
            if numpy is not None and isinstance(value, numpy.generic | numpy.ndarray):
                return self._numpy(value, path)
            return self._other(value, path)

    @contextmanager
    def _entered(self, value: Any, path: _Path) -> Iterator[None]:
        if id(value) in self._open:
            raise _unidentifiable(path, "it contains itself")
        if len(path) > MAX_DEPTH:
            raise _unidentifiable(path[:3], f"it is nested deeper than {MAX_DEPTH} levels")
        self._open.add(id(value))
        try:
            yield
        finally:
            self._open.discard(id(value))

    def _tagged(self, kind: str, label: str, content: Any) -> dict[str, Any]:
        self.has_tagged = True
        return {_TAG: [kind, label, content]}

    def _mapping(self, mapping: dict[Any, Any], path: _Path) -> Any:
        if _has_json_keys(mapping):
            return {key: self.form(value, (*path, str(key))) for key, value in mapping.items()}
        pairs = [(self.form(key, path), self.form(value, (*path, str(key)))) for key, value in mapping.items()]
        return self._tagged("pairs", "", sorted(pairs, key=_text))

    def _numpy(self, value: Any, path: _Path) -> Any:
        if value.ndim == 0 and value.dtype.kind in _NUMPY_NUMBERS and type(value.item()) is not type(value):
            return self.form(value.item(), path)
        if value.dtype.hasobject:
            return self._tagged("array", str(value.shape), self.form(value.tolist(), path))
        digest = hashlib.sha256(value.tobytes()).hexdigest()
        return self._tagged("array", str(value.shape), [str(value.dtype), digest])

    def _other(self, value: Any, path: _Path) -> Any:
        # Importing pydantic's URLs brings a third more modules; who has one has imported them.
        networks = sys.modules.get("pydantic.networks")
        if networks is not None and isinstance(value, networks.AnyUrl):
            return self._tagged("text", _class_name(value), str(value))
        for kind, form in _FORMS.items():
            if isinstance(value, form.types):
                return self._tagged(kind, form.label(value), self.form(form.content(value), path))
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return self._tagged("dataclass", _class_name(value), self.form(_fields(value), path))
        if get_origin(value) is not None:  # list[int] says that it is named "list"
            return self._tagged("generic", "", self.form([get_origin(value), *get_args(value)], path))
        if isinstance(value, types.FunctionType):
            return self._function(value, path)
        if callable(value) and isinstance(getattr(value, "__qualname__", None), str):
            return self._named(value, path)
        raise _unidentifiable(path, f"its type {type(value).__name__} has no form that is the same in every process")

    def _function(self, function: types.FunctionType, path: _Path) -> Any:
        if function.__name__ == "<lambda>":
            raise _unidentifiable(path, "a lambda has no name that tells it from others")
        content = self.form(_local_state(function), path) if "<locals>" in function.__qualname__ else None
        return self._tagged("function", _name(function), content)

    def _named(self, value: Any, path: _Path) -> Any:
        """Return the form of a class or a builtin; a builtin bound to an object is told apart by that object."""
        owner = getattr(value, "__self__", None)
        content = None if owner is None or inspect.ismodule(owner) else self.form(owner, path)
        home = getattr(value, "__objclass__", value)  # a method of a builtin type knows its class, not its module
        return self._tagged("named", f"{getattr(home, '__module__', None)}:{value.__qualname__}", content)


def _has_json_keys(mapping: dict[Any, Any]) -> bool:
    if _TAG in mapping or not all(isinstance(key, _ATOMS) for key in mapping):
        return False
    try:
        sorted(mapping)
    except TypeError:  # JSON says 1 and "1" alike, and cannot sort them
        return False
    return True


def _local_state(function: types.FunctionType) -> dict[str, Any]:
    """Return what tells two functions apart that one definition made."""
    closure = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            held = cell.cell_contents
        except ValueError:  # not assigned yet
            continue
        if held is not function:  # a function that calls itself
            closure[name] = held
    return {"closure": closure, "defaults": function.__defaults__, "keyword_defaults": function.__kwdefaults__}


def _unidentifiable(path: _Path, reason: str) -> ConfigError:
    place = f"the value at {'.'.join(path)!r}" if path else "the config"
    return ConfigError(f'Cannot identify {place}: {reason}. Give the config an id of its own under "__config_id__".')
