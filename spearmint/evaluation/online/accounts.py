"""What the processes of a journal have counted, put together, and held against what its files hold."""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from spearmint.evaluation.online.journal_table import JournalTable, process_of


@dataclass(frozen=True, slots=True)
class JournalAccounts:
    """What became of the records of all processes.

    Attributes:
        processes: How many processes have written.
        open_processes: How many of them have not told their end: they run still, or were killed.
        exposures: Exposures that are there.
        repeated: Further calls of exposed units.
        missing_unit: Calls without a unit.
        dropped: Records that had no room, or no time at exit.
        failed: Records that could not be written.
        absent: Lines that a process has written and no file holds.
        unreadable: Lines that are no record.
    """

    processes: int
    open_processes: int
    exposures: int
    repeated: int
    missing_unit: int
    dropped: int
    failed: int
    absent: int
    unreadable: int


def journal_accounts(table: JournalTable) -> JournalAccounts:
    """Return the accounts of all processes, as they were told last."""
    written: dict[str, int] = defaultdict(int)
    for file, count in table.rows(
        "SELECT path, sum(records)::BIGINT FROM groups JOIN files USING (file) GROUP BY path"
    ):
        written[process_of(file)] += count
    # Counts only grow. A process that has opened several journals tells the same counts in each of them.
    told = table.rows(
        """
        SELECT process, coalesce(any_value(account), process), bool_or(is_last), coalesce(max(lines) + 1, 0),
            max(repeated), max(missing_unit), max(dropped), max(failed)
        FROM accounts GROUP BY process
        """
    )
    counts: dict[str, tuple[int, ...]] = {}
    for _, account, _, _, *numbers in told:
        before = counts.get(account, (0,) * len(numbers))
        counts[account] = tuple(max(old, new or 0) for old, new in zip(before, numbers, strict=True))
    repeated, missing_unit, dropped, failed = (sum(of_all) for of_all in zip(*counts.values(), (0,) * 4, strict=True))
    closed = {process for process, _, is_last, *_ in told if is_last}
    exposures = table.rows("SELECT coalesce(sum(records), 0)::BIGINT FROM groups WHERE type = 'exposure'")[0][0]
    return JournalAccounts(
        processes=len(written),
        open_processes=len(written.keys() - closed),
        exposures=exposures,
        repeated=repeated,
        missing_unit=missing_unit,
        dropped=dropped,
        failed=failed,
        absent=sum(max(0, lines - written[process]) for process, _, _, lines, *_ in told),
        unreadable=_unreadable(table),
    )


def _unreadable(table: JournalTable) -> int:
    """Count lines that are no record, but for the last one of a file that is being written."""
    found = table.rows(
        "SELECT path, sum(records)::BIGINT FROM groups JOIN files USING (file) WHERE type IS NULL GROUP BY path"
    )
    return sum(count - _is_torn(Path(file)) for file, count in found)


def _is_torn(path: Path) -> bool:
    """Tell whether a file ends within a line, as where a process was killed, or is writing right now."""
    if path.suffix == ".gz" or not path.stat().st_size:
        return False
    with path.open("rb") as file:
        file.seek(-1, 2)
        return file.read() != b"\n"
