"""What a settings file to begin with lets vary."""

import pytest

from spearmint.instrument.values.candidates import Candidate
from spearmint.instrument.values.suggestions import alternatives


@pytest.mark.parametrize(
    ("value", "others"),
    [
        (3, [1, 6]),
        (-1, [-2]),
        (0, []),
        (10**400, [10**400 // 2, 2 * 10**400]),
        (0.5, [0.25, 1.0]),
        (0.0, []),
        (float("inf"), []),
        (float("nan"), []),
        (1e308, [5e307]),
    ],
)
def test_numbers_have_other_numbers_as_alternatives(value, others):
    candidate = Candidate("shop:rank", "weight", "parameter", value, (), "shop, line 1")

    assert alternatives(candidate) == others
