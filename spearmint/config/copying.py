"""How a value is handed to an execution: shared when nothing can change it, copied when something could."""

import copy
import dataclasses
import enum
import re
import types
from collections.abc import Callable, Iterable
from datetime import date, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from functools import cached_property, partial
from itertools import chain, repeat
from pathlib import PurePath
from typing import Any
from uuid import UUID

from pydantic import BaseModel, SecretBytes, SecretStr

from spearmint.config.model import Config

# Values of these types, and of their subclasses without room for attributes, cannot be changed by who receives them.
_ATOMS = (
    type(None),
    bool,
    int,
    float,
    complex,
    str,
    bytes,
    type(Ellipsis),
    range,
    Decimal,
    Fraction,
    date,
    time,
    timedelta,
    timezone,
    UUID,
    PurePath,
    re.Pattern,
    SecretStr,
    SecretBytes,
    enum.Enum,
    # `copy.deepcopy` hands these on as they are, and so do we: they are code, not state.
    type,
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodWrapperType,
    types.WrapperDescriptorType,
    types.ModuleType,
    types.GenericAlias,
)
# Where the attributes of these types stand is no place for what an execution does to its config.
_ATTRIBUTES_OF_ALL = (
    type,
    types.FunctionType,
    types.BuiltinFunctionType,
    types.ModuleType,
    types.GenericAlias,
    enum.Enum,
    SecretStr,
    SecretBytes,
)


def value_factory(value: Any) -> Callable[[], Any]:
    """Return a callable that gives each execution the value: itself when it is immutable, else a copy of its own.

    Raises:
        Exception: Whatever copying the value raises; it is tried once here, so that no call meets it first.
    """
    if is_immutable(value):
        return repeat(value).__next__
    make = _copy_factory(value)
    make()
    return make


def is_immutable(value: Any) -> bool:
    """Tell whether nothing that can be reached from a value can change, so that executions may share it."""
    if isinstance(value, _ATOMS):
        return not _has_room(value)
    if isinstance(value, tuple | frozenset):
        return not _has_room(value) and all(map(is_immutable, value))
    if isinstance(value, BaseModel):
        return _is_frozen_model(value) and all(map(is_immutable, _model_values(value)))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _is_frozen_dataclass(value) and all(map(is_immutable, _dataclass_values(value)))
    return False


def _has_room(value: Any) -> bool:
    """Tell whether a value of a subclass takes attributes that its immutable base does not know of."""
    return not isinstance(value, _ATTRIBUTES_OF_ALL) and hasattr(value, "__dict__")


def _is_frozen_model(model: BaseModel) -> bool:
    # Private attributes of a frozen model can be set all the same.
    return bool(model.model_config.get("frozen")) and not model.__pydantic_private__ and not _caches(type(model))


def _caches(kind: type) -> bool:
    """Tell whether instances, frozen or not, keep what a property of theirs has computed."""
    return any(isinstance(held, cached_property) for base in kind.__mro__ for held in vars(base).values())


def _model_values(model: BaseModel) -> Iterable[Any]:
    yield from vars(model).values()
    yield from (model.__pydantic_extra__ or {}).values()
    yield from (model.__pydantic_private__ or {}).values()


def _is_frozen_dataclass(value: Any) -> bool:
    # A plain subclass of a frozen dataclass takes new attributes.
    own = vars(type(value)).get("__dataclass_params__")
    return own is not None and bool(own.frozen) and not _caches(type(value))


def _dataclass_values(value: Any) -> Iterable[Any]:
    names = {field.name for field in dataclasses.fields(value)}
    yield from (getattr(value, name) for name in names if hasattr(value, name))
    yield from (held for name, held in getattr(value, "__dict__", {}).items() if name not in names)


def _copy_factory(value: Any) -> Callable[[], Any]:
    """Return the cheapest way to copy this value, chosen once: most configs are flat and need no `deepcopy`."""
    if type(value) in (Config, dict, list, set) and all(map(is_immutable, _contents(value))):
        flat: Callable[[], Any] = value.copier() if isinstance(value, Config) else value.copy
        return flat
    if isinstance(value, BaseModel) and _copies_plainly(value) and all(map(is_immutable, _model_values(value))):
        return _model_copier(value)
    return partial(copy.deepcopy, value)


def _contents(container: Any) -> Iterable[Any]:
    return chain(container, container.values()) if isinstance(container, dict) else container


def _copies_plainly(model: BaseModel) -> bool:
    kind = type(model)
    return kind.__copy__ is BaseModel.__copy__ and kind.__deepcopy__ is BaseModel.__deepcopy__


def _model_copier(model: BaseModel) -> Callable[[], BaseModel]:
    """Return what `BaseModel.__copy__` does for a model without extra or private attributes, in a third of its time."""
    if model.__pydantic_extra__ is not None or model.__pydantic_private__ is not None:
        return model.__copy__
    kind, fields, is_set = type(model), vars(model), model.__pydantic_fields_set__
    new, assign = kind.__new__, object.__setattr__

    def duplicate() -> BaseModel:
        made = new(kind)
        assign(made, "__dict__", fields.copy())
        assign(made, "__pydantic_fields_set__", is_set.copy())
        assign(made, "__pydantic_extra__", None)
        assign(made, "__pydantic_private__", None)
        return made

    return duplicate
