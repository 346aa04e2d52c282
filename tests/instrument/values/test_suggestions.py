"""What a settings file to begin with lets vary."""

import pytest

from spearmint.instrument.values.candidates import Candidate, candidates
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


def test_what_settings_cannot_name_is_no_candidate(project):
    project.write(
        {
            "inner.py": """
            def start(x):
                class Local:
                    top_k = 7
                    def get(self): return self.top_k * 0.33
                return half(x) + Local().get() + max([x], key=lambda y: y * 0.66)

            half = lambda x: x * 0.25
            """
        }
    )

    found = candidates(project.load("inner").start)

    assert [one.name for one in found] == ["inner:start#0.66"]
