"""Ids of the configs of a sweep, made from a template that names values: ``"{model}-k{retrieval.k}"``."""

from datetime import date
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from string import Formatter
from typing import Any
from uuid import UUID

from spearmint.config.model import ID_KEY, Config, give_id, given_id
from spearmint.config.paths import look_up
from spearmint.errors import ConfigError

_PLAIN = (str, int, float, Decimal, PurePath, date, UUID, type(None))
_formatter = Formatter()


def fill_id_template(config: Config) -> None:
    """Put a config's values into its id, where the id names some."""
    template = given_id(config)
    if template is None or ("{" not in template and "}" not in template):
        return
    try:
        pieces = list(_formatter.parse(template))
    except ValueError as error:
        raise _unusable(template, str(error), "Write {{ and }} for braces that are text") from None
    filled = ""
    for text, path, specification, conversion in pieces:
        filled += text
        if path is not None:
            filled += _formatted(template, config, path, specification or "", conversion)
    give_id(config, filled)


def _formatted(template: str, config: Config, path: str, specification: str, conversion: str | None) -> str:
    if not path:
        raise _unusable(template, "a field has no name", "Name a key, such as {model}")
    try:
        value = look_up(config, path)
    except KeyError as missing:
        raise _unusable(template, missing.args[0], "Correct the field") from None
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):  # a number of numpy
        value = value.item()
    if isinstance(value, Enum):
        value = value.name
    if not isinstance(value, _PLAIN):
        cause = f"{path!r} is no single value but of type {type(value).__qualname__}"
        raise _unusable(template, cause, "Name a value in it, such as {retrieval.k}")
    try:
        converted: Any = _formatter.convert_field(value, conversion)
        return format(converted, specification)
    except (ValueError, TypeError) as error:
        raise _unusable(template, f"{path!r} cannot be formatted ({error})", "Correct the format") from None


def _unusable(template: str, cause: str, advice: str) -> ConfigError:
    message = f"Cannot make ids from the template {template!r}: {cause}. {advice}."
    return ConfigError(message, path=ID_KEY)
