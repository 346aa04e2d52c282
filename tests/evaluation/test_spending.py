import json
import math
import subprocess
import sys

import pytest

from spearmint import Race, Spearmint
from spearmint.errors import EvaluationError
from spearmint.evaluation.report.compare import compare_runs
from spearmint.evaluation.report.gate import check_gate, parse_gate
from tests.evaluation import subjects

PRICES = {
    "small": {"input_per_million_tokens": 1.0, "output_per_million_tokens": 10.0},
    "large": {"input_per_million_tokens": 10.0, "output_per_million_tokens": 100.0},
}
ROWS = [{"text": "x" * length} for length in range(1, 31)]
mint = Spearmint(configs=[{"model": "large"}, {"model": "small"}])


@mint.experiment
def ask(text: str, config: dict) -> dict:
    return {"model": config["model"], "usage": {"prompt_tokens": len(text), "completion_tokens": 2}}


def score(outputs) -> bool:
    return True


def evaluate(function=ask, rows=ROWS, **options):
    return mint.evaluate(function, rows, **{"scorers": [score], "prices": PRICES, "progress": False, **options})


def mean(report, metric, case=0):
    return report.summary(metric)[case].estimate.value


def test_tokens_and_cost_are_metrics_as_latency_is():
    report = evaluate()
    assert report.metrics == ["score"]
    assert report.results.measured == ["latency", "tokens.input", "tokens.output", "cost"]
    assert mean(report, "tokens.input") == 15.5
    assert mean(report, "tokens.output") == 2
    assert math.isclose(mean(report, "cost"), (15.5 * 10 + 2 * 100) / 1e6)
    assert report.best("cost").parameters == {"model": "small"}
    assert report.best("tokens.input").case_id == report.cases[0].case_id
    (effect,) = [one for one in report.effects("cost") if one.difference is not None]
    assert effect.verdict == "lower"
    cells = report.to_dataframe(cells=True)
    assert set(cells["tokens.input"]) == set(range(1, 31))
    assert math.isclose(report.to_dataframe()["cost.mean"][1], (15.5 + 2 * 10) / 1e6)


def test_gate_takes_a_lower_cost_for_better():
    report = evaluate()
    assert [one.verdict for one in check_gate(report, parse_gate("cost=0"))] == ["pass"]
    dearer = evaluate(configs=[{"model": "small"}, {"model": "large"}])
    assert [one.verdict for one in check_gate(dearer, parse_gate("cost=0"))] == ["regression"]


def test_spent_adds_up_all_calls():
    spent = evaluate(repeats=2).spent
    assert spent.calls == 120
    assert spent.input_tokens == 4 * sum(range(1, 31))
    assert spent.output_tokens == 240
    assert math.isclose(spent.usd, 2 * sum(length * 11 + 220 for length in range(1, 31)) / 1e6)
    assert (spent.usd_of_retries, spent.usd_of_judges, spent.unknown) == (0, 0, 0)
    assert "120 calls" in str(spent)
    assert f"{spent.input_tokens:,} tokens in" in str(spent)


def test_function_without_tokens_costs_nobody_knows_what():
    report = mint.evaluate(subjects.times, [{"x": 1}], scorers=[score], configs=[{"factor": 1}], progress=False)
    assert math.isnan(report.spent.usd)
    assert report.spent.unknown == 0
    assert str(report.spent).startswith("1 call, ")
    with pytest.raises(EvaluationError, match=r"Cannot tell metric 'cost': it is not known of any call\. Give usage="):
        report.summary("cost")


def test_unknown_price_is_no_zero_and_is_told():
    report = evaluate(prices={"small": PRICES["small"]}, configs=[{"model": "small"}, {"model": "unheard-of"}])
    first, second = report.summary("cost")
    assert first.estimate.n == 30
    assert second.estimate.n == 0
    assert math.isnan(second.estimate.value)
    assert report.spent.unknown == 30
    assert [note for note in report.notes if "The cost of 30 calls is unknown: the price of 'unheard-of'" in note]
    with pytest.raises(EvaluationError, match=r"'cost': it is not known of any call\. Give prices="):
        evaluate(prices=None, configs=[{"model": "unheard-of"}]).summary("cost")


