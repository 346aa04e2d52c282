import asyncio
import math

import numpy as np
import pytest
from scipy.stats import binomtest

from spearmint import Budget, Pairwise, Race, Spearmint
from spearmint.errors import EvaluationError
from spearmint.evaluation.pairwise import position_sentence
from spearmint.evaluation.report.gate import check_gate, parse_gate
from spearmint.evaluation.run.process_pool import RenewableProcessPool
from spearmint.tracing.mlflow.token_usage import SpanUsage, usage_sink_var
from tests.evaluation import subjects

ROWS = [{"x": x} for x in range(40)]
CONFIGS = [{"factor": 1}, {"factor": 2}, {"factor": -1}]
LARGER = Pairwise(subjects.prefers_larger)
mint = Spearmint()


def evaluate(*scorers, function=subjects.plain_times, rows=ROWS, configs=CONFIGS, **options):
    return mint.evaluate(function, rows, scorers=scorers, configs=configs, progress=False, **options)


def values(report, metric="win_rate"):
    return [one.estimate.value for one in report.summary(metric)]


class Counted:
    """A judge that remembers what it was shown."""

    def __init__(self):
        self.seen = []

    def __call__(self, inputs, first, second):
        self.seen.append((inputs["x"], first, second))
        return subjects.prefers_larger(inputs, first, second)


def always(verdict):
    def judge(inputs, first, second):
        return verdict

    return judge


@pytest.mark.parametrize(
    ("ours_first", "ours_second", "score", "position"),
    [
        ("first", "second", 1, 0),
        ("second", "first", 0, 0),
        ("tie", "tie", 0.5, 0),
        ("first", "first", 0.5, 1),
        ("second", "second", 0.5, -1),
        ("first", "tie", 0.5, 0.5),
        ("tie", "second", 0.5, -0.5),
        ("tie", "first", 0.5, 0.5),
        ("second", "tie", 0.5, -0.5),
    ],
)
def test_verdicts_that_disagree_are_a_tie(ours_first, ours_second, score, position):
    shown = {("ours", "main"): ours_first, ("main", "ours"): ours_second}
    scorer = Pairwise(lambda inputs, first, second: shown[first, second], name="tone")
    assert scorer.compare({}, "ours", "main") == {"tone": score, "tone.position": position}


@pytest.mark.parametrize("output", ["same", None, [1, 2], np.array([1.0, 2.0])])
def test_equal_outputs_are_a_tie_without_a_call(output):
    judge = Counted()
    assert Pairwise(judge).compare({"x": 0}, output, output) == {"win_rate": 0.5}
    assert judge.seen == []


def test_judge_may_be_a_coroutine_function():
    async def judge(inputs, first, second):
        await asyncio.sleep(0)
        return subjects.prefers_larger(inputs, first, second)

    assert values(evaluate(Pairwise(judge))) == values(evaluate(LARGER))


@pytest.mark.parametrize(
    ("judge", "options", "message"),
    [
        (7, {}, r"Cannot use 7 as a judge: it cannot be called"),
        (lambda first, second: "tie", {}, r"as a judge: too many positional arguments\. Give a function of inputs"),
        (subjects.prefers_larger, {"name": ""}, r"Cannot name a judge ''"),
    ],
)
def test_unfit_judge_is_refused_when_it_is_given(judge, options, message):
    with pytest.raises(EvaluationError, match=message):
        Pairwise(judge, **options)


def test_win_rate_is_tested_as_the_exact_sign_test_says():
    def answer(x, config):
        return x if config["k"] == 0 or x < 6 else x - 1 if x < 12 else x + 1

    report = evaluate(LARGER, function=answer, configs=[{"k": 0}, {"k": 1}])
    main, other = report.summary("win_rate")
    assert (main.estimate.value, main.errors) == (0.5, 0)
    assert other.estimate.value == pytest.approx((28 + 6 / 2) / 40)
    found = other.difference
    assert (found.test, found.verdict) == ("exact sign test", "higher")
    assert found.p_value == pytest.approx(binomtest(28, 34, 0.5).pvalue)
    assert found.low > 0
    assert [check_gate(report, parse_gate(f"win_rate={at}"))[0].verdict for at in (found.low - 0.01, 0.5)] == [
        "pass",
        "regression",
    ]
    assert report.metrics == ["win_rate"]
    assert report.best("win_rate").parameters == {"k": 1}


