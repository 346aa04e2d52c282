"""What pydantic finds wrong with settings, in words that say what to write instead."""

import re
from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from spearmint.errors import SettingsError
from spearmint.instrument.settings.model import TARGET_TAG, VALUE_TAG, known_keys, suggestion
from spearmint.instrument.settings.origin import SettingsSource, dotted
from spearmint.strategies.by_name import StrategyArgumentError

_NO_KEYS = ("[key]", VALUE_TAG, TARGET_TAG)
_ADVICE = {
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "dict_type": "a mapping",
    "float_type": "a number",
    "greater_than": "a number above 0",
    "int_type": "a whole number",
    "list_type": "a list",
    "model_type": "a mapping",
    "string_type": "text",
}


def translate_validation_errors(error: ValidationError, origin: SettingsSource) -> Iterator[SettingsError]:
    """Yield an error with its place for each thing that pydantic has found."""
    for found in error.errors(include_url=False):
        keys = tuple(key for key in found["loc"] if key not in _NO_KEYS)
        message = _message(keys, found)
        made = origin.error(message, (*keys, *_named_key(found, message)))
        made.__cause__ = (found.get("ctx") or {}).get("error")
        yield made


def _named_key(found: Any, message: str) -> Iterator[Any]:
    """Yield the key that an error about a whole mapping, such as that of the background's limits, is about."""
    if found["type"] != "value_error" or not isinstance(found["input"], dict):
        return
    error = found["ctx"]["error"]
    if isinstance(error, StrategyArgumentError):
        if error.argument is not None:
            yield from ("with", error.argument, *_keys_in(found["input"]["with"][error.argument], message))
    else:
        yield from [key for key in found["input"] if repr(key) in message][:1]


def _keys_in(value: Any, message: str) -> Iterator[Any]:
    """Yield the keys that lead to what a message names, such as an operator for an attribute."""
    while isinstance(value, dict):
        key = next((key for key in value if re.search(rf"\b{re.escape(str(key))}\b", message)), None)
        if key is None:
            return
        yield key
        value = value[key]


def _message(keys: tuple[Any, ...], found: Any) -> str:
    kind, value = found["type"], found["input"]
    name = keys[-1] if keys else "settings"
    if kind == "extra_forbidden":
        return unknown_key(keys, is_value=VALUE_TAG in found["loc"])
    if kind == "missing":
        label, _ = known_keys(keys[:-1])
        return f"Cannot use {label} without {name!r}: the key is missing. Add it."
    if kind == "value_error":
        return str(found["ctx"]["error"])
    label = dotted(keys) or "the settings"
    if kind == "literal_error":
        expected = found["ctx"]["expected"]
        close = suggestion(str(value), expected.replace("'", "").replace(" or ", ", "))
        return f"Cannot set {label!r} to {value!r:.80}: there is no such choice. Give {expected}.{close}"
    shown = f"{value!r:.80}"
    advice = _ADVICE.get(kind)
    cause = f"it is of type {type(value).__name__}" if kind.endswith("_type") else _uncapitalised(found["msg"])
    return f"Cannot set {label!r} to {shown}: {cause}. Give {advice or 'something else'}."


def unknown_key(keys: tuple[Any, ...], *, is_value: bool = False) -> str:
    """Return the message for a key that means nothing where it stands, be it in an experiment that is a value."""
    label, known = known_keys(keys[:-1], is_value=is_value)
    close = suggestion(str(keys[-1]), known)
    return f"Cannot use the key {keys[-1]!r}: there is none such in {label}. Give some of {known}.{close}"


def _uncapitalised(text: str) -> str:
    return f"{text[:1].lower()}{text[1:]}"