def test_usage_of_the_caller_wins_over_the_shape_of_outputs():
    report = evaluate(usage=lambda outputs: {"input_tokens": 7, "output_tokens": 0, "model": outputs["model"]})
    assert mean(report, "tokens.input") == 7
    assert math.isclose(mean(report, "cost"), 70 / 1e6)


def test_usage_that_raises_leaves_tokens_unknown():
    report = evaluate(usage=lambda outputs: outputs["no such key"])
    assert report.results.measured == ["latency"]
    assert report.errors == 0
    (note,) = [one for one in report.notes if "usage=" in one]
    assert note == "usage= failed for 60 outputs, whose tokens are unknown: KeyError: 'no such key'."


def test_usage_that_is_no_function_is_refused():
    with pytest.raises(EvaluationError, match="Cannot evaluate with usage='tokens': it is no function"):
        evaluate(usage="tokens")


def test_scorer_of_the_same_name_wins():
    report = evaluate(scorers={"cost": lambda outputs: 5.0})
    assert mean(report, "cost") == 5


def test_failed_call_costs_but_has_no_measure():
    @mint.experiment
    def fails(text: str, config: dict) -> dict:
        raise ValueError(text)

    report = evaluate(fails)
    assert report.results.measured == ["latency"]
    assert report.spent.calls == 60


def test_what_was_stored_costs_nothing_again(tmp_path):
    path = tmp_path / "run.jsonl"
    first = evaluate(resume=path)
    again = evaluate(resume=path)
    assert mean(again, "cost") == mean(first, "cost")
    assert again.spent.calls == 0
    assert math.isnan(again.spent.usd)
    more = evaluate(resume=path, scorers={"score": score, "more": lambda outputs: 1})
    assert more.spent.calls == 0
    assert mean(more, "cost") == mean(first, "cost")


def test_lines_of_an_earlier_version_still_count(tmp_path):
    path = tmp_path / "run.jsonl"
    evaluate(resume=path)
    head, *lines = path.read_text().splitlines()
    old = [
        {name: value for name, value in json.loads(line).items() if name not in ("usage", "calls")} for line in lines
    ]
    path.write_text("\n".join([head, *map(json.dumps, old)]) + "\n")
    again = evaluate(resume=path)
    assert again.spent.calls == 0
    assert again.results.measured == ["latency"]


@pytest.mark.slow
def test_pricing_imports_no_mlflow():
    code = (
        "import sys; from tests.evaluation.test_spending import evaluate; "
        "r = evaluate(configs=[{'model': 'gpt-4o-mini'}]); assert 'mlflow' not in sys.modules; print(r.spent.usd)"
    )
    pytest.importorskip("mlflow")
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert 0 < float(made.stdout) < 1


def test_printed_report_tells_costs():
    text = str(evaluate())
    assert "$0.000355" in text
    assert "Spent: 60 calls" in text
    heads = text.splitlines()[2].split()
    assert heads[heads.index("errors") + 1] == "cost"


def test_page_plots_scores_against_cost():
    page = evaluate().to_html()
    assert "score against mean cost" in page
    assert "US dollars for a call" in page
    assert "Score against cost and latency" in page
    without = mint.evaluate(subjects.times, [{"x": 1}], scorers=[score], progress=False).to_html()
    assert "cost" not in without.lower().split("<main>")[1]


def test_race_by_cost_keeps_the_cheapest():
    report = evaluate(rows=ROWS * 8, race=Race("cost", bounds=(0, 0.001), confirm=0))
    assert report.survivors == [report.cases[1].case_id]


def test_saved_runs_compare_costs():
    large = [{"model": "large"}]
    dear = evaluate(configs=large)
    cheap = evaluate(configs=large, prices={"large": PRICES["small"]})
    found = compare_runs(dear.as_run(), cheap.as_run())
    assert found.cases["cost"][0].difference.verdict == "lower"
