"""Outputs as JSON text from which they can be made again exactly; not of every type can they."""

import base64
import dataclasses
import hashlib
import json
import math
import pickle
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from pydantic import BaseModel

DIGEST_BYTES = 16

_TAG = "$type"
_PICKLE, _END = '{"$type": "pickle", "value": "', '"}'
_SHOWN = 100
_ATOMS = frozenset({str, int, bool, type(None)})


@dataclass(frozen=True, slots=True)
class _Codec:
    """How values of some types are written and made again.

    Attributes:
        handles: Tells whether it is for a value.
        write: Returns what JSON can say, from a value.
        read: Returns the value again.
    """

    handles: Callable[[Any], bool]
    write: Callable[[Any], Any]
    read: Callable[[Any], Any]


def encode_output(value: Any, *, pickles: bool = False) -> str | None:
    """Return an output as JSON text; None if it holds what could not be made again.

    Args:
        value: The output.
        pickles: Whether to pickle what JSON cannot say.
    """
    try:
        if type(value) is int:  # in a fifth of the time
            return int.__repr__(value)
        return json.dumps(_encoded(value), allow_nan=True)
    except Exception:  # noqa: BLE001 - a value of the user's may refuse in any way, or hold itself
        return _pickled(value) if pickles else None


def decode_output(text: str, *, pickles: bool = False) -> Any:
    """Return the output again; it raises where a class in it is not there any more, or is another.

    Args:
        text: What `encode_output` has returned.
        pickles: Whether it may be a pickle, whose reading runs what its writer put there.
    """
    if is_pickled(text):
        if not pickles:
            raise ValueError(text[:_SHOWN])
        return pickle.loads(base64.b64decode(text[len(_PICKLE) : -len(_END)]))  # noqa: S301 - the caller asked for it
    return _decoded(json.loads(text))


def is_pickled(text: str) -> bool:
    """Tell whether an output was pickled."""
    return text.startswith(_PICKLE)


def output_digest_of(text: str) -> bytes:
    """Return what an output is recognised by, from the text that `encode_output` has returned."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=DIGEST_BYTES).digest()


def _pickled(value: Any) -> str | None:
    try:
        made = base64.b64encode(pickle.dumps(value)).decode()
    except Exception:  # noqa: BLE001 - as above
        return None
    return f"{_PICKLE}{made}{_END}"


def _encoded(value: Any) -> Any:
    kind = type(value)
    if kind in _ATOMS or (kind is float and math.isfinite(value)):
        return value
    if kind is list:
        return [_encoded(item) for item in value]
    if kind is dict and _TAG not in value and all(type(key) is str for key in value):
        return {key: _encoded(item) for key, item in value.items()}
    for name, codec in _CODECS.items():
        if codec.handles(value):
            return {_TAG: name, "value": codec.write(value)}
    raise TypeError(kind)


def _decoded(form: Any) -> Any:
    if isinstance(form, list):
        return [_decoded(item) for item in form]
    if not isinstance(form, dict):
        return form
    if _TAG not in form:
        return {key: _decoded(item) for key, item in form.items()}
    return _CODECS[form[_TAG]].read(form["value"])


def _is(kind: type) -> Callable[[Any], bool]:
    return lambda value: type(value) is kind


def _sequence(kind: type) -> _Codec:
    return _Codec(_is(kind), lambda value: [*map(_encoded, value)], lambda items: kind(map(_decoded, items)))


def _text(kind: type, write: Callable[[Any], str], read: Callable[[str], Any]) -> _Codec:
    return _Codec(_is(kind), write, read)


def _write_enum(value: Enum) -> Any:
    kind = type(value)
    is_member = value.name in kind.__members__  # Flags that are combined are none.
    return [_name_of(kind), value.name if is_member else [_encoded(value.value)]]


def _read_enum(content: Any) -> Any:
    kind, told = _class_of(content[0]), content[1]
    return kind[told] if isinstance(told, str) else kind(_decoded(told[0]))


def _write_model(value: BaseModel) -> Any:
    if value.__pydantic_private__:
        raise TypeError(type(value))
    fields = {**{name: getattr(value, name) for name in type(value).model_fields}, **(value.model_extra or {})}
    return [_name_of(type(value)), _encoded(fields), sorted(value.model_fields_set)]


def _read_model(content: Any) -> Any:
    name, fields, given = content
    return _class_of(name).model_construct(_fields_set=set(given), **_decoded(fields))


def _is_dataclass(value: Any) -> bool:
    return dataclasses.is_dataclass(value) and not isinstance(value, type)


def _write_dataclass(value: Any) -> Any:
    names = [field.name for field in dataclasses.fields(value)]
    if set(getattr(value, "__dict__", names)) - set(names):
        raise TypeError(type(value))
    return [_name_of(type(value)), {name: _encoded(getattr(value, name)) for name in names}]


def _read_dataclass(content: Any) -> Any:
    made = object.__new__(_class_of(content[0]))
    for name, item in content[1].items():
        object.__setattr__(made, name, _decoded(item))
    return made


def _is_numpy(value: Any) -> bool:
    numpy = sys.modules.get("numpy")
    return numpy is not None and type(value).__module__ == "numpy" and isinstance(value, numpy.generic | numpy.ndarray)


def _write_numpy(value: Any) -> Any:
    if value.dtype.hasobject or value.dtype.names:
        raise TypeError(value.dtype)
    is_array = hasattr(value, "__array_finalize__") and type(value).__name__ == "ndarray"
    return [value.dtype.str, list(value.shape) if is_array else None, base64.b64encode(value.tobytes()).decode()]


def _read_numpy(content: Any) -> Any:
    import numpy as np  # noqa: PLC0415 - the process that stored the output had it

    kind, shape, data = content
    array = np.frombuffer(base64.b64decode(data), dtype=kind)
    return array[0] if shape is None else array.reshape(shape).copy()


def _name_of(kind: type) -> str:
    name = f"{kind.__module__}:{kind.__qualname__}"
    if _class_of(name) is not kind:  # as of one that was made in a function
        raise TypeError(name)
    return name


def _class_of(name: str) -> Any:
    """Find a class among the modules that have been imported; a file is no reason to import one."""
    module, _, path = name.partition(":")
    found: Any = sys.modules[module]
    for part in path.split("."):
        found = getattr(found, part)
    return found


_CODECS: Mapping[str, _Codec] = {
    "float": _text(float, str, float),  # those that JSON has no word for
    "dict": _Codec(
        _is(dict),
        lambda value: [[_encoded(key), _encoded(item)] for key, item in value.items()],
        lambda pairs: {_decoded(key): _decoded(item) for key, item in pairs},
    ),
    "tuple": _sequence(tuple),
    "set": _sequence(set),
    "frozenset": _sequence(frozenset),
    "bytes": _text(bytes, lambda value: base64.b64encode(value).decode(), base64.b64decode),
    "datetime": _text(datetime, datetime.isoformat, datetime.fromisoformat),
    "date": _text(date, date.isoformat, date.fromisoformat),
    "decimal": _text(Decimal, str, Decimal),
    "uuid": _text(UUID, str, UUID),
    "enum": _Codec(lambda value: isinstance(value, Enum), _write_enum, _read_enum),
    "model": _Codec(lambda value: isinstance(value, BaseModel), _write_model, _read_model),
    "dataclass": _Codec(_is_dataclass, _write_dataclass, _read_dataclass),
    "numpy": _Codec(_is_numpy, _write_numpy, _read_numpy),
}
