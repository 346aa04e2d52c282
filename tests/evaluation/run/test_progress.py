import io
import sys
import threading
import types

from rich.console import Console

from spearmint.evaluation.run.progress import CellProgress


class Stream(io.StringIO):
    """Text that tells when a second line has come."""

    def __init__(self):
        super().__init__()
        self.has_two_lines = threading.Event()

    def write(self, text):
        written = super().write(text)
        if self.getvalue().count("\n") >= 2:
            self.has_two_lines.set()
        return written


def test_terminal_sees_count_rate_and_errors():
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    with CellProgress("shop:rank", 40, is_wanted=True, console=console) as progress:
        progress.advance(30, 2)
        progress._view._bar.refresh()
    text = console.file.getvalue()
    assert "shop:rank" in text
    assert "30/40" in text
    assert "2 errors" in text


def test_line_comes_at_intervals_where_there_is_no_terminal():
    stream = Stream()
    with CellProgress("shop:rank", 40, is_wanted=True, console=Console(file=stream), interval=0.01) as progress:
        progress.advance(30, 2)
        assert stream.has_two_lines.wait(20)  # although no cell ends
    *_, last = stream.getvalue().splitlines()
    assert last.startswith("shop:rank: 30/40 cells in 0:00:0")
    assert last.endswith(" left, 2 errors")
    assert "/s, " in last


def test_quick_run_writes_no_line():
    stream = Stream()
    with CellProgress("shop:rank", 40, is_wanted=True, console=Console(file=stream)) as progress:
        progress.advance(40, 0)
    assert stream.getvalue() == ""


def test_nothing_is_shown_where_it_is_not_wanted():
    for options in ({"force_terminal": True}, {"force_jupyter": True}, {}):
        console = Console(file=io.StringIO(), **options)
        with CellProgress("shop:rank", 40, is_wanted=False, console=console, interval=0.0) as progress:
            progress.advance(30, 2)
        assert console.file.getvalue() == ""


def test_notebook_sees_one_line_that_changes(monkeypatch):
    shown = []

    class Handle:
        def update(self, text):
            shown.append(text)

    def display(text, *, display_id):
        assert display_id
        shown.append(text)
        return Handle()

    module = types.SimpleNamespace(display=display, Pretty=str)
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    console = Console(file=io.StringIO(), force_jupyter=True)
    with CellProgress("shop:rank", 40, is_wanted=True, console=console) as progress:
        progress.advance(40, 1)
    assert shown[0].startswith("shop:rank: 0/40 cells")
    assert shown[-1].startswith("shop:rank: 40/40 cells")
    assert shown[-1].endswith(", 1 errors")
