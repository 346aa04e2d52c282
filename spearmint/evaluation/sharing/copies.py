"""How a result is handed to several cells: shared where nothing can change it, else a copy for each."""

import copy
import pickle
from collections.abc import Callable, Iterable
from functools import partial
from itertools import chain, repeat
from typing import Any

from spearmint.config.copying import is_immutable
from spearmint.config.model import ATOMS
from spearmint.evaluation.sharing.exact_key import check_size, is_plain

_SMALL = 20_000  # bytes up to which pickle copies faster than `copy.deepcopy`, which shares texts
_FLAT = frozenset({dict, list, set})
_PLAINEST = frozenset({*ATOMS, bytes})  # of what cannot change, told by the type alone


def copier_of(value: Any) -> Callable[[], Any]:
    """Return what gives each cell a result as it is now.

    Raises:
        TooLargeError: If it is too large to be copied for each cell.
        Exception: What copying it raises.
    """
    if is_immutable(value):
        return repeat(value).__next__
    if type(value) in _FLAT and _PLAINEST.issuperset(map(type, _items(value))):
        return value.copy().copy  # type: ignore[no-any-return]
    if is_plain(value):
        text = pickle.dumps(value, 5)
        if len(text) <= _SMALL:
            return partial(pickle.loads, text)
    check_size(value)
    return partial(copy.deepcopy, copy.deepcopy(value))


def _items(container: Any) -> Iterable[Any]:
    return chain(container, container.values()) if isinstance(container, dict) else container
