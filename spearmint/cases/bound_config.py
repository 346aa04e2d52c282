"""One config as one experiment uses it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from spearmint.config.model import Config


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class BoundConfig:
    """One config as one experiment uses it.

    Attributes:
        config: The config itself, which never leaves the framework; callers get copies.
        config_id: Its id.
        copy: Makes a copy that an execution, or a reader, may do anything to.
        values: For each slot of the experiment's binder a callable that gives its value, or None for the default.
    """

    config: Config
    config_id: str
    copy: Callable[[], Config]
    values: Sequence[Callable[[], Any] | None]
