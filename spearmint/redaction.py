"""Secrets: which names have them, what they look like, and how values and texts lose them."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any

from pydantic import SecretBytes, SecretStr

from spearmint.errors import ConfigError
from spearmint.secret_forms import MASK, compiled, passwords_in, without_passwords, without_tokens

# Whole words of a name: `token` and `auth_token`, but neither `max_tokens` nor `tokenizer`.
SECRET_KEYS = (
    "(?:api|access|account|encryption|master|private|signing|ssh|subscription)_?keys?",
    "passwords?",
    "passwd",
    "pwd",
    "passphrases?",
    "secrets?",
    "token",
    "(?:access|api|auth|bearer|refresh|session)_?tokens",
    "auth",
    "authorization",
    "bearer",
    "jwt",
    "cookies?",
    "credentials?",
)

# What a name has in it, in lower case, that one of `SECRET_KEYS` matches; most texts have none of it.
_STEMS = ("key", "passw", "pwd", "passphrase", "secret", "token", "auth", "bearer", "jwt", "cookie", "credential")
_HEADER_STEMS = ("authorization", "cookie")
_FOLDED = ("\u017f", "\u0130", "\u0131")  # Characters that `re` takes for an s or i, and `lower` does not.
_STEM_BEFORE_A_VALUE = rf"(?:{'|'.join(_STEMS)})[\w-]*(?:['\"]?\s*(?:=>|:=|[:=])|['\"]\s*,)"

_CAMEL = r"(?<=[a-z0-9])(?=[A-Z])"
_NAME = r"[\w.:/-]{1,64}"
SHORTEST_SECRET = 6  # characters; a shorter one would be found in words where it is none
_DEPTH = 20
_LONGEST_NAME = 64
_NAMES = 2048

# A value as it stands in a text: quoted (the text may end before the quote does), a list, a mapping, or one word.
_QUOTED = r"""b?(?:'(?:[^'\\]|\\.)*(?:'|\Z)|"(?:[^"\\]|\\.)*(?:"|\Z))"""
_VALUE = rf"""(?!(?:none|null|true|false)\b)(?:{_QUOTED}|\[[^\]]*\]?|\{{[^}}]*\}}?|[^\s,;&'"(){{}}\[\]]+)"""
_BETWEEN = r"""['"]?\s*(?:=>|:=|[:=])\s*(?:(?:bearer|basic|token)\s+)?"""

_HEADER = (
    r"""(?i)(?<![\w-])(?P<name>(?:proxy-)?authorization|(?:set-)?cookie)"""
    r"""(?P<between>\s*:\s*(?:(?:bearer|basic|token)\s+)?)(?P<value>[^\s'"][^\r\n'"]*)"""
)
_NO_PAIR = r"[^:='\"]*"  # what has no value after a name


class Redactor:
    """Hides secrets: what the names of secrets stand before, and what has the form of one.

    Names are those of mapping keys, of fields, of headers and options, and of the first of two in a list or tuple.
    Forms are passwords of URLs and DSNs, the keys that providers give out, and bearer tokens.

    Args:
        patterns: Regular expressions, matched against whole words of a name, in any case; an underscore or a hyphen
            parts words, as does an upper-case letter after a lower-case one.

    Raises:
        ConfigError: If a pattern is none.
    """

    def __init__(self, patterns: Iterable[str] = SECRET_KEYS) -> None:
        patterns = tuple(patterns)
        for pattern in () if patterns == SECRET_KEYS else patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                message = (
                    f"Cannot mask names by {pattern!r}: it is no regular expression ({error}). Escape what is literal."
                )
                raise ConfigError(message) from error
        self._words = "|".join(f"(?:{pattern})" for pattern in patterns)
        self._has_stems = patterns == SECRET_KEYS

    # Compiled on first use: most processes import Spearmint and hide nothing.
    @cached_property
    def _name(self) -> re.Pattern[str]:
        return re.compile(rf"(?:^|[_\W])(?:{self._words})(?:$|[_\W])", re.IGNORECASE)

    @cached_property
    def _text(self) -> re.Pattern[str]:
        start = r"(?:(?<![^\W_])|(?-i:(?<=[a-z0-9])(?=[A-Z])))"
        name = rf"(?P<name>{start}(?:{self._words})(?:[_-][\w-]{{0,40}})?)"
        pair = rf"(?P<comma>['\"]\s*,\s*){_QUOTED}"
        return re.compile(rf"{name}(?:(?P<between>{_BETWEEN}){_VALUE}|{pair})", re.IGNORECASE)

    @cached_property
    def _option(self) -> re.Pattern[str]:
        option = rf"(?P<option>(?<![\w-])--?(?:\w{{1,30}}-){{0,6}}(?:{self._words})\s+)[^\s'\"-][^\s'\"]*"
        return re.compile(option, re.IGNORECASE)

    def is_secret(self, name: object) -> bool:
        """Tell whether a name is one that secrets have."""
        if isinstance(name, bytes):
            name = name.decode("latin-1")
        if not self._words or not isinstance(name, str):
            return False
        # The same names come again and again; long ones are data rather than names, and are not kept.
        return self._known(name) if len(name) <= _LONGEST_NAME else self._is_secret(name)

    def _is_secret(self, name: str) -> bool:
        return self._name.search(compiled(_CAMEL).sub("_", name).replace("-", "_")) is not None

    @cached_property
    def _known(self) -> Callable[[str], bool]:
        return lru_cache(_NAMES)(self._is_secret)

    def hidden_keys(self, items: Mapping[Any, Any]) -> frozenset[Any]:
        """Return the keys of a mapping whose values are secret; of ``{"name": "Cookie", "value": ...}`` the latter."""
        found = {key for key, held in items.items() if self.is_secret(key) and may_be_secret(held)}
        if "value" in items and any(self._is_name(items.get(key)) for key in ("name", "key", "header")):
            found.add("value")
        return frozenset(found)

    def hidden_positions(self, items: Sequence[Any]) -> frozenset[int]:
        """Return the positions of what is secret in a list: after a secret's name in a pair, after an option's."""
        if len(items) == 2 and self._is_name(items[0]):  # noqa: PLR2004 - a pair
            return frozenset((1,)) if may_be_secret(items[1]) else frozenset()
        options = (
            index + 1
            for index, one in enumerate(items[:-1])
            if isinstance(one, str) and one.startswith("-") and self._is_name(one)
        )
        return frozenset(index for index in options if isinstance(items[index], str))

    def _is_name(self, value: Any) -> bool:
        text = value.decode("latin-1") if isinstance(value, bytes) else value
        return isinstance(text, str) and compiled(_NAME).fullmatch(text) is not None and self.is_secret(text)

    def hide(self, text: str, secrets: Iterable[str] = ()) -> str:
        """Return a text without what looks like a secret in it, or is known to be one."""
        for secret in sorted(secrets, key=len, reverse=True) if secrets else ():
            if len(secret) >= SHORTEST_SECRET:
                text = text.replace(secret, MASK)
        text = without_passwords(text)
        return without_tokens(self._hide_named(text) if self._words else text)

    def _hide_named(self, text: str) -> str:
        """Hide what stands after names. Stems of names are looked for first: most texts have none."""
        lower = text.lower()
        can_tell = self._has_stems and not any(one in text for one in _FOLDED)
        if can_tell and not any(one in lower for one in _STEMS):
            return text
        if ":" in text and not (can_tell and not any(one in lower for one in _HEADER_STEMS)):
            text = compiled(_HEADER).sub(self._header, text)
        has_pairs = compiled(_NO_PAIR).fullmatch(text) is None
        if has_pairs and not (can_tell and compiled(_STEM_BEFORE_A_VALUE).search(lower) is None):
            text = self._text.sub(_after_name, text)
        return self._option.sub(rf"\g<option>{MASK}", text) if "-" in text else text

    def excerpt(self, text: str, length: int, secrets: Iterable[str] = ()) -> str:
        """Return the beginning of a text, without secrets, as `hide` does.

        Args:
            text: Any text.
            length: Characters to return at most, beside three dots after what is cut.
            secrets: Values that are known to be secret.
        """
        hidden = self.hide(text[: 10 * length], secrets)  # A secret that the cut parts is beyond what is shown.
        return hidden if len(text) <= 10 * length and len(hidden) <= length else f"{hidden[:length]}..."

    def _header(self, found: re.Match[str]) -> str:
        if not self.is_secret(found["name"]):
            return found[0]
        return f"{found['name']}{found['between']}{MASK}"

    def redact(self, value: Any, secrets: Iterable[str] = ()) -> Any:
        """Return a value as JSON or a table may show it: mappings, lists and texts in it without secrets.

        Args:
            value: Any value; what is none of those stays itself.
            secrets: Values that are known to be secret, as `secrets_in` finds them.
        """
        return self._redact(value, tuple(secrets), 0)

    def redact_together(self, *values: Any) -> list[Any]:
        """Return values as `redact` does, where a secret of one shows in none of the others either."""
        secrets = self.secrets_in(values)
        return [self.redact(value, secrets) for value in values]

    def _redact(self, value: Any, secrets: tuple[str, ...], depth: int) -> Any:
        if isinstance(value, str):
            return self.hide(value, secrets)
        if isinstance(value, SecretStr | SecretBytes):
            return MASK
        if not isinstance(value, Mapping | list | tuple):
            return value
        if depth > _DEPTH:
            return "…"
        if isinstance(value, Mapping):
            hidden = self.hidden_keys(value)
            return {
                self.hide(key, secrets) if isinstance(key, str) else key: MASK
                if key in hidden
                else self._redact(held, secrets, depth + 1)
                for key, held in value.items()
            }
        positions = self.hidden_positions(value)
        made = [
            MASK if index in positions else self._redact(held, secrets, depth + 1) for index, held in enumerate(value)
        ]
        return tuple(made) if isinstance(value, tuple) else made

    def secrets_in(self, value: Any) -> set[str]:
        """Return the texts that are secret in mappings, lists and texts, so that they can be hidden elsewhere too."""
        return set(self._secrets(value, 0, is_hidden=False))

    def _secrets(self, value: Any, depth: int, *, is_hidden: bool) -> Iterator[str]:
        if isinstance(value, SecretStr | SecretBytes):
            value, is_hidden = value.get_secret_value(), True
        if isinstance(value, bytes):
            value = value.decode(errors="replace")
        if isinstance(value, str):
            yield from {value} - {""} if is_hidden else passwords_in(value)
        elif depth <= _DEPTH and isinstance(value, Mapping):
            hidden = self.hidden_keys(value)
            for key, held in value.items():
                yield from self._secrets(held, depth + 1, is_hidden=is_hidden or key in hidden)
        elif depth <= _DEPTH and isinstance(value, list | tuple | set | frozenset):
            positions = self.hidden_positions(value) if isinstance(value, list | tuple) else frozenset()
            for index, held in enumerate(value):
                yield from self._secrets(held, depth + 1, is_hidden=is_hidden or index in positions)


def may_be_secret(value: object) -> bool:
    """Tell whether a value under a secret's name is one; truth values and None say nothing."""
    return value is not None and not isinstance(value, bool)


def _after_name(found: re.Match[str]) -> str:
    return f"{found['name']}{found['between'] or found['comma']}{MASK}"


class _Current:
    """The redactor of the process."""

    def __init__(self) -> None:
        self.redactor = Redactor()

    def set_patterns(self, patterns: Iterable[str]) -> None:
        self.redactor = Redactor(patterns)


_current = _Current()


def set_patterns(patterns: Iterable[str]) -> None:
    """Set, for the process, the names that secrets have; see `Redactor`."""
    _current.set_patterns(patterns)


def redactor() -> Redactor:
    """Return the redactor of the process, whose patterns ``configure(tracing={"mask": [...]})`` sets."""
    return _current.redactor
