"""What may be set about tracing, and the account of what became of traces."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args

from spearmint.errors import ConfigError
from spearmint.redaction import SECRET_KEYS, Redactor
from spearmint.suggest import did_you_mean

Mode = Literal["auto", "deferred", "live"]


@dataclass(frozen=True, slots=True)
class TracingOptions:
    """How executions are traced.

    Attributes:
        enabled: True or False forces it; None traces as soon as the process has imported mlflow.
        sample_rate: Share of the calls, from 0 to 1, that are traced; decided before any work, for main and its
            variants together.
        mode: ``"deferred"`` only records, and a worker writes; ``"live"`` opens MLflow spans at once; ``"auto"`` is
            live where an autolog integration of MLflow is on or an MLflow span is open, else deferred.
        experiment: Name of the MLflow experiment; None for the one that is active in MLflow.
        tracking_uri: Where MLflow keeps it; None for what MLflow is set to.
        queue_size: Traces that may wait to be written; more are dropped, counted.
        max_chars: Characters kept of one execution's inputs, of its outputs, and of each text.
        max_items: Items kept of one container, a stream included.
        mask: Regular expressions of names whose values are hidden, matched against whole words of a name.
        timeout: Seconds that a server may take to answer one request.
    """

    enabled: bool | None = None
    sample_rate: float = 1.0
    mode: Mode = "auto"
    experiment: str | None = None
    tracking_uri: str | None = None
    queue_size: int = 1000
    max_chars: int = 10_000
    max_items: int = 100
    mask: tuple[str, ...] = SECRET_KEYS
    timeout: float = 10.0

    def __post_init__(self) -> None:
        if self.enabled is not None and not isinstance(self.enabled, bool):
            raise _bad_option("enabled", self.enabled, "True, False or None")
        if not _is_number(self.sample_rate) or not 0 <= self.sample_rate <= 1:
            raise _bad_option("sample_rate", self.sample_rate, "a number from 0 to 1")
        if self.mode not in get_args(Mode):
            raise _bad_option("mode", self.mode, f"one of {', '.join(map(repr, get_args(Mode)))}")
        for name in ("experiment", "tracking_uri"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, str) or not value):
                raise _bad_option(name, value, "a text that is not empty, or None")
        for name in ("queue_size", "max_chars", "max_items"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise _bad_option(name, value, "a whole number from 1")
        if not _is_number(self.timeout) or not 0 < self.timeout < math.inf:
            raise _bad_option("timeout", self.timeout, "a number of seconds above 0")
        if isinstance(self.mask, str) or not all(isinstance(one, str) for one in self.mask):
            raise _bad_option("mask", self.mask, "a list of regular expressions")
        Redactor(self.mask)

    def with_changes(self, changes: Mapping[str, Any]) -> "TracingOptions":
        """Return these options with some replaced.

        Raises:
            ConfigError: If a name is unknown or a value is out of range.
        """
        known = [item.name for item in fields(self)]
        for name in changes:
            if name not in known:
                message = (
                    f"Cannot set tracing option {name!r}: there is none. Give some of {', '.join(known)}."
                    f"{did_you_mean(name, known)}"
                )
                raise ConfigError(message)
        mask = changes.get("mask")
        if isinstance(mask, list):
            changes = {**changes, "mask": tuple(mask)}
        return replace(self, **changes)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _bad_option(name: str, value: Any, wanted: str) -> ConfigError:
    return ConfigError(f"Cannot set tracing option {name!r} to {value!r}: it is out of range. Give {wanted}.")


@dataclass(frozen=True, slots=True)
class TracingStats:
    """What became of the traces of this process, as counts.

    ``recorded == written + dropped + failed + pending`` at any time.

    Attributes:
        recorded: Executions that ended and were to be written.
        written: What MLflow has.
        dropped: Lost for want of room in the queue, or of time at exit.
        failed: What MLflow refused, or could not be reached for.
        pending: On the way.
    """

    recorded: int = 0
    written: int = 0
    dropped: int = 0
    failed: int = 0
    pending: int = 0
