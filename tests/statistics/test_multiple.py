import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from spearmint.statistics.multiple import adjusted_levels, holm


@settings(max_examples=25)  # Each has statsmodels collect garbage.
@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_equals_statsmodels(p_values):
    assert holm(p_values) == pytest.approx(list(multipletests(p_values, method="holm")[1]))


def test_holm_leaves_out_comparisons_that_were_not_made():
    adjusted = holm([0.04, math.nan, 0.01])
    assert adjusted[0] == pytest.approx(0.04)
    assert math.isnan(adjusted[1])
    assert adjusted[2] == pytest.approx(0.02)


@given(st.lists(st.floats(0, 1, allow_subnormal=False), min_size=1, max_size=20))
def test_adjusted_levels_decide_each_p_as_holm_does(p_values):
    adjusted = holm(p_values)
    for p, q, level in zip(p_values, adjusted, adjusted_levels(p_values, adjusted, 0.05), strict=True):
        assert 0 < level <= 0.05 + 1e-12
        if not math.isclose(q, 0.05):
            assert (p <= level) == (q <= 0.05)


def test_adjusted_levels_of_missing_and_vanishing_p_values():
    p_values = [0.0, math.nan, 0.01]
    levels = adjusted_levels(p_values, holm(p_values), 0.05)
    assert levels == pytest.approx([0.05 / 3, 0.05, 0.05])
