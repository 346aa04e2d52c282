import json
import random
from xml.etree import ElementTree as ET

import pytest

from spearmint import Config, Race, Spearmint
from spearmint.errors import EvaluationError
from spearmint.evaluation.report.ci_files import write_junit, write_summary
from spearmint.evaluation.report.compare import compare_runs
from spearmint.evaluation.report.gate import check_gate, parse_gate
from spearmint.evaluation.report.saved_run import load_run
from spearmint.statistics.paired import difference

ROWS = [{"x": x} for x in range(60)]
SCORERS = {"right": lambda outputs: outputs}
CONFIGS = [{"k": 5}, {"k": 8}]


def evaluate(shift=0, rows=ROWS, configs=CONFIGS, fails_on=None, **options):
    def answer(x, config: Config):
        if x == fails_on:
            raise ValueError(x)
        return (x * 7 % 10 < config.k + shift) * 1.0

    return Spearmint().evaluate(answer, rows, scorers=SCORERS, configs=configs, progress=False, **options)


@pytest.fixture
def saved(tmp_path):
    def save(name, **options):
        return load_run(evaluate(**options).save(tmp_path / f"{name}.json"))

    return save


def test_each_case_is_compared_with_the_same_configs(saved):
    old, new = saved("old"), saved("new", shift=2, configs=[*reversed(CONFIGS), {"k": 1}])
    found = compare_runs(old, new)
    assert [(one.old, one.new) for one in found.cases["right"]] == [(0.8, 1.0), (0.5, 0.7)]
    assert found.new_cases == [new.cases[2].case_id]
    assert found.lost_cases == []
    assert set(found.cases) == {"right", "latency"}


def test_differences_are_paired_by_content_of_rows(saved):
    shuffled = [*ROWS[10:], {"x": 1000}]
    random.Random(1).shuffle(shuffled)
    old, new = saved("old"), saved("new", rows=shuffled, shift=1)
    found = compare_runs(old, new)
    assert (found.rows, found.new_rows, found.lost_rows) == (50, 1, 10)
    before, after = evaluate(), evaluate(shift=1)
    alone = difference(*(report.results.values(0, "right")[10:] for report in (after, before)))
    assert found.cases["right"][0].difference.value == pytest.approx(alone.value)
    assert found.cases["right"][0].difference.p_value == pytest.approx(alone.p_value)


def test_p_values_are_adjusted_for_all_cases(saved):
    found = compare_runs(saved("old"), saved("new", shift=1)).cases["right"]
    assert all(one.difference.adjusted >= one.difference.p_value for one in found)
    assert any(one.difference.adjusted > one.difference.p_value for one in found)


def test_equal_rows_are_told_apart_by_their_order(saved):
    old, new = saved("old", rows=[{"x": 1}] * 3), saved("new", rows=[{"x": 1}] * 5)
    found = compare_runs(old, new)
    assert (found.rows, found.new_rows) == (3, 2)


def test_gate_is_held_against_the_old_run(saved):
    found = compare_runs(saved("old"), saved("new", shift=-4))
    results = found.check_gate(parse_gate("right=-0.02"))
    assert [one.verdict for one in results] == ["regression", "regression"]
    candidate = found.cases["right"][1].case_id
    assert [one.case_id for one in found.check_gate(parse_gate("right=-0.02"), candidate)] == [candidate]


def test_a_row_that_fails_anew_leaves_the_gate_open(saved):
    found = compare_runs(saved("old", shift=9), saved("new", shift=9, fails_on=3))
    [first, _] = found.check_gate(parse_gate("right=-0.1"))
    assert (first.verdict, found.cases["right"][0].newly_failed) == ("inconclusive", 1)
    assert "1 row failed" in first.reason


def test_a_metric_or_candidate_that_runs_do_not_have_is_refused(saved):
    found = compare_runs(saved("old"), saved("new"))
    with pytest.raises(EvaluationError, match=r"Cannot hold 'rigth'.*right, latency.*Did you mean 'right'"):
        found.check_gate(parse_gate("rigth=0"))
    with pytest.raises(EvaluationError, match="Cannot compare candidate 'none'"):
        found.check_gate(parse_gate("right=0"), "none")


@pytest.mark.parametrize(
    ("options", "what"), [({"rows": [{"x": -1}]}, "row"), ({"configs": [{"k": 0}]}, "case with the same configs")]
)
def test_runs_with_nothing_in_common_are_refused(saved, options, what):
    with pytest.raises(EvaluationError, match=f"they have no {what} in common"):
        compare_runs(saved("old"), saved("new", **options))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "it is no JSON"),
        ("[]", "it is no run"),
        ('{"spearmint_run": 99}', "has format 99, and this version reads 1"),
        ('{"spearmint_run": 1}', "it is damaged"),
    ],
)
def test_a_file_that_is_no_run_is_refused(tmp_path, text, message):
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(EvaluationError, match=message):
        load_run(tmp_path / "run.json")
    with pytest.raises(EvaluationError, match="No such file"):
        load_run(tmp_path / "missing.json")


def test_a_run_whose_values_do_not_fit_its_rows_is_refused(tmp_path):
    path = evaluate().save(tmp_path / "run.json")
    content = json.loads(path.read_text())
    content["rows"].pop()
    path.write_text(json.dumps(content))
    with pytest.raises(EvaluationError, match="damaged"):
        load_run(path)


def test_a_race_is_not_saved_as_a_run(tmp_path):
    with pytest.raises(EvaluationError, match="Cannot save a race as a run"):
        evaluate(race=Race("right")).save(tmp_path / "run.json")


def test_clusters_of_the_new_run_count(tmp_path):
    def answer(doc, config: Config):
        return float(doc % 10 < config.k)

    rows = [{"inputs": {"doc": x % 30}} for x in range(60)]
    options = {"scorers": SCORERS, "configs": CONFIGS, "cluster": "inputs.doc", "progress": False}
    paths = [Spearmint().evaluate(answer, rows, **options).save(tmp_path / f"{name}.json") for name in ("a", "b")]
    found = compare_runs(*map(load_run, paths))
    assert found.cases["right"][0].difference.clusters == 30


def test_files_for_a_pull_request_tell_each_gate(tmp_path, saved):
    found = compare_runs(saved("old"), saved("new", shift=-4))
    results = found.check_gate(parse_gate("right=-0.02"))
    write_junit(tmp_path / "gates.xml", "f <&> g", results)
    suite = ET.parse(tmp_path / "gates.xml").getroot()
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("2", "2", "0")
    assert "beyond the margin" in suite.find("testcase/failure").get("message")
    write_summary(tmp_path / "summary.md", "f | g", results, found)
    text = (tmp_path / "summary.md").read_text()
    assert text.startswith("## f \\| g\n")
    assert text.count("❌") == 2
    assert "60 rows in both runs." in text


def test_gate_against_main_can_be_of_one_candidate():
    report = evaluate(configs=[*CONFIGS, {"k": 2}])
    candidate = report.cases[2].case_id
    assert [one.case_id for one in check_gate(report, parse_gate("right=0"), candidate)] == [candidate]
    with pytest.raises(EvaluationError, match="Cannot hold candidate 'none' against main"):
        check_gate(report, parse_gate("right=0"), "none")
