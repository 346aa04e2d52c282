"""Did you mean: the names closest to one that is unknown."""

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a sentence that suggests what a name may have been meant to be, with a space before it; else nothing."""
    every = list(known)
    last = name.rpartition(".")[2]
    close = get_close_matches(name, every, n=3) or [one for one in every if one.rpartition(".")[2] == last]
    return f" Did you mean {' or '.join(map(repr, close[:3]))}?" if close else ""
