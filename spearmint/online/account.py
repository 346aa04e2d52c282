"""The account of exposures and outcomes: what is on the way, and what became of the rest."""

import logging
import os
import sys
import threading
from contextlib import suppress

from spearmint.online.options import ExposureStats

logger = logging.getLogger("spearmint")


class RecordAccount:
    """Counts of one process; a fork begins with a new one.

    Attributes:
        name: What no other account has, in whatever journals it is told.
        lock: Guards all counts. Re-entrant, since a signal handler, or the collector, may come in anywhere.
        repeated: Calls of a unit that was exposed to its arm before.
        missing_unit: Calls without a unit.
        pending: Records on the way.
        is_closed: Whether the exit of the process has counted what is left.
    """

    def __init__(self) -> None:
        self.name = os.urandom(6).hex()
        self.lock = threading.RLock()
        self.repeated = self.missing_unit = self.pending = 0
        self.is_closed = False
        self._written = self._dropped = self._failed = 0
        self._told: set[str] = set()

    def stats(self) -> ExposureStats:
        """Return one consistent snapshot."""
        with self.lock:
            parts = self._written, self.repeated, self._dropped, self._failed, self.pending
            return ExposureStats(sum(parts), *parts, self.missing_unit)

    def admit(self, limit: int) -> bool:
        """Count one more record as pending if there is room for it, else as dropped; the caller holds the lock."""
        has_room = self.pending < limit and not self.is_closed
        if has_room:
            self.pending += 1
        else:
            self._dropped += 1
        return has_room

    def settle(self, written: int, failed: int) -> None:
        """Count what became of pending records; the caller holds the lock."""
        if not self.is_closed:  # Else the exit has counted them already.
            self.pending -= written + failed
            self._written += written
            self._failed += failed

    def count_failed(self, reason: str, *, kind: str = "") -> None:
        """Count what can be no record, and say why for the first time of each kind, or of each reason."""
        with self.lock:
            self._failed += 1
        self.warn_of_loss(reason, kind=kind)

    def count_dropped(self, reason: str) -> None:
        """Count what there was no room or time for; otherwise as `count_failed`."""
        with self.lock:
            self._dropped += 1
        self.warn_of_loss(reason)

    def close(self) -> int:
        """Count what is still pending as dropped, for good; return how much that is."""
        with self.lock:
            self.is_closed = True
            left, self.pending = self.pending, 0
            self._dropped += left
            return left

    def warn_of_full(self, limit: int) -> None:
        """Log that there was no room for a record."""
        self.warn_of_loss(f"the queue of {limit} is full")

    def warn_of_loss(self, reason: str, *, kind: str = "") -> None:
        """Log a loss for the first time of its kind; the counts tell of the others."""
        kind = kind or reason
        if kind in self._told:
            return
        with self.lock:
            is_told = kind in self._told or self.is_closed
            self._told.add(kind)
        if not is_told and not sys.is_finalizing():  # By then, a daemon thread may hold a lock of logging for ever.
            advice = "exposure_stats() counts what is lost, configure(online=...) sets where it goes"
            with suppress(Exception):
                logger.warning("Exposures or outcomes are lost: %s; %s. This is said once.", reason, advice)