def test_judge_sees_both_orders_and_equal_pairs_once():
    judge = Counted()
    configs = [{"factor": 1}, {"factor": 2}, {"factor": 2.0}, {"factor": 3}]

    def answer(x, config):
        return int(x * config["factor"])

    report = evaluate(Pairwise(judge), function=answer, configs=configs)
    assert sorted(judge.seen) == sorted(
        one for x in range(1, 40) for f in (2, 3) for one in [(x, x, f * x), (x, f * x, x)]
    )
    assert values(report) == [0.5, *[(39 + 0.5) / 40] * 3]


def test_judge_that_prefers_a_place_is_told_of():
    report = evaluate(Pairwise(always("first")))
    assert values(report) == [0.5, 0.5, 0.5]
    (note,) = report.notes
    assert note.startswith("The judge of win_rate contradicted itself in 78 of 78 pairs, which count as ties: ")
    assert "it leaned to the first place in 78, to the second in 0 (p = 6.6e-24 if it prefers no place)." in note
    assert note in " ".join(str(report).split())
    cells = report.to_dataframe(cells=True)
    assert cells[(cells["row"] > 0) & (cells["case"] != report.cases[0].case_id)]["win_rate.position"].eq(1).all()
    assert evaluate(LARGER).notes == ()
    assert not position_sentence("win_rate", np.array([math.nan, 0.0]))


def test_judge_that_fails_is_a_failed_score():
    def judge(inputs, first, second):
        if inputs["x"] == 7:
            raise ConnectionError("no answer")
        return "both" if inputs["x"] == 8 else subjects.prefers_larger(inputs, first, second)

    report = evaluate(Pairwise(judge))
    assert [one.errors for one in report.summary("win_rate")] == [0, 2, 2]
    assert report.errors == 4
    texts = " ".join(text for text, _ in report.results.error_samples(1))
    assert "scorer win_rate: ConnectionError: no answer" in texts
    assert "a judge said 'both'; it is to say 'first', 'second' or 'tie'" in texts


def test_row_on_which_main_failed_has_no_pairs():
    def answer(x, config):
        if x == 3 and config["factor"] == 1:
            raise ValueError("three")
        return x * config["factor"]

    report = evaluate(LARGER, function=answer)
    assert [one.errors for one in report.summary("win_rate")] == [1, 1, 1]
    assert report.results.error_samples(2) == [
        ("scorer win_rate: main has failed on the row: nothing to compare with", 1)
    ]


def test_output_that_cannot_be_stored_is_a_failed_score():
    report = evaluate(LARGER, function=lambda x, config: object())
    assert [one.errors for one in report.summary("win_rate")] == [0, 40, 40]
    assert "cannot be stored for its judge" in report.results.error_samples(1)[0][0]


def test_several_judges_stand_beside_other_scorers():
    def size(outputs):
        return abs(outputs)

    report = evaluate(size, LARGER, Pairwise(always("tie"), name="tone"), repeats=2)
    assert report.metrics == ["size", "win_rate", "tone"]
    assert values(report, "tone") == [0.5, 0.5, 0.5]
    assert values(report) == [0.5, 0.9875, 0.0125]
    with pytest.raises(EvaluationError, match=r"both are called 'win_rate'"):
        evaluate(LARGER, Pairwise(always("tie")))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"race": Race("win_rate")}, "in a race main may be dropped"),
        ({"reduce": "median", "repeats": 3}, "reduce='median' is of scores"),
        ({"configs": CONFIGS[:1]}, "main is the only config"),
    ],
)
def test_pairs_that_make_no_sense_are_refused(options, message):
    with pytest.raises(EvaluationError, match=rf"Cannot judge 'win_rate' in pairs: .*{message}"):
        evaluate(LARGER, **options)


def test_search_by_pairs_is_refused():
    pytest.importorskip("optuna")
    with pytest.raises(EvaluationError, match="Cannot search by 'win_rate', which compares pairs"):
        mint.search(subjects.plain_times, ROWS, scorers=[LARGER], configs=CONFIGS, trials=2)


