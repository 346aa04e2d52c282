import json

import numpy as np
import pytest
from scipy import special

from spearmint import Config, Race, Spearmint
from spearmint.errors import EvaluationError
from spearmint.evaluation.race import RaceState
from spearmint.evaluation.report.gate import check_gate, parse_gate

SHARES = {0: 0.5, 1: 0.2, 2: 0.3, 3: 0.9, 4: 0.4, 5: 0.5}
CONFIGS = [{"k": k} for k in SHARES]
ROWS = [{"x": x} for x in range(400)]
PASSES = {k: (np.random.default_rng(k).random(len(ROWS)) < share).tolist() for k, share in SHARES.items()}


def right(outputs):
    return outputs


def evaluate(race, function=None, configs=CONFIGS, rows=ROWS, **options):
    def answer(x, config: Config):
        return PASSES[config.k][x]

    scorers = options.pop("scorers", [right])
    return Spearmint().evaluate(
        function or answer, rows, scorers=scorers, configs=configs, race=race, progress=False, **options
    )


def first_words(report):
    """Return what a page says of the best."""
    return report.to_html().partition("</h1>")[2].partition('class="note"')[0]


def positions(report):
    ids = [case.case_id for case in report.cases]
    return [ids.index(one) for one in report.survivors]


def test_race_drops_losers_and_confirms_the_winner():
    report = evaluate(Race("right"))
    assert positions(report) == [3]
    assert sorted(one.case_id for one in report.dropped) == sorted(
        case.case_id for case in report.cases if case.position != 3
    )
    assert all(one.by == report.cases[3].case_id for one in report.dropped if one.rows == 20)
    assert report.results.count < 0.3 * len(CONFIGS) * len(ROWS)
    assert report.confirmed.n == 120
    assert report.confirmed.verdict == "higher"
    assert report.best("right").case_id == report.cases[3].case_id


def test_the_rows_held_out_are_run_by_the_winner_and_main_alone():
    report = evaluate(Race("right"))
    held_out = report.race.held_out
    ran = {
        case.position
        for case in report.cases
        if not np.isnan(report.results.values(case.position, "right")[held_out]).all()
    }
    assert ran == {0, 3}


def test_verdicts_depend_on_the_scores_alone():
    alone, together = (evaluate(Race("right"), concurrency=count) for count in (1, 8))
    assert [(one.case_id, one.rows, one.by) for one in alone.dropped] == [
        (one.case_id, one.rows, one.by) for one in together.dropped
    ]
    assert alone.survivors == together.survivors


def test_an_interrupted_race_reaches_the_same_verdicts(tmp_path):
    whole = evaluate(Race("right", block=10))
    calls = []

    def answer(x, config: Config):
        calls.append(x)
        if len(calls) == 100:
            raise KeyboardInterrupt
        return PASSES[config.k][x]

    journal = tmp_path / "run.jsonl"
    with pytest.raises(KeyboardInterrupt):
        evaluate(Race("right", block=10), answer, resume=journal, concurrency=1)
    kept = len(journal.read_text().splitlines())
    assert kept > 50
    resumed = evaluate(Race("right", block=10), answer, resume=journal, concurrency=1)
    assert [(one.rows, one.by) for one in resumed.dropped] == [(one.rows, one.by) for one in whole.dropped]
    assert resumed.confirmed == whole.confirmed
    assert len(calls) <= whole.results.count + 110


def test_two_equal_configs_race_to_the_last_row():
    report = evaluate(Race("right", confirm=0), configs=[{"k": 0}, {"k": 5}])
    assert len(report.survivors) == 2
    assert report.race.rows == len(ROWS)
    assert report.confirmed is None


def test_a_failed_cell_has_the_worst_score():
    def answer(x, config: Config):
        if config.k == 3:
            raise ValueError(x)
        return PASSES[config.k][x]

    report = evaluate(Race("right"), answer)
    assert 3 in [case.position for case in report.cases if case.case_id in {one.case_id for one in report.dropped}]
    assert report.best("right").case_id != report.cases[3].case_id


def test_less_is_better_where_it_is_said():
    report = evaluate(Race("right", lower=True))
    assert positions(report)[0] in {1, 2}
    assert 3 not in positions(report)


@pytest.mark.parametrize("metric", ["latency", "cost", "tokens.input", "tokens.output"])
def test_less_latency_cost_and_tokens_are_better(metric):
    race = Race(metric)
    state = RaceState(race, 2)
    state.add_block(np.tile([[[1.0], [0.0]]], (100, 1, 1)))
    assert race.lower
    assert state.racing == [1]


def test_a_race_by_cost_is_won_by_the_cheapest():
    report = evaluate(Race("cost"), scorers={"cost": right})
    assert 3 not in positions(report)
    assert report.race.winner in {1, 2}
    assert report.best("cost").case_id == report.cases[report.race.winner].case_id


def test_best_of_a_race_for_the_lowest_is_its_winner():
    report = evaluate(Race("right", lower=True, delta=1e-200, confirm=0), configs=[{"k": 3}, {"k": 1}])
    assert len(report.survivors) == 2
    assert report.best("right").case_id == report.cases[1].case_id
    assert "k=1" in first_words(report)


