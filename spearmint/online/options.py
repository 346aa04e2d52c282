"""What may be set about exposures and outcomes, and the account of what became of them."""

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from spearmint.errors import ConfigError
from spearmint.suggest import did_you_mean

RecordSink = Callable[[list[dict[str, Any]]], object]


@dataclass(frozen=True, slots=True)
class OnlineOptions:
    """Where exposures and outcomes go, and within which bounds.

    Attributes:
        journal: Folder of the journal: one JSONL file per process; None for none.
        sink: A callable that takes a list of records, or ``"otel"`` for OpenTelemetry log events; None for none.
        queue_size: Records that may wait to be written; more are dropped, counted.
        rotate_bytes: Size from which on a process begins its next file.
        hash_units: A key; with it, records hold a keyed hash in place of each unit.
        flush_every: Seconds after which what is aggregated per unit, and the account, are written.
        dedupe: Units that are remembered as exposed, the latest ones; a unit beyond may be told twice.
    """

    journal: str | None = None
    sink: RecordSink | Literal["otel"] | None = None
    queue_size: int = 10_000
    rotate_bytes: int = 64 * 1024 * 1024
    hash_units: str | None = field(default=None, repr=False)
    flush_every: float = 5.0
    dedupe: int = 100_000

    def __post_init__(self) -> None:
        if self.journal is not None:
            self._check_journal(self.journal)
        if self.sink is not None and self.sink != "otel" and not callable(self.sink):
            raise _bad_option("sink", self.sink, "a callable that takes a list of records, or 'otel'")
        for name in ("queue_size", "rotate_bytes", "dedupe"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise _bad_option(name, value, "a whole number from 1")
        if self.hash_units is not None and (not isinstance(self.hash_units, str) or not self.hash_units):
            raise ConfigError("Cannot hash units with what is given as 'hash_units': it is no key. Give a text.")
        seconds = self.flush_every
        if not isinstance(seconds, int | float) or isinstance(seconds, bool) or not 0 < seconds < math.inf:
            raise _bad_option("flush_every", seconds, "a number of seconds above 0")

    def _check_journal(self, journal: Any) -> None:
        if not isinstance(journal, str | os.PathLike) or not os.fspath(journal):
            raise _bad_option("journal", journal, "the path of a folder")
        if Path(journal).is_file():
            raise _bad_option("journal", journal, "the path of a folder, which this file is not")
        object.__setattr__(self, "journal", os.fspath(journal))

    @property
    def is_on(self) -> bool:
        """Whether records go anywhere."""
        return self.journal is not None or self.sink is not None

    def with_changes(self, changes: Mapping[str, Any]) -> "OnlineOptions":
        """Return these options with some replaced.

        Raises:
            ConfigError: If a name is unknown or a value is out of range.
        """
        known = [item.name for item in fields(self)]
        for name in changes:
            if name not in known:
                message = f"Cannot set online option {name!r}: there is none. Give some of {', '.join(known)}."
                raise ConfigError(message + did_you_mean(name, known))
        return replace(self, **changes)


def _bad_option(name: str, value: Any, wanted: str) -> ConfigError:
    return ConfigError(f"Cannot set online option {name!r} to {value!r}: it is of no use there. Give {wanted}.")


@dataclass(frozen=True, slots=True)
class ExposureStats:
    """What became of the exposures and outcomes of this process, as counts.

    ``submitted == written + repeated + dropped + failed + pending`` at any time.

    Attributes:
        submitted: Calls under an arm that have begun to be told of, and outcomes.
        written: Records that the journal, or the sink, has.
        repeated: Calls of a unit that was exposed to its arm before.
        dropped: Lost for want of room in the queue, or of time at exit.
        failed: What could not be written, and outcomes that are none or have no unit.
        pending: On the way.
        missing_unit: Calls without a unit; they are no exposures, and not part of the sum.
    """

    submitted: int = 0
    written: int = 0
    repeated: int = 0
    dropped: int = 0
    failed: int = 0
    pending: int = 0
    missing_unit: int = 0
