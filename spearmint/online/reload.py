"""Changed files take effect without a restart: one thread looks at them, and swaps what they say as one."""

import logging
import math
import os
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any, Protocol

from spearmint.cases.versions import versions
from spearmint.errors import ConfigError, SpearmintError
from spearmint.giving_way import giving_way
from spearmint.online.file_events import FileEvents
from spearmint.online.fingerprints import FileFingerprints
from spearmint.online.steering import keep_at_its_stage
from spearmint.registry.changes import Change, publish

logger = logging.getLogger("spearmint")

_THREAD = "spearmint-reload"
_STABLE_SECONDS = 0.1  # A file that is written in place is read once it has been the same for that long.
_MOST_WAITS = 10


@dataclass(frozen=True, slots=True)
class Staged:
    """What changed files say, read and checked, before any of it holds.

    Attributes:
        changes: Experiments, each with what it chooses from then.
        prepare: Called before they hold.
        commit: Called when they do.
        waiting: What needs a restart, each with the reason.
    """

    changes: list[Change] = field(default_factory=list)
    prepare: Callable[[], object] = lambda: None
    commit: Callable[[], object] = lambda: None
    waiting: tuple[str, ...] = ()

    def apply(self) -> None:
        """Let it hold."""
        self.prepare()
        for _, declared in self.changes:
            keep_at_its_stage(declared.split)
        publish(self.changes)
        self.commit()


class ReloadSource(Protocol):
    """What is declared in files."""

    def files(self) -> Iterable[Path]:
        """Yield the files, in an order of their own."""

    def stage(self) -> Staged:
        """Read and check what they say now.

        Raises:
            SpearmintError: If that is no good.
        """


@dataclass(frozen=True, slots=True)
class SettingsStats:
    """What of watched files is in force in this process.

    Attributes:
        version: A hash of what they held when they were taken in, the same in every process that has the same in
            force; empty where no file is watched.
        loaded: How often a change of theirs has been taken in.
        rejected: How often what they said was no good, so that what was in force stayed so.
        age: Seconds since they were taken in.
        waiting: What they say that needs a restart.
    """

    version: str
    loaded: int
    rejected: int
    age: float
    waiting: tuple[str, ...] = ()


class _Watched:
    """A source, and what is known of its files."""

    def __init__(self, source: ReloadSource, every: float | None) -> None:
        self.source = weakref.ref(source)
        self.every = every
        self.prints = FileFingerprints()
        self.files = list(source.files())
        self.version = self.prints.of(self.files)
        self.seen = ""  # Its files may have changed since they were read: the first look reads them again.
        self.waiting: tuple[str, ...] = ()
        self.due = monotonic() + (every or 0.0)


