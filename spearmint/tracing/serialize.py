"""From a snapshot to what JSON can say, without secrets, within bounds. It runs the user's reprs, off their threads."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import SecretBytes, SecretStr

from spearmint.tracing.redaction import MASK, Redactor
from spearmint.tracing.snapshot import ObjectFields, Truncated

_DEPTH = 20
_LARGEST = 2**53  # Beyond, JSON's readers round.


class Renderer:
    """Renders the values of one trace.

    Args:
        masker: Hides secrets.
        max_chars: Characters kept of a text that is not in a snapshot, such as a repr.

        runs_code: Whether the repr of what it knows nothing of is asked for; else its type stands there.

    Attributes:
        secrets: Values known to be secret, which show nowhere else either. `learn` adds to them.
    """

    def __init__(self, masker: Redactor, max_chars: int, *, runs_code: bool = True) -> None:
        self.runs_code = runs_code
        self._masker = masker
        self._max_chars = max_chars
        self.secrets: set[str] = set()

    def collect_secrets(self, value: Any, depth: int = 0) -> None:
        """Remember what is secret in a snapshot, before anything is rendered."""
        if depth > _DEPTH:
            return
        if isinstance(value, SecretStr | SecretBytes):
            self._remember(value)
        for name, held in _named(value):
            if self._masker.is_secret(name):
                self._remember(held)
            self.collect_secrets(held, depth + 1)
        if isinstance(value, Truncated):
            self.collect_secrets(value.part, depth + 1)
        elif isinstance(value, list | tuple | set | frozenset):
            for held in value:
                self.collect_secrets(held, depth + 1)

    def _remember(self, value: Any) -> None:
        if isinstance(value, SecretStr | SecretBytes):
            value = value.get_secret_value()
        if isinstance(value, bytes):
            value = value.decode(errors="replace")
        if isinstance(value, str) and value:
            self.secrets.add(value)

    def text(self, text: str) -> str:
        """Return a text without secrets, cut where it is too long."""
        # Cut first, roughly, so that searching is bounded; a secret at the very end may be cut in two, so more is cut.
        clipped = text[: self._max_chars * 2]
        hidden = self._masker.hide(clipped, sorted(self.secrets, key=len, reverse=True))
        if len(text) <= self._max_chars:
            return hidden
        return f"{hidden[: self._max_chars]}… ({len(text) - self._max_chars} more characters)"

    def render(self, value: Any, depth: int = 0) -> Any:
        """Return what JSON can say of a snapshot.

        Args:
            value: The snapshot.
            depth: How deep it stands.
        """
        if value is None or isinstance(value, bool):
            return value
        if type(value) is int or type(value) is float:
            return _number(value)
        if type(value) is str:
            return self.text(value)
        if depth > _DEPTH:
            return "…"
        if isinstance(value, SecretStr | SecretBytes):
            return MASK
        return self._composite(value, depth)

    def _composite(self, value: Any, depth: int) -> Any:
        if isinstance(value, ObjectFields):
            return {
                name: MASK if name in value.hidden else self._named(name, held, depth)
                for name, held in value.values.items()
            }
        if isinstance(value, Truncated):
            return self._cut(value, depth)
        if isinstance(value, dict) or (self.runs_code and isinstance(value, Mapping)):
            return {self._key(name): self._named(name, held, depth) for name, held in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self.render(held, depth + 1) for held in value]
        return self.text(self.repr(value))

    def _named(self, name: Any, held: Any, depth: int) -> Any:
        return MASK if self._masker.is_secret(name) and held is not None else self.render(held, depth + 1)

    def _key(self, key: Any) -> str:
        return self.text(key if isinstance(key, str) else self.repr(key))

    def _cut(self, value: Truncated, depth: int) -> Any:
        note = f"… ({value.missing})"
        part = value.part
        if part is None:
            return note
        if isinstance(part, str | bytes):
            return f"{self.render(part, depth)}{note}"
        if isinstance(part, dict):
            return {**self._composite(part, depth), "…": value.missing}
        return [*self._composite(part, depth), note]

    def repr(self, value: Any) -> str:
        """Return a value's repr, or why there is none."""
        if not self.runs_code:
            return f"<{type(value).__module__}.{type(value).__qualname__}>"
        try:
            return repr(value)
        except BaseException as error:  # noqa: BLE001 - whatever a user's repr does, the trace goes on
            return f"<{type(value).__qualname__} whose repr raised {type(error).__name__}>"


def _number(value: float) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    if abs(value) < _LARGEST:
        return value
    try:
        return str(value)
    except ValueError:  # CPython refuses to write thousands of digits.
        return hex(value)


def _named(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, ObjectFields):
        yield from value.values.items()
    elif isinstance(value, Mapping):
        yield from value.items()
