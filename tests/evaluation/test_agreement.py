import math

import pytest

from spearmint.errors import EvaluationError
from spearmint.evaluation import agreement

HUMANS = [True, True, False, False, True, None]


def test_agreement_tells_each_judge_and_all_together():
    found = agreement({"good": HUMANS, "lenient": [True] * 6}, HUMANS)
    assert found.judges["good"].kappa == 1
    assert found.judges["lenient"].kappa == 0
    assert found.judges["lenient"].accuracy.sensitivity.value == 1
    assert found.judges["lenient"].accuracy.specificity.value == 0
    assert found.alpha < 1


def test_agreement_of_names_has_no_sensitivity():
    found = agreement({"judge": ["good", "bad", "fair"]}, ["good", "bad", "bad"])
    assert found.judges["judge"].accuracy is None
    assert 0 < found.judges["judge"].kappa < 1


def test_one_judge_alone_has_no_alpha():
    assert math.isnan(agreement({"judge": [True, False]}, [True, False]).alpha)


def test_agreement_of_other_rows_or_of_nobody_is_refused():
    with pytest.raises(EvaluationError, match=r"judge 'short'.*1 row, and people of 6"):
        agreement({"short": [True]}, HUMANS)
    with pytest.raises(EvaluationError, match="no judges"):
        agreement({}, HUMANS)