class Reloader:
    """Takes in what files say now: of all sources when asked, of those that are watched by itself.

    A fork begins with a thread and a lock of its own, and with all sources.
    """

    def __init__(self) -> None:
        self._watched: list[_Watched] = []
        self._lock = threading.RLock()
        self._taking = threading.RLock()  # Held for long, so that what only asks waits for the other alone.
        self._events = FileEvents()
        self._thread: threading.Thread | None = None
        self._loaded = self._rejected = 0
        self._since = monotonic()

    def add(self, source: ReloadSource, every: float | None) -> Callable[[], None]:
        """Watch the files of a source, which is not kept alive.

        Args:
            source: The source.
            every: Seconds between two looks; None to look only when `reload` is called.

        Returns:
            What ends it.
        """
        watched = _Watched(source, every)
        with self._lock:
            self._watched.append(watched)
            self._begin()
        self._events.wake()

        def end() -> None:
            with suppress(ValueError):
                self._watched.remove(watched)
            self._events.wake()

        return end

    def reload(self) -> None:
        """Take in what the files of all sources say now.

        Raises:
            SpearmintError: If those of one are no good; what was in force of it stays so.
        """
        errors = [error for watched in self._sources() if (error := self._take(watched)) is not None]
        if errors:
            raise errors[0]

    def stats(self) -> SettingsStats:
        """Return one consistent snapshot."""
        with self._lock:
            known = [watched for watched in self._watched if watched.source() is not None]
            told = [watched.version for watched in known]
            version = told[0] if len(told) == 1 else "+".join(told)
            waiting = tuple(text for watched in known for text in watched.waiting)
            return SettingsStats(version, self._loaded, self._rejected, monotonic() - self._since, waiting)

    def _sources(self) -> Iterator[_Watched]:
        for watched in list(self._watched):
            if watched.source() is None:
                with suppress(ValueError):
                    self._watched.remove(watched)
            else:
                yield watched

    def _take(self, watched: _Watched) -> SpearmintError | None:
        """Take in what the files of a source say; return why they are no good, if they are not."""
        with self._taking:
            source = watched.source()
            if source is None:
                return None
            before, now = watched.seen, ""
            try:
                staged = Staged()
                for _ in range(_MOST_WAITS):
                    now = watched.prints.of(source.files())
                    staged = source.stage()
                    if watched.prints.of(source.files()) == now:  # Else they were written to meanwhile.
                        break
                staged.apply()
            except SpearmintError as error:
                if now != before:
                    with self._lock:
                        self._rejected += 1
                    logger.warning("Changed settings are no good, and those before stay in force: %s", error)
                return error
            finally:
                watched.seen = now
            if staged.waiting and staged.waiting != watched.waiting:
                told = "; ".join(staged.waiting)
                logger.warning("Changed settings are in force but for what needs a restart: %s", told)
            # The first look may find files that were not known of before, as configs were not read yet.
            is_first = not before and watched.prints.of(watched.files) == watched.version
            with self._lock:
                watched.waiting = staged.waiting
                if now != watched.version:
                    watched.version = now
                    self._loaded += not is_first
                    self._since = self._since if is_first else monotonic()
        return None

    # The thread.

    def _begin(self) -> None:
        if self._thread is None and any(watched.every is not None for watched in self._watched):
            self._events.prepare()
            self._thread = threading.Thread(target=self._run, name=_THREAD, daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while polled := self._polled():
            try:
                with giving_way():
                    self._look_in_turn(polled)
            except Exception:  # The thread goes on, for what is written next.
                logger.exception("Cannot look at changed settings")
                self._events.pause(_STABLE_SECONDS)

    def _polled(self) -> list[_Watched]:
        """Return the sources that are looked at by the thread, which ends where there are none."""
        with self._lock:
            polled = [watched for watched in self._sources() if watched.every is not None]
            if not polled:
                self._thread = None
            return polled

    def _look_in_turn(self, polled: list[_Watched]) -> None:
        left = min(watched.due for watched in polled) - monotonic()
        folders = {file.parent for watched in polled for file in _files(watched)}
        if self._events.wait(max(0.0, left), folders):
            for watched in polled:
                watched.due = 0.0
        for watched in polled:
            if watched.due <= monotonic():
                watched.due = monotonic() + (watched.every or 0.0)
                self._look(watched)

    def _look(self, watched: _Watched) -> None:
        """Take in what the files of a source say if that is new, once they stay as they are."""
        now = watched.prints.of(_files(watched))
        if now == watched.seen:
            return
        for _ in range(_MOST_WAITS):
            before = now
            self._events.pause(_STABLE_SECONDS)
            now = watched.prints.of(_files(watched))
            if now == before:
                break
        self._take(watched)

    def reset_after_fork(self) -> None:
        """Let the child of a fork watch by itself."""
        versions.reset_after_fork()
        self._lock = threading.RLock()
        self._taking = threading.RLock()
        self._events = FileEvents()
        if self._thread is not None:
            self._thread = None
            with suppress(RuntimeError):  # No thread can be started any more.
                self._begin()


def _files(watched: _Watched) -> list[Path]:
    source = watched.source()
    return [] if source is None else list(source.files())


reloader = Reloader()
"""The one of the process."""

if hasattr(os, "register_at_fork"):
    # In the child alone: under uvloop every subprocess runs these, and nothing of the parent's may stop.
    os.register_at_fork(after_in_child=reloader.reset_after_fork)


def checked_interval(seconds: Any) -> float:
    """Return what was given as seconds between two looks.

    Raises:
        ConfigError: If it is no finite number above 0.
    """
    if not isinstance(seconds, int | float) or isinstance(seconds, bool) or not 0 < seconds < math.inf:
        message = f"Cannot look at files every {seconds!r} seconds: it is no interval. Give a number above 0, or None."
        raise ConfigError(message)
    return float(seconds)


def reload() -> SettingsStats:
    """Take in what the settings files, and the config files that they name, say now.

    That is every file of `spearmint.install` and of ``Spearmint(configs="path", reload=...)``, watched or not, and
    those that they include by ``!file``. Configs, strategies and ``enabled`` take effect at once and together, then
    what is said of the process; calls that are under way end as they began. New targets and changed bindings need a
    restart, which `SettingsStats.waiting` says.

    Returns:
        What is in force.

    Raises:
        SpearmintError: If they are no good; what was in force stays so.
    """
    reloader.reload()
    return reloader.stats()


def settings_stats() -> SettingsStats:
    """Return what of watched files is in force in this process, as one consistent snapshot."""
    return reloader.stats()
