import io

from rich.console import Console

from spearmint.evaluation.run.progress import CellProgress


def shown(*, is_terminal, is_wanted=True):
    console = Console(file=io.StringIO(), force_terminal=is_terminal, width=120)
    with CellProgress("shop:rank", 40, is_wanted=is_wanted, console=console) as progress:
        progress.advance(30, 2)
        progress._bar.refresh()
    return console.file.getvalue()


def test_a_terminal_sees_count_rate_and_errors():
    text = shown(is_terminal=True)
    assert "shop:rank" in text
    assert "30/40" in text
    assert "2 errors" in text


def test_nothing_is_shown_where_there_is_no_terminal_or_it_is_not_wanted():
    assert shown(is_terminal=False) == ""
    assert shown(is_terminal=True, is_wanted=False) == ""
