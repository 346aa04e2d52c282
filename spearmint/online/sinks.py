"""Where records go beside the journal: a callable, or OpenTelemetry's log events."""

import importlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol, cast

from spearmint.errors import ConfigError
from spearmint.import_path import import_object
from spearmint.online.journal import RecordJournal, Taken
from spearmint.online.options import OnlineOptions, RecordSink, imported_metrics

_EVENTS = {"exposure": "feature_flag.evaluation", "outcome": "spearmint.outcome", "shadow": "spearmint.shadow"}


class Sink(Protocol):
    """Takes records."""

    def write(self, records: Sequence[dict[str, Any]]) -> Taken:
        """Take records, and tell how many, from the first on, it has."""

    def close(self) -> None:
        """Let go of what it holds; it may be called twice."""


class CallableSink:
    """Hands records to a callable of the user's: all of a batch, or none if it raises."""

    def __init__(self, call: RecordSink) -> None:
        self._call = call

    def write(self, records: Sequence[dict[str, Any]]) -> Taken:
        """Call it with a list of its own."""
        try:
            self._call([dict(record) for record in records])
        except Exception as error:  # noqa: BLE001 - whatever it does is an error of its own
            return 0, error
        return len(records), None

    def close(self) -> None:
        """Do nothing: it is the user's."""


class OpenTelemetrySink:
    """Emits each record as a log event of the process's logger provider, as OpenTelemetry names feature flags."""

    def __init__(self) -> None:
        logs = importlib.import_module("opentelemetry._logs")
        self._make = logs.LogRecord
        self._logger = logs.get_logger("spearmint")

    def write(self, records: Sequence[dict[str, Any]]) -> Taken:
        """Emit them, one by one."""
        for number, record in enumerate(records):
            told = {key: value for key, value in record.items() if key not in ("type", "time") and value is not None}
            told["feature_flag.provider.name"] = "spearmint"
            event = _EVENTS[record["type"]]
            try:
                self._logger.emit(self._make(timestamp=record["time"], attributes=told, event_name=event))
            except Exception as error:  # noqa: BLE001 - a processor of the user's may do anything
                return number, error
        return len(records), None

    def close(self) -> None:
        """Do nothing: the provider is the user's."""


def imported_sink(sink: RecordSink | str | None) -> RecordSink | str | None:
    """Return a sink, of which the import path may have been given.

    Raises:
        ConfigError: If it cannot be imported, or called.
    """
    if not isinstance(sink, str) or sink == "otel":
        return sink
    try:
        found = import_object(sink)
    except ImportError as error:
        raise ConfigError(f"Cannot use the sink {sink!r}: {error}") from error
    if not callable(found):
        message = f"Cannot use the sink {sink!r}: it cannot be called. Name a function that takes a list of records."
        raise ConfigError(message)
    call: RecordSink = found
    return call


def imported_options(options: OnlineOptions) -> OnlineOptions:
    """Return options with what is named by its import path imported: the sink, and scorers.

    Raises:
        ConfigError: If it cannot be imported, or is none of these.
    """
    return replace(options, sink=imported_sink(options.sink), metrics=imported_metrics(options.metrics))


def open_sinks(options: OnlineOptions) -> list[Sink]:
    """Return the sinks that options name, the journal first.

    Raises:
        ImportError: If OpenTelemetry is asked for and not installed.
    """
    found: list[Sink] = []
    if options.journal is not None:
        found.append(RecordJournal(options.journal, options.rotate_bytes))
    if options.sink == "otel":
        found.append(OpenTelemetrySink())
    elif options.sink is not None:
        found.append(CallableSink(cast("RecordSink", imported_sink(options.sink))))
    return found
