"""Did you mean: the names closest to an unknown one."""

import re
from collections.abc import Iterable
from difflib import SequenceMatcher, get_close_matches

_CUTOFF = 0.6
_CANDIDATES = 50


def close_names(name: str, known: Iterable[str], *, most: int = 3) -> list[str]:
    """Return the known names that an unknown one may have been meant to be, closest first.

    Case does not count. Of dotted names, and of ``"module:qualified.name"``, the last part must be close too, since
    what stands before it is often the same everywhere; where none is close, those count that have the same last part.

    Args:
        name: The unknown name.
        known: The names that exist.
        most: How many to return at most.
    """
    by_folded: dict[str, str] = {}
    for one in known:
        by_folded.setdefault(one.casefold(), one)
    wanted = name.casefold()
    last = _last_part(wanted)
    found = get_close_matches(wanted, list(by_folded), n=_CANDIDATES, cutoff=_CUTOFF)
    close = [one for one in found if one.startswith(wanted) or _ratio(_last_part(one), last) >= _CUTOFF]
    close = close or [one for one in by_folded if _last_part(one) == last]
    return [by_folded[one] for one in close[:most]]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the sentence ``" Did you mean 'a' or 'b'?"``, its leading space included; empty where no name is close.

    It follows the full stop of an error's cause: ``f"Cannot find {name!r}: there is none.{did_you_mean(name, known)}"``
    """
    close = close_names(name, known)
    return f" Did you mean {' or '.join(map(repr, close))}?" if close else ""


def _ratio(one: str, other: str) -> float:
    return SequenceMatcher(None, one, other).ratio()


def _last_part(name: str) -> str:
    return re.split(r"[.:]", name)[-1]
