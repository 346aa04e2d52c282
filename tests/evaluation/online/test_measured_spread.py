import json
import math

import numpy as np
import pytest

pytest.importorskip("duckdb")

from click.testing import CliRunner

from spearmint.cli import main
from spearmint.errors import EvaluationError
from spearmint.evaluation.online.journal_table import open_journals
from spearmint.evaluation.online.measured_spread import measured_spread
from spearmint.statistics.power import units_to_see, units_to_see_anytime
from spearmint.statistics.unpaired import moments, ratio_gap
from tests.online.test_unit_table import calls, exposure, outcome, pair

NAME = "shop:page"
HOUR = 3_600 * 10**9


@pytest.fixture
def history(tmp_path):
    """Two days of 400 units in two arms, whose purchases go with those before; half of them were in the shadow."""
    rng = np.random.default_rng(7)
    before, noise, seconds = rng.normal(10, 3, 400), rng.normal(0, 1, 400), rng.normal(0.1, 0.02, 400)
    after = before + noise
    records = []
    for number in range(400):
        unit, arm, time = f"user-{number}", "ab"[number % 2], 100 * HOUR + number * HOUR * 48 // 399
        records += [
            outcome(unit, "purchase", before[number], time - 1),
            {**exposure(unit, arm, time), "spearmint.main": "a"},
            outcome(unit, "purchase", after[number], time + 1),
            {**calls(unit, arm, "error", 0.0), "time": time + 1},
            {**calls(unit, arm, "duration", 1.0 + seconds[number]), "time": time + 1},
        ]
        if number % 2:
            records.append(pair(unit, "b", 0.0, seconds[number]))
    folder = tmp_path / "journal"
    folder.mkdir()
    text = "".join(json.dumps(record) + "\n" for record in records)
    (folder / "host-1-x.0000.jsonl").write_text(text, encoding="utf-8")
    return folder, before, after, seconds


def within(values, other=None):
    """Pooled covariance within the two arms."""
    other = values if other is None else other
    parts = [np.cov(values[arm::2], other[arm::2])[0, 1] * 199 for arm in (0, 1)]
    return sum(parts) / 398


def test_spread_is_that_within_arms_with_and_without_the_past(history):
    folder, before, after, _ = history
    found = measured_spread(folder, NAME, "purchase")
    assert found.units == 399
    assert found.deviation == pytest.approx(math.sqrt(within(after)), rel=1e-9)
    theta = within(after, before) / within(before)
    adjusted = within(after) + theta**2 * within(before) - 2 * theta * within(after, before)
    assert found.adjusted == pytest.approx(math.sqrt(adjusted), rel=1e-9)
    assert found.adjusted < found.deviation / 2
    assert found.per_day == pytest.approx(200, rel=0.01)
    assert found.paired is None


def test_shadow_tells_the_spread_of_differences(history):
    folder, _, _, seconds = history
    found = measured_spread(folder, None, "duration")
    assert found.paired == pytest.approx(np.std(seconds[1::2], ddof=1), rel=1e-9)
    assert found.adjusted is None


def test_report_takes_the_shadows_records_for_what_they_are(history):
    with open_journals(history[0]) as table:
        assert table.rows("SELECT count(*) FROM lines WHERE type IS NULL") == [(0,)]


@pytest.mark.parametrize(
    ("experiment", "metric", "message"),
    [
        ("shop:pag", "purchase", "Did you mean 'shop:page'?"),
        (NAME, "purchases", "purchase"),
        (NAME, "purchase/views", "no unit has an outcome 'views'"),
    ],
)
def test_what_is_not_there_is_told(history, experiment, metric, message):
    with pytest.raises(EvaluationError) as caught:
        measured_spread(history[0], experiment, metric)
    assert message in str(caught.value)


