"""Options of the process that `spearmint.configure` and a settings file set: checked, with one wording for mistakes."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Self

from spearmint.errors import ConfigError
from spearmint.suggest import did_you_mean


@dataclass(frozen=True, slots=True)
class ProcessOptions:
    """The base of frozen dataclasses that say which options there are, and check the values when they are made."""

    kind: ClassVar[str] = "option"

    def with_changes(self, changes: Mapping[str, Any]) -> Self:
        """Return these options with some replaced.

        Raises:
            ConfigError: If a name is unknown or a value is out of range.
        """
        known = [item.name for item in fields(self)]
        for name in changes:
            if name not in known:
                message = f"Cannot set {self.kind} {name!r}: there is none. Give some of {', '.join(known)}."
                raise ConfigError(message + did_you_mean(name, known))
        return replace(self, **changes)

    def check_whole(self, *names: str) -> None:
        """Refuse what is no whole number from 1."""
        for name in names:
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise self.refusal(name, "a whole number from 1")

    def check_seconds(self, *names: str, or_zero: bool = False) -> None:
        """Refuse what is no finite number of seconds above 0, or from 0."""
        for name in names:
            value = getattr(self, name)
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if not is_number or not 0 <= value < math.inf or (value == 0 and not or_zero):
                raise self.refusal(name, f"a number of seconds {'from' if or_zero else 'above'} 0")

    def check_choice(self, name: str, choices: tuple[str, ...]) -> None:
        """Refuse what is none of some words."""
        if getattr(self, name) not in choices:
            raise self.refusal(name, f"one of {', '.join(map(repr, choices))}")

    def refusal(self, name: str, wanted: str) -> ConfigError:
        """Return the error for a value that an option cannot have."""
        value = getattr(self, name)
        return ConfigError(f"Cannot set {self.kind} {name!r} to {value!r}: it is out of range. Give {wanted}.")
