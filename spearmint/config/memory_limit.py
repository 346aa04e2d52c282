"""How many configs, and how much of them, one list may keep in memory."""

import sys
from collections.abc import Mapping
from typing import Any

from spearmint.config.canonical import DICTS
from spearmint.errors import ConfigError

MAX_CONFIGS = 100_000
"""How many configs one list may hold."""
MAX_BYTES = 1024**3
"""How much memory the values of one list of configs may take; what several share counts once."""

_SMALL = frozenset({int, float, bool, type(None)})
_SMALL_BYTES = 32
_LARGE = 1024  # smaller values are not worth remembering that they were counted
_ADVICE = "Give fewer, or read them one by one with iter_configs"


class MemoryLimit:
    """Counts what one list of configs takes, and refuses what never ends before memory does."""

    def __init__(self) -> None:
        self._items = 0
        self._bytes = 0
        self._counted: set[int] = set()

    def add_item(self, place: str) -> None:
        """Count an item of an iterable of sources, which may hold no config at all."""
        self._items += 1
        if self._items > MAX_CONFIGS:
            raise _too_many(f"there are more than {MAX_CONFIGS:,} of them", place)

    def add_config(self, config: Mapping[str, Any], place: str) -> None:
        """Count a config that is kept."""
        waiting: list[Any] = [config]
        while waiting:
            value = waiting.pop()
            if type(value) in _SMALL:
                self._bytes += _SMALL_BYTES
                continue
            if isinstance(value, DICTS):
                waiting.extend(value.values())
            elif isinstance(value, list | tuple | set | frozenset):
                waiting.extend(value)
            size = sys.getsizeof(value, 0)
            if size < _LARGE or id(value) not in self._counted:
                self._bytes += size
            if size >= _LARGE:
                self._counted.add(id(value))
        if self._bytes > MAX_BYTES:
            raise _too_many(f"they take more than {MAX_BYTES // 1024**2:,} MB", place)


def _too_many(cause: str, place: str) -> ConfigError:
    return ConfigError(f"Cannot keep the configs in memory: {cause}. {_ADVICE}.", source=place)