def test_plan_of_a_target_reads_the_journal(history):
    folder, *_ = history
    asked = ["plan", NAME, "--metric", "purchase", "--lift", "0.5", "--journal", str(folder)]
    result = CliRunner().invoke(main, asked)
    assert result.exit_code == 0, result.output
    found = measured_spread(folder, NAME, "purchase")
    for deviation in (found.deviation, found.adjusted):
        for units in (units_to_see(0.5, deviation), units_to_see_anytime(0.5, deviation, horizon=5000)):
            assert f"{math.ceil(units):,}" in result.output
            assert f"{math.ceil(units / found.per_day):,}" in result.output
    paired = CliRunner().invoke(
        main, ["plan", NAME, "--metric", "duration", "--lift", "0.01", "--journal", str(folder)]
    )
    spread = measured_spread(folder, NAME, "duration").paired
    reach = 1.959964 + 0.841621
    assert f"{math.ceil((reach * spread / 0.01) ** 2):,}" in paired.output
    assert "in the shadow, on the same units" in paired.output


def unit_ratios(rng, shape, lift=0.0):
    """Give views, and clicks on them, of units of which each clicks at a rate of its own."""
    views = rng.poisson(4.0, shape) + 1
    return views, rng.binomial(views, rng.beta(2 + 10 * lift, 8 - 10 * lift, shape))


@pytest.mark.slow
def test_plan_of_a_ratio_is_by_the_delta_method(tmp_path):
    rng = np.random.default_rng(8)
    views, clicks = unit_ratios(rng, 2000)
    records = []
    for number in range(2000):
        unit, time = f"user-{number}", 100 * HOUR + number * 10**9
        records.append({**exposure(unit, "ab"[number % 2], time), "spearmint.main": "a"})
        records.append(outcome(unit, "views", int(views[number]), time + 1))
        records.append(outcome(unit, "clicks", int(clicks[number]), time + 2))
    folder = tmp_path / "journal"
    folder.mkdir()
    (folder / "host-1-x.0000.jsonl").write_text("".join(json.dumps(one) + "\n" for one in records), encoding="utf-8")
    found = measured_spread(folder, NAME, "clicks/views")
    # A bootstrap of units tells how an arm's ratio varies.
    errors = []
    for arm in (0, 1):
        drawn = rng.integers(0, 1000, (3000, 1000))
        errors.append((clicks[arm::2][drawn].sum(axis=1) / views[arm::2][drawn].sum(axis=1)).std())
    assert found.deviation == pytest.approx(math.sqrt(1000 * np.mean(np.square(errors))), rel=0.04)
    assert (found.adjusted, found.paired) == (None, None)
    # As many units as are told find the lift as often as is told.
    units = math.ceil(units_to_see(0.02, found.deviation))
    result = CliRunner().invoke(
        main, ["plan", NAME, "--metric", "clicks/views", "--lift", "0.02", "--journal", str(folder)]
    )
    assert f"{units:,}" in result.output
    seen = 0
    for _ in range(400):
        arms = []
        for lift in (0.02, 0.0):
            some, hits = unit_ratios(rng, units // 2, lift)
            arms.append(moments(hits.astype(float), some.astype(float)))
        seen += ratio_gap(*arms).p_value <= 0.05
    assert seen / 400 == pytest.approx(0.8, abs=3 * math.sqrt(0.8 * 0.2 / 400))


def test_a_ratio_to_nothing_cannot_be_planned_for(history, tmp_path):
    folder, *_ = history
    with (folder / "host-2-x.0000.jsonl").open("w", encoding="utf-8") as file:
        file.write(json.dumps(outcome("somebody", "views", 1, 1)) + "\n")
    with pytest.raises(EvaluationError, match="Cannot plan for 'purchase/views': fewer than two units"):
        measured_spread(folder, NAME, "purchase/views")


@pytest.mark.parametrize(
    "arguments",
    [
        [NAME, "--lift", "1"],
        ["--metric", "purchase", "--lift", "1"],
        [NAME, "--metric", "m", "--lift", "1", "--deviation", "2"],
    ],
)
def test_target_and_metric_go_together(arguments):
    result = CliRunner().invoke(main, ["plan", *arguments])
    assert result.exit_code == 2
    assert "TARGET and --metric go together" in result.output
