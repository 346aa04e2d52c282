"""Reports of evaluations that stand in a folder: pages, and runs as `save("run.json")` writes them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from spearmint.errors import EvaluationError
from spearmint.evaluation.report.saved_run import SavedRun, load_run

_ENDINGS = (".html", ".json")
_MOST = 200


@dataclass(frozen=True, slots=True)
class EvaluationFile:
    """A report in the folder.

    Attributes:
        name: Its path within the folder.
        when: When it was written, in words.
    """

    name: str
    when: str


class EvaluationFolder:
    """The reports in a folder, and the folders in it.

    Args:
        folder: The folder; None for none.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = None if folder is None else folder.resolve()

    def files(self) -> Sequence[EvaluationFile]:
        """Return the reports, the newest first; those beyond 200 are left out."""
        if self._folder is None or not self._folder.is_dir():
            return []
        found = [
            (file.stat().st_mtime, file)
            for file in self._folder.rglob("*")
            if file.suffix.lower() in _ENDINGS and file.is_file()
        ]
        newest = sorted(found, reverse=True)[:_MOST]
        return [
            EvaluationFile(
                file.relative_to(self._folder).as_posix(),
                datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M UTC"),
            )
            for time, file in newest
        ]

    def page(self, name: str) -> str:
        """Return the text of a page.

        Raises:
            EvaluationError: If the folder has no such page.
        """
        return self._path(name, ".html").read_text(encoding="utf-8", errors="replace")

    def run(self, name: str) -> SavedRun:
        """Return a run.

        Raises:
            EvaluationError: If the folder has no such run, or the file is none.
        """
        return load_run(self._path(name, ".json"))

    def _path(self, name: str, ending: str) -> Path:
        """Return the path of a file that `files` names, and of no other."""
        if self._folder is not None:
            path = (self._folder / name).resolve()
            if path.is_relative_to(self._folder) and path.suffix.lower() == ending and path.is_file():
                return path
        raise EvaluationError(f"Cannot show {name!r}: the folder of reports has no such file.")
