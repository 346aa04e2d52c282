"""How far an evaluation is: a bar on a terminal, a line that changes in a notebook, else a line now and then."""

import importlib
import threading
from datetime import timedelta
from time import monotonic
from types import TracebackType
from typing import Any, Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

_LINE_SECONDS = 10.0
_NOTEBOOK_SECONDS = 0.5
_FAST = 10  # cells per second, from which no decimal is shown


class _View(Protocol):
    """What shows the progress."""

    def start(self) -> None: ...

    def show(self, done: int, errors: int) -> None: ...

    def stop(self) -> None: ...


class CellProgress:
    """Shows count, rate, time left and errors.

    Args:
        title: What is evaluated.
        total: How many cells there are.
        is_wanted: Whether to show anything at all.
        console: Where; standard error by default.
        interval: Seconds between two lines, where there is no terminal.
    """

    def __init__(
        self,
        title: str,
        total: int,
        *,
        is_wanted: bool,
        console: Console | None = None,
        interval: float = _LINE_SECONDS,
    ) -> None:
        shown_on = Console(stderr=True) if console is None else console
        self._done = 0
        self._view: _View | None = None
        if is_wanted and total:
            self._view = _view(title, total, shown_on, interval)

    def __enter__(self) -> Self:
        if self._view is not None:
            self._view.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._view is not None:
            self._view.stop()

    def advance(self, cells: int, errors: int) -> None:
        """Count cells that have ended, and all errors so far."""
        self._done += cells
        if self._view is not None:
            self._view.show(self._done, errors)


def _view(title: str, total: int, console: Console, interval: float) -> _View:
    if console.is_jupyter:
        return _NotebookView(title, total)
    return _BarView(title, total, console) if console.is_terminal else _LineView(title, total, console, interval)


class _Rate(ProgressColumn):
    """Cells per second."""

    def render(self, task: Any) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else _rate(speed))


class _BarView:
    def __init__(self, title: str, total: int, console: Console) -> None:
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            _Rate(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[errors]} errors"),
            console=console,
            transient=True,
        )
        self._task = self._bar.add_task(title, total=total, errors=0)

    def start(self) -> None:
        self._bar.start()

    def show(self, done: int, errors: int) -> None:
        self._bar.update(self._task, completed=done, errors=errors)

    def stop(self) -> None:
        self._bar.stop()


class _Account:
    """What a line says."""

    def __init__(self, title: str, total: int) -> None:
        self._title = title
        self._total = total
        self._started = monotonic()
        self.done = self.errors = 0

    def line(self) -> str:
        seconds = monotonic() - self._started
        rate = self.done / seconds if seconds > 0 else 0.0
        left = ""
        if rate and self.done < self._total:
            left = f", {timedelta(seconds=round((self._total - self.done) / rate))} left"
        count = f"{self.done:,}/{self._total:,} cells"
        return (
            f"{self._title}: {count} in {timedelta(seconds=round(seconds))}, {_rate(rate)}{left}, {self.errors} errors"
        )


class _LineView:
    """Lines for logs, on a thread of their own, so that they come also while no cell ends."""

    def __init__(self, title: str, total: int, console: Console, interval: float) -> None:
        self._account = _Account(title, total)
        self._console = console
        self._interval = interval
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._tell, name="spearmint-progress", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def show(self, done: int, errors: int) -> None:
        self._account.done, self._account.errors = done, errors

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _tell(self) -> None:
        while not self._stopped.wait(self._interval):
            self._console.file.write(f"{self._account.line()}\n")
            self._console.file.flush()


class _NotebookView:
    """One line under the cell of the notebook, replaced as the evaluation goes on."""

    def __init__(self, title: str, total: int) -> None:
        self._account = _Account(title, total)
        self._ipython = importlib.import_module("IPython.display")  # which a notebook has imported
        self._handle: Any = None
        self._shown = 0.0

    def start(self) -> None:
        self._handle = self._ipython.display(self._text(), display_id=True)

    def show(self, done: int, errors: int) -> None:
        self._account.done, self._account.errors = done, errors
        if self._handle is not None and monotonic() - self._shown > _NOTEBOOK_SECONDS:
            self._shown = monotonic()
            self._handle.update(self._text())

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.update(self._text())

    def _text(self) -> Any:
        return self._ipython.Pretty(self._account.line())


def _rate(speed: float) -> str:
    return f"{speed:,.0f}/s" if speed >= _FAST else f"{speed:.1f}/s"
