"""What each of several cells gets of one result."""

from collections import defaultdict
from dataclasses import dataclass

import pytest

from spearmint.evaluation.sharing.copies import copier_of


@dataclass(frozen=True)
class Hit:
    title: str
    terms: tuple[str, ...]


@pytest.mark.parametrize(
    "value",
    [{1: 0.5, 2: 0.25}, ["a", "b"], {1, 2}, [["a"], ["b"]], {"a": [1]}, defaultdict(float, {1: 0.5}), [[1] * 20_000]],
    ids=["flat-dict", "flat-list", "flat-set", "nested-list", "nested-dict", "subclass", "large"],
)
def test_what_can_change_is_a_copy_for_each_as_it_was(value):
    give = copier_of(value)
    first = give()
    assert (type(first), first) == (type(value), value)
    value.clear()
    assert give() == first
    assert give() is not first


def test_nothing_in_a_copy_is_what_another_got():
    give = copier_of({"a": [1], "b": ["x"]})
    give()["a"].append(2)
    assert give() == {"a": [1], "b": ["x"]}


def test_what_cannot_change_is_handed_to_all():
    hit = Hit("mint", ("cold", "tea"))
    give = copier_of((hit, hit))
    assert give() is give()
    assert give()[0] is hit
