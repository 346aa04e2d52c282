import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spearmint.statistics.repeats import reducer

scores = st.lists(st.floats(0, 1), min_size=1, max_size=7)


@given(scores, st.data())
@pytest.mark.parametrize(("name", "choose"), [("pass_at", max), ("pass_all", min)])
def test_pass_is_the_mean_over_all_choices(name, choose, them, data):
    size = data.draw(st.integers(1, len(them)))
    choices = [choose(choice) for choice in itertools.combinations(them, size)]
    assert reducer(f"{name}_{size}", 7)(them) == pytest.approx(sum(choices) / len(choices))


def test_mean_and_median_are_the_usual_ones():
    assert reducer("mean", 3)([0.0, 1.0, 0.5]) == 0.5
    assert reducer("median", 3)([0.0, 1.0, 0.25]) == 0.25


@pytest.mark.parametrize("name", ["mean", "median", "pass_at_2", "pass_all_2"])
def test_too_few_repeats_give_no_number(name):
    assert math.isnan(reducer(name, 3)([1.0] if "pass" in name else []))


@pytest.mark.parametrize(
    ("name", "part"),
    [("pas_at_2", "mean, median"), ("pass_at_4", "3 of them"), ("pass_all_0", "from 1"), ("max", "max")],
)
def test_a_reducer_that_there_is_not_is_refused(name, part):
    with pytest.raises(ValueError, match=part):
        reducer(name, 3)
