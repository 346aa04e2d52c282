import json
from pathlib import Path

import pytest
from scipy.stats import chisquare

from spearmint.assignment.hashing import bucket
from spearmint.assignment.shares import arm_of, check_weights, upper_ends
from spearmint.errors import ConfigError

GROWTHBOOK = json.loads((Path(__file__).parent / "vectors" / "growthbook_hashing.json").read_text(encoding="utf-8"))


def test_an_arm_owns_its_start_and_not_its_end():
    ends = upper_ends([20, 30, 50], "blake2b")
    assert ends == (0.2, 0.5, 1.0)
    assert [arm_of(number, ends) for number in (0.0, 0.19, 0.2, 0.49, 0.5, 0.99)] == [0, 0, 1, 1, 2, 2]


def test_an_arm_without_weight_owns_nothing():
    ends = upper_ends([0, 1, 0, 1, 0], "blake2b")
    assert {arm_of(number / 1000, ends) for number in range(1000)} == {1, 3}
    assert arm_of(1.0, ends) == 3


def test_boundaries_are_the_floats_nearest_to_what_was_written():
    assert upper_ends([0.1, 0.2, 0.7], "eppo") == (0.1, 0.3, 1.0)
    assert upper_ends([0.1, 0.2, 0.7], "growthbook")[1] == 0.1 + 0.2
    assert upper_ends([1] * 10, "blake2b") == tuple(tenth / 10 for tenth in range(1, 11))


def is_whole(case):
    """Tell whether a vector is about weights that add up, without coverage, which is no part of ours."""
    count, coverage, weights = case[1]
    return coverage == 1 and (weights is None or (len(weights) == count and sum(weights) == 1))


@pytest.mark.parametrize(("name", "given", "ranges"), list(filter(is_whole, GROWTHBOOK["getBucketRange"])))
def test_ends_at_full_coverage_are_growthbooks(name, given, ranges):
    count, _, weights = given
    assert upper_ends(weights or [1] * count, "growthbook") == pytest.approx([end for _, end in ranges])


def test_flagd_boundaries_agree_with_its_integer_arithmetic():
    weights = [33, 33, 34]
    ends = upper_ends(weights, "flagd")
    for number in range(20_000):
        share = bucket(f"user-{number}", "flag", "flagd")
        theirs = (int(share * 2**32) * sum(weights)) >> 32
        assert arm_of(share, ends) == (0 if theirs < 33 else 1 if theirs < 66 else 2)


@pytest.mark.slow
@pytest.mark.parametrize("weights", [[1, 1], [90, 10], [1, 2, 3, 4], [0, 0.3, 0.7]], ids=str)
def test_a_million_units_have_the_shares_of_the_weights(weights):
    ends = upper_ends(weights, "blake2b")
    counts = [0] * len(weights)
    for number in range(1_000_000 if weights == [90, 10] else 200_000):
        counts[arm_of(bucket(number, "exp.split"), ends)] += 1
    expected = [weight * sum(counts) / sum(weights) for weight in weights if weight]
    assert chisquare([count for count, weight in zip(counts, weights, strict=True) if weight], expected).pvalue > 0.001
    assert all(weight or not count for count, weight in zip(counts, weights, strict=True))


@pytest.mark.parametrize(
    ("weights", "problem"),
    [
        ([1, -1], "Cannot weigh an arm with -1"),
        ([1, float("nan")], "Cannot weigh an arm with nan"),
        ([1, float("inf")], "Cannot weigh an arm with inf"),
        ([1, True], "Cannot weigh an arm with True"),
        ([1, "2"], "Cannot weigh an arm with '2'"),
        ([0, 0], r"Cannot weigh arms with \[0, 0\]: their sum is 0"),
    ],
    ids=str,
)
def test_weights_that_are_none_are_refused(weights, problem):
    with pytest.raises(ConfigError, match=problem):
        check_weights(weights)
