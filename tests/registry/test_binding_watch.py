from itertools import repeat

import pytest

from spearmint.config.binding import Slot
from spearmint.registry.binding_watch import BindingWatch, unnoted


def slot(name):
    return Slot(name, "k", False, 0, False, False, (), lambda value: value)


@pytest.mark.parametrize("supply", [repeat(1).__next__, [1].copy, lambda: 1], ids=["shared", "copied", "made"])
def test_supplier_of_any_kind_is_had_unnoted(supply):
    assert unnoted(supply) is supply
    watch = BindingWatch((slot("x"),))
    values = []
    values.extend(watch.noting([supply]))
    assert unnoted(values[0]) is supply
    watch.called[0] = True
    assert watch.idle() == {"x"}
