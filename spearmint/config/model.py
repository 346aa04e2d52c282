"""Config, one set of parameters, and the id that names it."""

import copy
import json
import operator
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from functools import partial
from hashlib import sha256
from itertools import repeat
from typing import Any, final

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from spearmint.config.canonical import DICTS, MAX_DEPTH, canonical_text
from spearmint.errors import ConfigError

ID_KEY = "__config_id__"
ATOMS = frozenset({str, int, float, bool, type(None)})
"""The types of most values in most configs: nothing to copy, nothing to look into."""
MAPPINGS: tuple[type, ...] = (dict, Mapping)
"""What a config is made of; `isinstance` is quick to find a dict, and slow to find a Mapping."""

_encode = json.JSONEncoder(sort_keys=True).encode
_new = dict.__new__
_update = dict.update


Origin = tuple[str, int, int]
"""The file that a config was read from, with line and column."""


Ranges = Mapping[tuple[str, ...], Any]
"""From paths in a config to the `spearmint.config.sweep.Range` that stands there."""


class GivenId(str):
    """An id that the user chose: unlike one computed from the content, it stays when the content changes."""

    __slots__ = ()


@final
class Config(dict[str, Any]):
    """One set of parameters: a dict whose keys can also be read as attributes, and that has an id.

    Nested dicts, also those in lists and tuples, become configs too when a config is made. Attributes are for reading;
    ``config["key"] = value`` writes. A key that is also a method of dict, such as ``items``, is reached as
    ``config["items"]``. ``config | other`` gives a config with an id of its own. As any dict, a config is equal to a
    dict with the same items, whatever its id.

    Args:
        *args: As for dict. The key ``"__config_id__"`` is taken out of the mapping and becomes the id.
        **kwargs: As for dict.

    Raises:
        ConfigError: The id is not a non-empty string, or the mapping contains itself.

    Examples:
        >>> config = Config({"__config_id__": "warm", "llm": {"model": "tiny", "temperature": 0.7}})
        >>> config.llm.model
        'tiny'
        >>> config.config_id
        'warm'
    """

    __slots__ = ("_config_id", "_origin", "_ranges")
    _config_id: str | None
    _origin: "Origin | None"
    _ranges: "Ranges | None"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        is_copy = bool(args) and isinstance(args[0], Config) and not kwargs
        _set_id(self, args[0]._config_id if is_copy else None)  # noqa: SLF001 - its own class
        take_id(self)
        for key, value in self.items():
            if type(value) not in ATOMS:
                self[key] = _owned(value, 1)

    @property
    def config_id(self) -> str:
        """The id: the one given, else the one it was parsed with, else the one of its present content.

        Raises:
            ConfigError: A value has no form that is the same in every process, and no id was given.
        """
        held = self._config_id
        return generate_config_id(self) if held is None else str(held)

    def copy(self) -> "Config":
        """Return a shallow copy with the same id."""
        made = _new(Config)
        _update(made, self)
        _set_id(made, self._config_id)
        return made

    __copy__ = copy

    def copier(self) -> "Callable[[], Config]":
        """Return what makes shallow copies of the config as it is now, as each call of an experiment needs one.

        Only an id that the user gave goes with a copy; another is computed from its content when it is asked for.
        """
        items, given = dict(self), given_id(self)
        if given is not None:
            return partial(assemble, items, given)
        # `made = new(Config); made |= items; return made`, without a Python frame: a debugger does not step into it.
        return map(operator.ior, map(_new, repeat(Config)), repeat(items)).__next__

    def __deepcopy__(self, memo: dict[int, Any]) -> "Config":
        made = _new(Config)
        memo[id(self)] = made
        _set_id(made, self._config_id)
        _update(made, {key: copy.deepcopy(value, memo) for key, value in self.items()})
        return made

    def __reduce_ex__(self, _protocol: Any) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return assemble, (dict(self), self._config_id)

    def __getattr__(self, name: str) -> Any:
        if name in Config.__slots__:  # Those of a copy for one execution are left empty, for speed.
            return None
        try:
            return self[name]
        except KeyError:
            raise AttributeError(_missing(self, name)) from None

    def __setattr__(self, name: str, value: Any) -> None:
        msg = f"Cannot set attribute {name!r} of a Config: attributes are for reading. Use config[{name!r}] = ..."
        raise AttributeError(msg)

    def __delattr__(self, name: str) -> None:
        msg = f"Cannot delete attribute {name!r} of a Config: attributes are for reading. Use del config[{name!r}]."
        raise AttributeError(msg)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *map(str, self)]

    def __or__(self, other: Any) -> Any:
        return Config(dict(self) | other) if isinstance(other, DICTS) else NotImplemented

    def __ror__(self, other: Any) -> Any:
        return Config(other | dict(self)) if isinstance(other, DICTS) else NotImplemented

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_wrap_validator_function(_validate, core_schema.dict_schema())


# A slot's own setter passes by `__setattr__`, which refuses all; copies are made on every call.
_set_id = Config.__dict__["_config_id"].__set__
_set_origin = Config.__dict__["_origin"].__set__
_set_ranges = Config.__dict__["_ranges"].__set__