def test_budget_ends_on_rows_that_are_judged():
    report = evaluate(LARGER, budget=Budget(cells=30))
    assert report.stopped == "cells"
    assert [one.estimate.n for one in report.summary("win_rate")] == [10, 10, 10]


def test_resumed_pairs_are_judged_once(tmp_path):
    path, judge = tmp_path / "run.jsonl", Counted()
    kept = {"resume": path, "share": False}
    first = evaluate(Pairwise(judge), **kept)
    assert len(judge.seen) == 2 * 78
    again = evaluate(Pairwise(judge), **kept)
    assert len(judge.seen) == 2 * 78
    assert again.spent.calls == 0
    assert values(again) == values(first)


def test_killed_run_goes_on_with_what_lacks_a_verdict(tmp_path):
    path, judge = tmp_path / "run.jsonl", Counted()
    whole = values(evaluate(Pairwise(judge), resume=path))
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    unjudged = [line for line in lines[1:] if '"calls": 1' in line]
    assert len(unjudged) == 120
    path.write_text("".join([lines[0], *unjudged]), encoding="utf-8")
    judge.seen.clear()
    report = evaluate(Pairwise(judge), resume=path)
    assert report.spent.calls == 0
    assert len(judge.seen) == 2 * 78
    assert values(report) == whole


def test_verdicts_against_another_main_do_not_count(tmp_path):
    path = tmp_path / "run.jsonl"
    evaluate(LARGER, resume=path)
    report = evaluate(LARGER, resume=path, configs=[CONFIGS[1], CONFIGS[0]])
    assert report.spent.calls == 0
    assert values(report) == [0.5, 0.0125]
    assert any("stored scores are made again: scorer 'win_rate' has changed" in note for note in report.notes)


def test_stored_run_is_judged_later(tmp_path):
    store = tmp_path / "runs.db"

    def size(outputs):
        return abs(outputs)

    report = evaluate(size, store=store)
    judged = report.rescore([LARGER])
    assert judged.spent.calls == 0
    assert values(judged) == values(evaluate(LARGER))


@pytest.fixture
def processes():
    with RenewableProcessPool(1) as pool:
        yield pool


@pytest.mark.slow
def test_processes_judge_as_threads_do(processes):
    assert values(evaluate(LARGER, executor=processes)) == values(evaluate(LARGER))


@pytest.mark.slow
def test_judge_that_kills_its_worker_is_a_failed_score(processes):
    judge = Pairwise(subjects.kills_its_worker_on_five)
    report = evaluate(judge, rows=ROWS[5:6], configs=CONFIGS[:2], executor=processes)
    assert [one.errors for one in report.summary("win_rate")] == [0, 1]
    assert report.results.failures(1) == 0
    assert "its worker process died" in report.results.error_samples(1)[0][0]


PRICES = {"small": {"input_per_million_tokens": 1e6, "output_per_million_tokens": 0}}


def spend(dollars):
    """Tell of tokens, as where a span of MLflow's ends."""
    tokens = {"input_tokens": dollars, "output_tokens": 1}
    usage_sink_var.get()(SpanUsage("1", None, tokens, "small", None, None))


def test_tokens_of_judges_are_spent():
    def judge(inputs, first, second):
        spend(10)
        return subjects.prefers_larger(inputs, first, second)

    report = evaluate(Pairwise(judge), rows=ROWS[:5], prices=PRICES)
    assert report.spent.usd_of_judges == 10 * 2 * 8
    assert report.spent.calls == 15


@pytest.mark.parametrize("concurrency", [1, 4])
def test_budget_in_dollars_holds_with_judges(concurrency):
    def answer(x, config):
        spend(1)
        return (x + 1) * config["factor"]

    def judge(inputs, first, second):
        spend(10)
        return subjects.prefers_larger(inputs, first, second)

    options = {"prices": PRICES, "budget": Budget(usd=200), "concurrency": concurrency}
    report = evaluate(Pairwise(judge), function=answer, configs=CONFIGS[:2], **options)
    assert report.stopped == "usd"
    assert 100 < report.spent.usd <= 200
    assert report.errors == 0
    first, second = (report.results.has_run(case).tolist() for case in (0, 1))
    assert first == second