def test_terminal_shows_the_lowest_of_a_race_for_it_first():
    configs = [{"k": k} for k in (15, *range(15))]

    def answer(x, config: Config):
        return (config.k + x % 3) / 20

    report = evaluate(Race("right", lower=True, delta=1e-200, confirm=0), answer, configs, ROWS[:40])
    lines = str(report).splitlines()
    shown = [line.split()[1] for line in lines if "survived" in line or " won" in line][:3]
    assert shown == ["0", "1", "2"]
    assert any(line.startswith("4 more cases with a higher mean of right") for line in lines)


def test_best_is_the_winner_where_failures_flatter_another():
    def answer(x, config: Config):
        if config.k == 1 and x % 2:
            raise ValueError(x)
        return x % 10 < 7 or config.k == 1

    report = evaluate(Race("right", delta=1e-200, confirm=0), answer, configs=[{"k": 0}, {"k": 1}])
    assert report.summary("right")[1].estimate.value > report.summary("right")[0].estimate.value
    assert report.race.winner == 0
    assert report.best("right").case_id == report.cases[0].case_id
    assert "k=0" in first_words(report)


def test_the_lowest_after_a_race_for_the_highest_is_refused():
    with pytest.raises(EvaluationError, match="cases have raced for the highest"):
        evaluate(Race("right")).best("right", lower=True)


def test_a_race_of_repeats_that_are_not_averaged_is_refused():
    with pytest.raises(EvaluationError, match=r"reduce='pass_at_2'.*counts the mean"):
        evaluate(Race("right"), repeats=2, reduce="pass_at_2")


def test_scores_beyond_the_bounds_end_the_race_with_the_way_out():
    def answer(x, config: Config):
        return 7.5

    with pytest.raises(EvaluationError, match=r"score 7.5: it lies outside 0.0 to 1.0.*bounds=\(lowest, highest\)"):
        evaluate(Race("right"), answer)
    assert evaluate(Race("right", bounds=(0, 10)), answer).survivors


def test_a_metric_that_no_scorer_gives_ends_the_race():
    with pytest.raises(EvaluationError, match=r"Cannot race by 'rigth'.*right.*Did you mean"):
        evaluate(Race("rigth"))


@pytest.mark.parametrize(
    "options",
    [{"delta": 0}, {"epsilon": -1}, {"block": 0}, {"confirm": 1}, {"bounds": (1, 0)}, {"bounds": (0, float("inf"))}],
)
def test_options_out_of_range_are_refused(options):
    name = next(iter(options))
    with pytest.raises(EvaluationError, match=f"Cannot race with {name}="):
        Race("right", **options)


def test_effects_and_confidence_set_are_refused_after_a_race():
    report = evaluate(Race("right"))
    with pytest.raises(EvaluationError, match="cases have raced"):
        report.effects("right")
    with pytest.raises(EvaluationError, match="cases have raced"):
        report.confidence_set("right")


def test_summary_tells_the_fate_of_each_case_and_no_p_value():
    report = evaluate(Race("right"))
    told = report.summary("right")
    assert told[3].verdict == "won"
    assert told[1].verdict.startswith("dropped after 20 rows by ")
    assert all(np.isnan(one.difference.p_value) for one in told[1:])
    assert np.isnan(report.best("right").corrected.value)


def test_terminal_page_and_table_tell_how_the_race_ended(tmp_path):
    report = evaluate(Race("right"))
    sentence = f"Race by right: 1 of 6 cases are left after {report.race.rows} rows; the best is ever dropped"
    for text in (str(report), report.to_html(), report._repr_html_()):
        assert sentence in text
        assert "Confirmation on 120 rows held out: k=3" in text
    assert "dropped after 20 rows" in report.save(tmp_path / "report.csv").read_text()


def test_the_gate_reads_the_confirmation():
    report = evaluate(Race("right"))
    [result] = check_gate(report, parse_gate("right=0.1"))
    assert (result.case_id, result.verdict) == (report.cases[3].case_id, "pass")
    [result] = check_gate(report, parse_gate("right=0.9"))
    assert result.verdict == "regression"


@pytest.mark.parametrize(("margin", "verdict"), [(0, "pass"), (-0.1, "pass"), (0.05, "regression")])
def test_the_gate_of_a_race_that_main_has_won(margin, verdict):
    report = evaluate(Race("right"), configs=[{"k": 3}, {"k": 1}])
    assert report.race.winner == 0
    assert report.confirmed is None
    [result] = check_gate(report, parse_gate(f"right={margin}"))
    assert result.verdict == verdict


def test_the_gate_of_a_race_without_rows_held_out_is_refused():
    report = evaluate(Race("right", confirm=0))
    with pytest.raises(EvaluationError, match="held no rows out"):
        check_gate(report, parse_gate("right=0"))


def test_a_race_of_clustered_rows_is_refused():
    with pytest.raises(EvaluationError, match="rows come in clusters"):
        evaluate(Race("right"), cluster="inputs.x")


