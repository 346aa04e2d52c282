import math

import pytest

from spearmint import Budget, Race, Spearmint
from spearmint.errors import EvaluationError
from spearmint.evaluation.budget import Stop

PRICES = {"m": {"input_per_million_tokens": 1000.0, "output_per_million_tokens": 1000.0}}
ROWS = [{"x": x} for x in range(40)]
mint = Spearmint(configs=[{"k": 0}, {"k": 1}])


def ask(x: int, config: dict) -> dict:
    return {"model": "m", "usage": {"prompt_tokens": 10, "completion_tokens": 0}, "right": x % 10 < 3 + 6 * config["k"]}


def right(outputs) -> bool:
    return outputs["right"]


def evaluate(budget, function=ask, **options):
    given = {"scorers": [right], "prices": PRICES, "progress": False, **options}
    return mint.evaluate(function, ROWS, budget=budget, **given)


def rows_done(report):
    return sorted(set(report.to_dataframe(cells=True)["row"]))


def test_budget_of_cells_ends_on_whole_rows():
    report = evaluate(Budget(cells=9))
    assert report.results.count == 8
    assert rows_done(report) == [0, 1, 2, 3]
    assert report.stopped == "cells"
    assert "The budget of 9 cells ended the evaluation after 4 of 40 rows." in str(report)


def test_large_budget_is_told_in_full():
    told = Stop("cells", 3, 4, Budget(cells=1_234_567)).sentences(is_raced=False)
    assert list(told) == ["The budget of 1,234,567 cells ended the evaluation after 3 of 4 rows."]


def test_budget_of_dollars_is_not_exceeded():
    report = evaluate(Budget(usd=0.105))  # a cell costs 0.01
    assert report.results.count == 10
    assert report.stopped == "usd"
    assert math.isclose(report.spent.usd, 0.1)
    assert "The budget of $0.105 ended the evaluation after 5 of 40 rows." in str(report)


def test_budget_of_rows_counts_repeats_as_one():
    report = evaluate(Budget(rows=3), repeats=2)
    assert report.results.count == 12
    assert report.stopped == "rows"


def test_budget_of_seconds_lets_begun_rows_end():
    report = evaluate(Budget(seconds=1e-9))
    assert report.stopped == "seconds"
    assert report.results.count in (0, 2)


def test_budget_that_suffices_ends_nothing():
    report = evaluate(Budget(usd=100, cells=80, rows=40, seconds=1000))
    assert report.stopped is None
    assert report.results.count == 80
    assert "The budget" not in str(report)


def test_cost_that_is_not_known_refuses_a_budget_in_dollars():
    with pytest.raises(EvaluationError, match="Cannot keep a budget in US dollars: no call of the first row tells"):
        evaluate(Budget(usd=1), prices={}, usage=lambda outputs: None)


def test_row_that_does_not_fit_is_an_error():
    with pytest.raises(EvaluationError, match="Cannot keep a budget of 1 cells: one row takes 2"):
        evaluate(Budget(cells=1))


def test_stored_results_cost_no_budget(tmp_path):
    path = tmp_path / "run.jsonl"
    assert evaluate(Budget(cells=20), resume=path).results.count == 20
    more = evaluate(Budget(cells=20), resume=path)
    assert more.results.count == 40
    assert more.stopped == "cells"
    assert evaluate(None, resume=path).spent.calls == 40


def test_race_that_a_budget_ends_has_no_error_bound():
    report = evaluate(Budget(cells=20), race=Race("right", block=5, confirm=0.25))
    assert report.stopped == "cells"
    assert "its winner is the best so far, without a bound on the error of that" in str(report)
    assert report.best("right").parameters == {"k": 1}
    whole = evaluate(Budget(cells=1000), race=Race("right", block=5, confirm=0.25))
    assert "best so far" not in str(whole)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "Cannot keep a budget without limits"),
        ({"usd": 0}, "Cannot keep Budget.usd=0.: it is no number above 0"),
        ({"cells": 2.5}, "Cannot keep Budget.cells=2.5.: it is no whole number above 0"),
        ({"seconds": math.inf}, "Budget.seconds=inf"),
        ({"rows": True}, "Budget.rows=True"),
    ],
    ids=["none", "zero", "half", "endless", "bool"],
)
def test_budget_out_of_range_is_refused(options, message):
    with pytest.raises(EvaluationError, match=message):
        Budget(**options)


def test_budget_of_another_kind_is_refused():
    with pytest.raises(EvaluationError, match="Cannot evaluate with budget=5: it is no Budget"):
        evaluate(5)
