"""Reports on journals for a page that is looked at again and again: made anew only where files have changed."""

import threading
from collections.abc import Sequence
from pathlib import Path
from time import monotonic

from spearmint.errors import EvaluationError
from spearmint.evaluation.online.journal_table import journal_files
from spearmint.evaluation.online.online_report import OnlineReport, online_reports

FileSizes = tuple[tuple[str, int, int], ...]
_REST = 3.0
"""Times as long as making the reports took, before they are made again: big journals must not keep a machine busy."""


class JournalView:
    """The reports on all experiments of journals.

    Args:
        journals: Folders, files or patterns.
        horizon: About how many units verdicts are expected at.
    """

    def __init__(self, journals: Sequence[str], *, horizon: float) -> None:
        self._journals = tuple(journals)
        self._horizon = horizon
        self._lock = threading.Lock()
        self._seen: FileSizes = ()
        self._made: list[OnlineReport] = []
        self._not_before = 0.0

    def reports(self) -> list[OnlineReport]:
        """Return a report on each experiment.

        Raises:
            EvaluationError: If there is no journal, or it tells of no exposure.
        """
        with self._lock:
            now = self._now()
            if now != self._seen and monotonic() >= self._not_before:
                began = monotonic()
                self._made = online_reports(self._journals, horizon=self._horizon)
                self._seen = now
                self._not_before = monotonic() + _REST * (monotonic() - began)
            return list(self._made)

    def report(self, name: str) -> OnlineReport:
        """Return the report on one experiment.

        Raises:
            EvaluationError: If there is none of that name.
        """
        for one in self.reports():
            if one.experiment == name:
                return one
        raise EvaluationError(f"Cannot show {name!r}: the journals tell of no such experiment.")

    def _now(self) -> FileSizes:
        """Return what tells whether files have changed."""
        found = []
        for file in journal_files(self._journals):
            status = Path(file).stat()
            found.append((file, status.st_size, status.st_mtime_ns))
        return tuple(found)
