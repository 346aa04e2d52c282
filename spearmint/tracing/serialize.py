"""From a snapshot to what JSON can say, without secrets, within bounds. It runs the user's reprs, off their threads."""

import math
from collections.abc import Iterator, Mapping
from typing import Any, Literal, get_args

from pydantic import SecretBytes, SecretStr

from spearmint.config.canonical import DICTS
from spearmint.redaction import Redactor
from spearmint.secret_forms import MASK, passwords_in
from spearmint.tracing.snapshot import ObjectFields, Truncated

Loss = Literal["masked", "cut", "text"]  # the gravest first

_GRAVEST_FIRST: tuple[Loss, ...] = get_args(Loss)
_DEPTH = 20
_SCALARS = frozenset({type(None), bool, int, float})
_LARGEST = 2**53  # Beyond, JSON's readers round.


class Renderer:
    """Renders the values of one trace.

    Args:
        redactor: Hides secrets.
        max_chars: Characters kept of a text that is not in a snapshot, such as a repr.
        runs_code: Whether the repr of what it knows nothing of is asked for; else its type stands there.

    Attributes:
        secrets: Values known to be secret, which show nowhere else either. `collect_secrets` adds to them.
        losses: In what way something rendered is not the value: ``"masked"``, ``"cut"`` or ``"text"`` for a repr.
    """

    def __init__(self, redactor: Redactor, max_chars: int, *, runs_code: bool = True) -> None:
        self.runs_code = runs_code
        self._redactor = redactor
        self._max_chars = max_chars
        self.secrets: set[str] = set()
        self.losses: set[Loss] = set()

    def collect_secrets(self, value: Any, depth: int = 0, *, is_hidden: bool = False) -> None:
        """Remember what is secret in a snapshot, before anything is rendered."""
        if type(value) in _SCALARS:
            return
        if isinstance(value, SecretStr | SecretBytes):
            value, is_hidden = value.get_secret_value(), True
        if isinstance(value, bytes):
            value = value.decode(errors="replace")
        if isinstance(value, str):
            self.secrets |= {value} - {""} if is_hidden else passwords_in(value)
        elif depth <= _DEPTH:
            for held, is_named in self._parts(value):
                self.collect_secrets(held, depth + 1, is_hidden=is_hidden or is_named)

    def _parts(self, value: Any) -> Iterator[tuple[Any, bool]]:
        """Yield what stands in a snapshot, and whether a secret's name stands before it."""
        if isinstance(value, ObjectFields):
            value = value.values
        elif isinstance(value, Truncated):
            yield value.part, False
        if self._is_mapping(value):
            hidden = self._redactor.hidden_keys(value)
            yield from ((held, name in hidden) for name, held in value.items())
        elif isinstance(value, list | tuple):
            positions = self._redactor.hidden_positions(value)
            yield from ((held, index in positions) for index, held in enumerate(value))
        elif isinstance(value, set | frozenset):
            yield from ((held, False) for held in value)

    def _is_mapping(self, value: Any) -> bool:
        return isinstance(value, DICTS) or (self.runs_code and isinstance(value, Mapping))

    def text(self, text: str) -> str:
        """Return a text without secrets, cut where it is too long."""
        # Cut first, roughly, so that searching is bounded; a secret at the very end may be cut in two, so more is cut.
        clipped = text[: self._max_chars * 2]
        hidden = self._redactor.hide(clipped, self.secrets)
        if hidden != clipped:
            self.losses.add("masked")
        if not hidden.isascii():
            # A lone surrogate, as of a file name or half an emoji, is what no database takes.
            writable = hidden.encode(errors="backslashreplace").decode()
            if writable != hidden:
                hidden = writable
                self.losses.add("text")
        if len(text) <= self._max_chars:
            return hidden
        self.losses.add("cut")
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
            shown = _number(value)
            if isinstance(shown, str):
                self.losses.add("text")
            return shown
        if type(value) is str:
            return self.text(value)
        if depth > _DEPTH:
            self.losses.add("cut")
            return "…"
        if isinstance(value, SecretStr | SecretBytes):
            return self._mask()
        return self._composite(value, depth)

    def render_items(self, values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Loss]]:
        """Return what JSON can say of values by name, and in what way each is lost that is not there as it was."""
        hidden = self._redactor.hidden_keys(values)
        found: dict[str, Any] = {}
        losses: dict[str, Loss] = {}
        for name, value in values.items():
            found |= self._items({name: value}, hidden, 0)
            if loss := self.take_loss():
                losses[name] = loss
        return found, losses

    def take_loss(self) -> Loss | None:
        """Return the gravest way in which what was rendered since the last time is not the value."""
        if not self.losses:
            return None
        found = next(one for one in _GRAVEST_FIRST if one in self.losses)
        self.losses.clear()
        return found

    def _mask(self) -> str:
        self.losses.add("masked")
        return MASK

    def _composite(self, value: Any, depth: int) -> Any:
        if isinstance(value, ObjectFields):
            hidden = value.hidden | self._redactor.hidden_keys(value.values)
            return self._items(value.values, hidden, depth)
        if isinstance(value, Truncated):
            return self._cut(value, depth)
        if self._is_mapping(value):
            return self._items(value, self._redactor.hidden_keys(value), depth)
        if isinstance(value, list | tuple):
            positions = self._redactor.hidden_positions(value)
            return [
                self._mask() if index in positions else self.render(one, depth + 1) for index, one in enumerate(value)
            ]
        if isinstance(value, set | frozenset):
            return [self.render(held, depth + 1) for held in value]
        self.losses.add("text")
        return self.text(self.repr(value))

    def _items(self, values: Mapping[Any, Any], hidden: frozenset[Any], depth: int) -> dict[str, Any]:
        return {
            self._key(name): self._mask() if name in hidden else self.render(held, depth + 1)
            for name, held in values.items()
        }

    def _key(self, key: Any) -> str:
        if not isinstance(key, str):
            self.losses.add("text")
            key = self.repr(key)
        return self.text(key)

    def _cut(self, value: Truncated, depth: int) -> Any:
        self.losses.add("cut")
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