def assemble(items: Mapping[str, Any] | Iterable[tuple[str, Any]], config_id: str | None = None) -> Config:
    """Return a config of items that are its own already: nothing is normalised, no key is taken out."""
    made = _new(Config)
    _update(made, items)
    _set_id(made, config_id)
    return made


def assign_id(config: Config, config_id: str) -> None:
    """Let a config keep this id, so that asking for it costs nothing and later changes do not alter it."""
    _set_id(config, config_id)


def origin_of(config: Config) -> Origin | None:
    """Return the file that a config was read from, with line and column; None for one that was made in Python."""
    return config._origin  # noqa: SLF001 - its own module


def assign_origin(config: Config, origin: Origin | None) -> Config:
    """Note which file a config was read from, and return the config; a copy does not know it by itself."""
    _set_origin(config, origin)
    return config


def ranges_of(config: Config) -> Ranges:
    """Return the ranges of numbers that a search may choose from in a config, by path."""
    return config._ranges or {}  # noqa: SLF001 - its own module


def assign_ranges(config: Config, ranges: Ranges) -> Config:
    """Note which ranges of numbers a config has, and return the config; a copy does not know them by itself."""
    _set_ranges(config, ranges)
    return config


def take_id(config: Config) -> None:
    """Take the key ``"__config_id__"`` out of a config, where there is one, and let the config have that id."""
    if ID_KEY in config:
        give_id(config, config.pop(ID_KEY))


def give_id(config: Config, config_id: Any) -> None:
    """Let a config have an id that the user chose."""
    _set_id(config, GivenId(_checked_id(config_id)))


def given_id(config: Mapping[Any, Any]) -> str | None:
    """Return the id that the user gave a config, None where it is computed from the content."""
    held = config._config_id if isinstance(config, Config) else None  # noqa: SLF001 - its own module
    return held if isinstance(held, GivenId) else None


def generate_config_id(config: Mapping[Any, Any]) -> str:
    """Return the id that a config has by its content.

    For what JSON can say it is ``sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:16]``. Functions,
    classes, enums, paths, dates, sets, models, dataclasses, numpy values and the like count with their type and
    content, the same in every process. The key ``"__config_id__"`` in the mapping overrides both. An id that a
    `Config` holds does not: the id of its present content is returned, and ``config.config_id`` tells the other.

    Args:
        config: A config, or any mapping.

    Returns:
        Sixteen hexadecimal digits, or the value of ``"__config_id__"``.

    Raises:
        ConfigError: A value has no form that is the same in every process; the message tells where it stands.

    Examples:
        >>> generate_config_id({"model": "tiny", "temperature": 0.5})
        'a84ab7cc757bb468'
    """
    if not isinstance(config, MAPPINGS):
        msg = f"Cannot identify {config!r}: it is no mapping. Give a config, or a dict."
        raise ConfigError(msg)
    if ID_KEY in config:
        return _checked_id(config[ID_KEY])
    try:
        text = _encode(config)
    except (TypeError, ValueError, RecursionError):  # other values, other keys, circles, depth
        text = canonical_text(config)
    return sha256(text.encode()).hexdigest()[:16]


def rebuilt_tuple(original: tuple[Any, ...], items: Iterable[Any]) -> tuple[Any, ...]:
    """Return a tuple of the original's type with other items; one that cannot be made so is returned as it is."""
    if type(original) is tuple:
        return tuple(items)
    make = getattr(original, "_make", None)  # a named tuple
    return make(items) if make is not None else original


def _owned(value: Any, depth: int) -> Any:
    """Return a value with its dicts as configs, and with dicts and lists of its own."""
    if type(value) in ATOMS or isinstance(value, Config):
        return value
    if depth > MAX_DEPTH:
        msg = f"Cannot make a config: it is nested deeper than {MAX_DEPTH} levels, or contains itself. Flatten it."
        raise ConfigError(msg)
    if isinstance(value, DICTS):
        return assemble({key: _owned(item, depth + 1) for key, item in value.items()})
    if isinstance(value, list):
        return [_owned(item, depth + 1) for item in value]
    if isinstance(value, tuple):
        return rebuilt_tuple(value, (_owned(item, depth + 1) for item in value))
    return value


def _checked_id(given: Any) -> str:
    if isinstance(given, str) and given:
        return given
    advice = "Leave the key out to have one computed." if given in ("", None) else f'Quote it: "{given}".'
    msg = f"Cannot use {given!r} as {ID_KEY!r}: an id is a non-empty string. {advice}"
    raise ConfigError(msg)


def _missing(config: Config, name: str) -> str:
    keys = [str(key) for key in config]
    close = get_close_matches(name, keys, n=3)
    hint = f"Did you mean {' or '.join(map(repr, close))}?" if close else "Read one that exists."
    return f"Cannot read {name!r}: the config has no such key, only {', '.join(map(repr, keys)) or 'none'}. {hint}"


def _validate(value: Any, handler: Callable[[Any], Any]) -> Config:
    return value if isinstance(value, Config) else Config(handler(value))