def test_repeats_of_a_row_count_as_their_mean():
    report = evaluate(Race("right", confirm=0), repeats=2)
    assert positions(report) == [3]
    assert report.race.rows % 20 == 0


def race_by_the_formulas(scores, block=20, delta=0.05):
    """Race in many worlds at once with nothing but the formulas: after how many rows each case leaves, 0 for never."""
    worlds, rows, cases = scores.shape
    won = np.zeros((worlds, cases, cases))
    left = np.zeros((worlds, cases), dtype=int)
    for first in range(0, rows, block):
        racing = left == 0
        goes_on = np.flatnonzero(racing.sum(axis=1) > 1)
        passed = np.where(racing[goes_on, None], scores[goes_on, first : first + block], 0.5)
        both = racing[goes_on, :, None] & racing[goes_on, None, :]
        won[goes_on] += np.where(both, np.swapaxes(passed, 1, 2) @ (1 - passed), 0)
        ahead, behind = won[goes_on], np.swapaxes(won[goes_on], 1, 2)
        evidence = 2 ** (ahead + behind + 1) * special.beta(ahead + 1, behind + 1)
        evidence *= special.betainc(behind + 1, ahead + 1, 0.5)
        evidence[:, np.arange(cases), np.arange(cases)] = 0
        is_dropped = racing[goes_on] & (evidence.sum(axis=1) >= (cases - 1) / delta)
        left[goes_on] = np.where(is_dropped, first + block, left[goes_on])
    return left


def drawn_world(rng, draw):
    """Draw 64 cases, and whether each passes 1,000 rows."""
    if draw == "shares":  # from 0.4 to 0.8, on rows that are hard or easy for all
        shares = rng.uniform(0.4, 0.8, 64)
        return shares, rng.random((1000, 64)) < shares + rng.choice([-0.1, 0.1], size=(1000, 1))
    log_odds = rng.normal(0.4, 0.5, 64)  # on rows whose difficulty varies twice as much as the cases
    return log_odds, rng.random((1000, 64)) < special.expit(log_odds + rng.normal(0, 1, (1000, 1)))


@pytest.mark.slow
@pytest.mark.parametrize(("draw", "most"), [("shares", 0.32), ("log odds", 0.26)])
def test_race_in_60_worlds_saves_cells_as_its_formulas_do(draw, most):
    rng = np.random.default_rng(0)
    cells, regret = 0, []
    for _ in range(60):
        truth, passes = drawn_world(rng, draw)
        state = RaceState(Race("right", confirm=0), 64)
        for first in range(0, 1000, 20):
            cells += 20 * len(state.racing)
            state.add_block(passes[first : first + 20, :, None].astype(float))
            if len(state.racing) == 1:
                break
        by_formulas = race_by_the_formulas(passes[None].astype(float))[0]
        assert {drop.case: drop.rows for drop in state.drops} == {
            int(case): int(by_formulas[case]) for case in np.flatnonzero(by_formulas)
        }
        assert int(truth.argmax()) in state.racing
        assert state.winner == passes.sum(axis=0).argmax()  # as without a race
        regret.append(truth.max() - truth[state.winner])
    assert cells / (60 * 64 * 1000) < most
    assert draw != "shares" or np.mean(regret) < 0.01


@pytest.mark.slow
@pytest.mark.parametrize("cases", [2, 8])
def test_the_best_is_dropped_in_one_of_20_worlds_at_most(cases):
    rng = np.random.default_rng(4)
    worlds = 2000
    passes = rng.random((worlds, 600, cases)) < rng.uniform(0.2, 0.8, (worlds, 600, 1))
    lost = (race_by_the_formulas(passes.astype(float))[:, 0] > 0).mean()
    assert 0 < lost <= 0.05


def test_state_keeps_one_case_whatever_comes():
    state = RaceState(Race("right", delta=0.9), 2)
    for _ in range(50):
        state.add_block(np.array([[[1.0], [0.0]], [[0.0], [1.0]]]))
    assert state.racing


def test_command_line_races(tmp_path):
    from click.testing import CliRunner

    from spearmint.cli import main

    (tmp_path / "raced.py").write_text(
        "def answer(x, config: dict):\n    return x % 10 < config['k']\n\n\ndef right(outputs):\n    return outputs\n"
    )
    data, configs = tmp_path / "rows.jsonl", tmp_path / "configs.jsonl"
    data.write_text("".join(json.dumps({"x": x}) + "\n" for x in range(200)))
    configs.write_text("".join(json.dumps({"k": k}) + "\n" for k in (5, 9, 1)))
    arguments = ["evaluate", "raced:answer", "--data", str(data), "--configs", str(configs), "--scorer", "raced:right"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        patch.syspath_prepend(tmp_path)
        result = CliRunner().invoke(main, [*arguments, "--race", "right", "--gate", "right=0.1"])
    assert result.exit_code == 0, result.output
    assert "Race by right: 1 of 3 cases are left" in result.output
    assert "PASS right" in result.output
