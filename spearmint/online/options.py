"""What may be set about exposures and outcomes, and the account of what became of them."""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from spearmint.errors import ConfigError, EvaluationError
from spearmint.import_path import import_object
from spearmint.process_options import ProcessOptions
from spearmint.scorers import Scorer, compile_call_scorers

RecordSink = Callable[[list[dict[str, Any]]], object]


@dataclass(frozen=True, slots=True)
class OnlineOptions(ProcessOptions):
    """Where exposures and outcomes go, and within which bounds.

    Attributes:
        journal: Folder of the journal: one JSONL file per process; None for none.
        sink: A callable that takes a list of records, or its import path, ``"pkg.mod:name"``; ``"otel"`` for log events
            of OpenTelemetry; None for none.
        queue_size: Records that may wait to be written; more are dropped, counted.
        rotate_bytes: Size from which on a process begins its next file.
        hash_units: A key; with it, records hold a keyed hash in place of each unit.
        flush_every: Seconds after which what is aggregated per unit, and the account, are written.
        dedupe: Units that are remembered as exposed, the latest ones; a unit beyond may be told twice.
        metrics: Scorers of the outputs of exposed units, as for `spearmint.Spearmint.evaluate`, or their import paths;
            an experiment's own ``metrics`` stand in their place.
        score_rate: Share of the units, from 0 to 1, whose outputs are scored.
    """

    kind: ClassVar[str] = "online option"

    journal: str | None = None
    sink: RecordSink | str | None = None
    queue_size: int = 10_000
    rotate_bytes: int = 64 * 1024 * 1024
    hash_units: str | None = field(default=None, repr=False)
    flush_every: float = 5.0
    dedupe: int = 100_000
    metrics: Any = None
    score_rate: float = 0.1

    def __post_init__(self) -> None:
        if self.journal is not None:
            if not isinstance(self.journal, str | os.PathLike) or not os.fspath(self.journal):
                raise self.refusal("journal", "the path of a folder")
            if Path(self.journal).is_file():
                raise self.refusal("journal", "the path of a folder, which this file is not")
            object.__setattr__(self, "journal", os.fspath(self.journal))
        is_path = isinstance(self.sink, str) and (self.sink == "otel" or ":" in self.sink)
        if self.sink is not None and not is_path and not callable(self.sink):
            raise self.refusal("sink", "a callable that takes a list of records, its import path, or 'otel'")
        self.check_whole("queue_size", "rotate_bytes", "dedupe")
        if self.hash_units is not None and (not isinstance(self.hash_units, str) or not self.hash_units):
            raise ConfigError("Cannot hash units with what is given as 'hash_units': it is no key. Give a text.")
        self.check_seconds("flush_every")
        rate = self.score_rate
        if not isinstance(rate, int | float) or isinstance(rate, bool) or not 0 <= rate <= 1:
            raise self.refusal("score_rate", "a share from 0 to 1")
        paths = [self.metrics] if isinstance(self.metrics, str) else self.metrics
        if isinstance(paths, list | tuple) and any(isinstance(one, str) and ":" not in one for one in paths):
            raise self.refusal("metrics", "scorers, or their import paths such as 'pkg.mod:scorer'")

    @property
    def is_on(self) -> bool:
        """Whether records go anywhere."""
        return self.journal is not None or self.sink is not None


def imported_metrics(metrics: Any) -> tuple[Scorer, ...]:
    """Return scorers, of which import paths may have been given.

    Raises:
        ConfigError: If one cannot be imported, or is no scorer of calls.
    """
    given = [metrics] if isinstance(metrics, str) else metrics
    if not given:
        return ()
    if isinstance(given, tuple) and isinstance(given[0], Scorer):
        return given  # They have been compiled before.
    if isinstance(given, Mapping):
        given = {name: _imported(one) for name, one in given.items()}
    elif isinstance(given, Iterable) and not callable(given):
        given = [_imported(one) for one in given]
    try:
        return compile_call_scorers(given)
    except EvaluationError as error:
        raise ConfigError(str(error)) from error


def _imported(scorer: Any) -> Any:
    if not isinstance(scorer, str):
        return scorer
    try:
        return import_object(scorer)
    except ImportError as error:
        raise ConfigError(f"Cannot use the scorer {scorer!r}: {error}") from error


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
