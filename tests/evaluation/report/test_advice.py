"""What the page of a report says first: which config to take, and how sure that is."""

import re

import pytest

from spearmint import Race, Spearmint


def advice(rows, configs, *, scorer=None, **options):
    """Return what a page says first, by metric."""

    def answer(x, config):
        if x % 10 < config.get("fails", 0):
            raise ValueError(x)
        return x % 10 < config["right"]

    data = [{"x": number} for number in range(rows)]
    scorers = scorer or {"right": lambda outputs: outputs}
    report = Spearmint().evaluate(answer, data, scorers=scorers, configs=configs, progress=False, **options)
    found = re.findall(r"<li( class=clear)?>By <b>(\w+)</b>: <b>(.+?)</b>\. (.+?)</li>", report.to_html())
    return {metric: (bool(clear), head, reasons) for clear, metric, head, reasons in found}


def test_advice_takes_what_is_better_for_sure():
    is_clear, head, reasons = advice(200, [{"right": 5}, {"right": 8}])["right"]
    assert is_clear
    assert head == "Take right=8"
    assert re.search(r"Against main: \+0\.3 \(95% interval \+0\.2\d* to \+0\.3\d*\) on 200 rows, higher\.", reasons)
    assert re.search(r"Half of the calls end within \S+ \S+ \(main: \S+ \S+\)\.", reasons)
    assert "Not confirmed" not in reasons  # one config alone was not chosen from many


def test_advice_says_that_rows_which_chose_confirm_nothing():
    _, head, reasons = advice(200, [{"right": 5}, {"right": 8}, {"right": 7}])["right"]
    assert head == "Take right=8"
    assert "Not confirmed: these same rows chose right=8 from 3 configs" in reasons


@pytest.mark.parametrize(("rows", "cause"), [(10, "at least 20 are needed"), (20, "no clear difference")])
def test_advice_keeps_main_while_nothing_is_certain(rows, cause):
    is_clear, head, reasons = advice(rows, [{"right": 5}, {"right": 6}])["right"]
    assert not is_clear
    assert head == "Keep main for now: right=6 looks best, which is not certain"
    assert cause in reasons


def test_advice_keeps_main_that_is_best():
    is_clear, head, reasons = advice(40, [{"right": 6}, {"right": 5}])["right"]
    assert is_clear
    assert head == "Keep main: right=6"
    assert "no other config has a higher one" in reasons


def test_advice_tells_cells_that_failed_under_the_best():
    _, _, reasons = advice(40, [{"right": 2}, {"right": 8, "fails": 1}])["right"]
    assert "4 of its cells have no value, as something failed; its mean leaves them out." in reasons


def test_advice_of_a_race_reads_the_rows_held_out():
    is_clear, head, reasons = advice(300, [{"right": 2}, {"right": 8}], race=Race("right"))["right"]
    assert is_clear
    assert head == "Take right=8"
    assert "Confirmed on 90 rows held out: +0." in reasons


def test_advice_of_a_race_without_rows_held_out_is_not_certain():
    is_clear, head, reasons = advice(300, [{"right": 2}, {"right": 8}], race=Race("right", confirm=0))["right"]
    assert not is_clear
    assert head.startswith("Keep main for now: right=8")
    assert "No rows were held out to confirm it." in reasons


def test_advice_by_a_metric_of_which_less_is_better():
    scorers = {"cost": lambda outputs: 1.0 + outputs}
    is_clear, head, reasons = advice(100, [{"right": 8}, {"right": 2}], scorer=scorers)["cost"]
    assert is_clear
    assert head == "Take right=2"
    assert "-0.6" in reasons


def test_advice_tells_what_a_call_costs():
    def tokens(outputs):
        return {"input_tokens": 1000, "output_tokens": 0, "model": "large" if outputs else "small"}

    prices = {
        "large": {"input_per_million_tokens": 20, "output_per_million_tokens": 0},
        "small": {"input_per_million_tokens": 10, "output_per_million_tokens": 0},
    }
    configs = [{"right": 0}, {"right": 10}]
    assert "A call costs $0.02 (main: $0.01);" in advice(40, configs, usage=tokens, prices=prices)["right"][2]
