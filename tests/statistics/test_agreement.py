import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.inter_rater import cohens_kappa as oracle

from spearmint.statistics.agreement import accuracy, cohens_kappa, krippendorffs_alpha

_ = None
# Krippendorff's own example of four observers, twelve units and missing marks.
OBSERVERS = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, _, _, _],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, _, 3],
    [_, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, _],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, _],
]


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=2, max_size=40))
def test_kappa_is_that_of_statsmodels(pairs):
    table = np.zeros((3, 3))
    for one, other in pairs:
        table[one, other] += 1
    with np.errstate(all="ignore"):
        expected = float(oracle(table, return_results=False))
    assert cohens_kappa(*zip(*pairs, strict=True)) == pytest.approx(expected, nan_ok=True)


def test_alpha_of_the_books_example():
    assert krippendorffs_alpha(OBSERVERS) == pytest.approx(0.743, abs=5e-4)
    assert krippendorffs_alpha(OBSERVERS, is_interval=True) == pytest.approx(0.849, abs=5e-4)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=25))
def test_alpha_of_two_judges_is_the_ratio_of_disagreements(pairs):
    marks = list(itertools.chain.from_iterable(pairs))
    by_chance = np.mean([(a - b) ** 2 for a, b in itertools.permutations(marks, 2)])
    observed = np.mean([(a - b) ** 2 for a, b in pairs])
    expected = 1 - observed / by_chance if by_chance else math.nan
    assert krippendorffs_alpha(list(zip(*pairs, strict=True)), is_interval=True) == pytest.approx(expected, nan_ok=True)


def test_rows_that_a_judge_leaves_out_are_left_out_of_kappa():
    assert cohens_kappa(["a", "b", None, "a"], ["a", "b", "b", None]) == 1


@pytest.mark.parametrize(("one", "other"), [([], []), ([None], ["a"]), (["a", "a"], ["a", "a"])])
def test_kappa_that_cannot_be_told_is_not_a_number(one, other):
    assert math.isnan(cohens_kappa(one, other))


def test_accuracy_tells_passing_and_failing_rows_apart():
    found = accuracy([True, False, True, False, None], [True, True, False, False, True])
    assert (found.sensitivity.value, found.sensitivity.n) == (0.5, 2)
    assert (found.specificity.value, found.specificity.n) == (0.5, 2)


def test_accuracy_without_failing_rows_has_no_specificity():
    assert math.isnan(accuracy([True], [True]).specificity.value)


def test_marks_of_other_rows_are_refused():
    with pytest.raises(ValueError, match="1 and 2 rows"):
        cohens_kappa(["a"], ["a", "b"])
    with pytest.raises(ValueError, match=r"\[1, 2\] rows"):
        krippendorffs_alpha([["a"], ["a", "b"]])
