"""Trees and counts as text and tables as HTML, for terminals and notebooks."""

import html
from collections.abc import Iterable, Iterator, Sequence

_BLANK, _BAR, _BRANCH, _LAST = "   ", "│  ", "├─ ", "└─ "


def counted(count: int, noun: str) -> str:
    """Return a count and what is counted, in the plural unless it is one.

    >>> counted(1, "row"), counted(2000, "row")
    ('1 row', '2,000 rows')
    """
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def tree(nodes: Sequence[tuple[int, str]]) -> Iterator[str]:
    r"""Yield the lines of a tree.

    Args:
        nodes: Depth and label of each node, each below the one it hangs from; the root has depth 0.

    >>> print("\n".join(tree([(0, "a"), (1, "b"), (2, "c"), (1, "d")])))
    a
    ├─ b
    │  └─ c
    └─ d
    """
    has_more: list[bool] = []  # at each depth: whether a sibling follows
    branches = []
    for depth, label in reversed(nodes):
        has_more += [False] * (depth + 1 - len(has_more))
        indent = "".join(_BAR if more else _BLANK for more in has_more[1:depth])
        branches.append(f"{indent}{(_BRANCH if has_more[depth] else _LAST) if depth else ''}{label}")
        has_more[depth:] = [True]
    return reversed(branches)


def html_table(columns: Iterable[str], rows: Iterable[Iterable[object]], *, caption: str = "") -> str:
    """Return an HTML table whose texts are escaped; a cell that is None is empty."""
    head = "".join(f'<th scope="col">{html.escape(column)}</th>' for column in columns)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    above = f"<caption>{html.escape(caption)}</caption>" if caption else ""
    return f"<table>{above}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(value: object) -> str:
    return f"<td>{'' if value is None else html.escape(str(value))}</td>"
