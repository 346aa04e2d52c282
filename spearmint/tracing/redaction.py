"""Secrets: which names have them, and how a text loses them."""

import re
from collections.abc import Iterable

from spearmint.errors import ConfigError

MASK = "**********"

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SHORTEST = 6  # A shorter secret would be found in words where it is none.
# What stands after a secret name in a text: name=value, name: value, "name": "value", Authorization: Bearer value.
_VALUE = (
    r"(?P<between>['\"]?\s*(?:=>|[:=])\s*(?:(?:bearer|basic|token)\s+)?)"
    r"(?P<value>'[^']*'|\"[^\"]*\"|[^\s,;&'\"(){}\[\]]+)"
)
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[a-z0-9._~+/=-]{6,}")


class Redactor:
    """Hides what the names of secrets stand before.

    Args:
        patterns: Regular expressions, matched against whole words of a name, in any case; an underscore or a hyphen
            parts words, as does an upper-case letter after a lower-case one.

    Raises:
        ConfigError: If a pattern is none.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        for pattern in patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                message = (
                    f"Cannot mask names by {pattern!r}: it is no regular expression ({error}). Escape what is literal."
                )
                raise ConfigError(message) from error
        words = "|".join(f"(?:{pattern})" for pattern in patterns)
        self._name = re.compile(rf"(?:^|[_\W])(?:{words})(?:$|[_\W])", re.IGNORECASE) if words else None
        name = rf"(?P<name>(?<![^\W_])(?:{words}))"
        self._text = re.compile(rf"{name}(?=['\"]?\s*[:=]){_VALUE}", re.IGNORECASE) if words else None

    def is_secret(self, name: object) -> bool:
        """Tell whether a name is one that secrets have."""
        if self._name is None or not isinstance(name, str):
            return False
        return self._name.search(_CAMEL.sub("_", name).replace("-", "_")) is not None

    def hide(self, text: str, secrets: Iterable[str] = ()) -> str:
        """Return a text without what looks like a secret in it, or is one.

        Args:
            text: Any text, such as an exception's message.
            secrets: Values that are known to be secret.
        """
        for secret in secrets:
            if len(secret) >= _SHORTEST:
                text = text.replace(secret, MASK)
        if self._text is not None:
            text = self._text.sub(rf"\g<name>\g<between>{MASK}", text)
        return _BEARER.sub(rf"\1 {MASK}", text)
