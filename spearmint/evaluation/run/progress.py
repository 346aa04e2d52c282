"""The bar that tells how far an evaluation is; nothing where there is no terminal."""

from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text


class _Rate(ProgressColumn):
    """Cells per second."""

    def render(self, task: Any) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f}/s" if speed >= 10 else f"{speed:.1f}/s")  # noqa: PLR2004


class CellProgress:
    """Shows count, rate, time left and errors on a terminal.

    Args:
        title: What is evaluated.
        total: How many cells there are.
        is_wanted: Whether to show anything at all.
        console: Where; standard error by default.
    """

    def __init__(self, title: str, total: int, *, is_wanted: bool, console: Console | None = None) -> None:
        shown_on = Console(stderr=True) if console is None else console
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            _Rate(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[errors]} errors"),
            console=shown_on,
            disable=not (is_wanted and shown_on.is_terminal),
            transient=True,
        )
        self._task = self._bar.add_task(title, total=total, errors=0)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bar.stop()

    def advance(self, cells: int, errors: int) -> None:
        """Tell of cells that have ended, and of all errors so far."""
        if not self._bar.disable:
            self._bar.update(self._task, advance=cells, errors=errors)
