"""Which values have the same key, and which have not."""

import itertools
from collections import OrderedDict
from copy import deepcopy
from typing import Any, NamedTuple

import pytest

from spearmint.evaluation.sharing.exact_key import exact_key


class Pair(NamedTuple):
    first: Any
    second: Any


class Text(str):
    __slots__ = ()


LONG = "x" * 20_000
VALUES = [
    *(
        None,
        True,
        False,
        0,
        1,
        2**80,
        0.0,
        -0.0,
        1.0,
        float("nan"),
        float("inf"),
        "",
        "1",
        "1.0",
        b"1",
        Text("1"),
        LONG,
    ),
    *((), [], {}, set(), frozenset(), (1,), [1], {1: 2}, {1}, (1, 2), Pair(1, 2), [1, 2], [2, 1], [True, 2], [1.0, 2]),
    *({"a": 1, "b": 2}, {"b": 2, "a": 1}, {"a": "b", 1: 2}, OrderedDict(a=1, b=2), ["a", "b", 1, 2], [dict, "a", 1]),
    *([[[[[[1]]]]]], [[[[[[True]]]]]], [[1], 2], [1, [2]], [[], []], [[[]]], list(range(40)), tuple(range(40))),
    *([LONG], [LONG, 1], {LONG: 1}, [0.0] * 40, [-0.0] * 40),
]


def key(value):
    return exact_key(value, lambda module: module.startswith("tests")).content


def test_values_that_differ_in_type_order_or_sign_differ():
    alike = [(one, other) for one, other in itertools.combinations(VALUES, 2) if key(one) == key(other)]
    assert alike == []
    assert len({key(value) for value in VALUES}) == len(VALUES)


@pytest.mark.parametrize("value", VALUES, ids=lambda value: f"{value!r:.30}")
def test_equal_values_made_apart_have_equal_keys(value):
    assert key(value) == key(deepcopy(value))


def test_list_that_holds_itself_has_a_key():
    first: list[Any] = [1]
    first.append(first)
    second: list[Any] = [1]
    second.append(second)
    assert key(first) == key(second) != key([1, [1, [1]]])


class Holder:
    def __init__(self, value: Any) -> None:
        self.value = value


@pytest.mark.parametrize(
    "make",
    [
        lambda: [1],
        lambda: {"a": 1},
        lambda: {1, 2},
        lambda: list(range(100)),
        lambda: bytearray(b"a"),
        lambda: Holder(1),
    ],
)
def test_one_object_held_twice_is_told_from_two_equal_ones(make) -> None:
    one, other = make(), make()
    twice = key((one, one))
    assert twice != key((one, other))
    assert key((one, other)) == key((other, make()))
    assert twice == key((other, other))
    assert key((Holder(one), one)) != key((Holder(one), other))
