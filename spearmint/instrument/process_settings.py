"""What settings say of the whole process: put in force, changed while it runs, and taken back."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from spearmint.errors import ConfigError
from spearmint.execution.call_metrics import call_meter
from spearmint.execution.pool import variant_pool
from spearmint.instrument.settings.load import LoadedSettings
from spearmint.online.options import OnlineOptions
from spearmint.online.sinks import imported_options
from spearmint.online.writer import records
from spearmint.process_options import ProcessOptions
from spearmint.proxy.codegen import set_metrics_options
from spearmint.tracing import recorder
from spearmint.tracing.exporter import exporter


class _Section(NamedTuple):
    """One key of the settings.

    Attributes:
        options: Returns what is in force.
        change: Changes some of it.
        put_back: Lets options be in force again as they were.
    """

    options: Callable[[], ProcessOptions]
    change: Callable[[Mapping[str, Any]], object]
    put_back: Callable[[Any], object]


def _put_back_tracing(options: Any) -> None:
    exporter.options = options
    recorder.set_options({})  # It keeps what it has read of the options.


_SECTIONS = {
    "tracing": _Section(lambda: exporter.options, recorder.set_options, _put_back_tracing),
    "background": _Section(
        lambda: variant_pool.limits,
        lambda changes: variant_pool.configure(**changes),
        lambda options: variant_pool.configure(**asdict(options)),
    ),
    "metrics": _Section(
        lambda: call_meter.options, set_metrics_options, lambda options: set_metrics_options(asdict(options))
    ),
    "online": _Section(lambda: records.options, records.configure, records.set_options),
}


class ProcessSettings:
    """What one installation has set for the process.

    What the program sets by `spearmint.configure` meanwhile stays, but for the very options that the settings change.
    """

    def __init__(self) -> None:
        self._before: dict[str, ProcessOptions] = {}
        self._given: dict[str, Mapping[str, Any]] = {}

    def check(self, loaded: LoadedSettings) -> None:
        """Import what settings name, which is all that can still be wrong with them once they have been read.

        Raises:
            SettingsError: If a sink or a scorer cannot be imported, or is none.
        """
        online = loaded.settings.online
        if not online:
            return
        for key in ("sink", "metrics"):
            try:
                imported_options(OnlineOptions().with_changes({key: online.get(key)}))
            except ConfigError as error:
                raise loaded.origin.error(str(error), ("online", key)) from error

    def put_in_force(self, loaded: LoadedSettings) -> None:
        """Let settings hold, in place of those that were put in force before.

        Raises:
            SettingsError: As `check`; then nothing has changed.
        """
        self.check(loaded)
        for name, section in _SECTIONS.items():
            now = _given(loaded, name)
            before = self._given.get(name, {})
            if now == before:
                continue
            initial = self._before.setdefault(name, section.options())
            ended = {key: getattr(initial, key) for key in before if key not in now}
            section.change({**ended, **{key: value for key, value in now.items() if before.get(key, self) != value}})
            self._given[name] = now

    def take_back(self) -> None:
        """Let what was set before hold again."""
        for name, options in self._before.items():
            _SECTIONS[name].put_back(options)
        self._before, self._given = {}, {}


def _given(loaded: LoadedSettings, name: str) -> Mapping[str, Any]:
    given: Mapping[str, Any] = getattr(loaded.settings, name) or {}
    return _relative_to(loaded.origin.folder, given) if name == "online" else given


def _relative_to(folder: Path | None, online: Mapping[str, Any]) -> dict[str, Any]:
    """Return options whose journal stands beside the settings file, as its other paths do."""
    journal = online.get("journal")
    return {**online, "journal": str(folder / journal)} if journal and folder is not None else dict(online)
