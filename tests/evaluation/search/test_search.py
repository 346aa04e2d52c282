import signal
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

from spearmint import Config, DynamicValue, Race, Range, Spearmint, experiment
from spearmint.errors import EvaluationError
from spearmint.evaluation.search.proposals import Proposer
from spearmint.evaluation.search.space import Space
from spearmint.evaluation.search.studies import Told
from spearmint.planning.select import full_plan
from spearmint.proxy.proxy import experiment_of

optuna = pytest.importorskip("optuna")

ROWS = [{"q": number} for number in range(60)]
LUCK = np.random.default_rng(5).random(300).tolist()
GRID = {"k": DynamicValue([1, 2, 4, 8]), "mode": DynamicValue(["plain", "good"]), "t": Range(0.0, 1.0)}


def right(outputs):
    return outputs


def passes(q, config):
    share = 0.2 + 0.05 * config["k"] + 0.2 * (config["mode"] == "good") - 0.5 * abs(config["t"] - 0.5)
    return LUCK[q] < share


def counting():
    calls = Counter()

    def answer(q, config: Config):
        calls[q, config.k, config.mode, config.t] += 1
        return passes(q, config)

    return answer, calls


def search(function, **options):
    given = {"scorers": [right], "configs": GRID, "trials": 24, "progress": False, "concurrency": 2} | options
    return Spearmint().search(function, ROWS, **given)


@pytest.mark.slow
def test_search_finds_the_best_and_pays_for_no_cell_twice():
    answer, calls = counting()
    found = search(answer, trials=40)
    best = found.best()
    assert best.config.mode == "good"
    assert best.config.k == 8
    assert abs(best.config.t - 0.5) < 0.2
    assert best.parameters == {"k": 8, "mode": "good", "t": best.config.t}
    assert set(calls.values()) == {1}
    assert found.cells == sum(calls.values()) == 40 * 42 + 2 * 18
    assert len(found.trials) == 40
    assert found.trials[0].parameters == {"k": 1, "mode": "plain", "t": 0.0}


@pytest.mark.slow
def test_search_ends_in_the_confirmation_on_rows_held_out():
    answer, calls = counting()
    found = search(answer)
    held_out = {q for q, count in Counter(q for q, *_ in calls).items() if count == 2}
    assert found.confirmed.n == len(held_out) == 18
    everything = {q for q, *_ in calls}
    assert everything == set(range(60))
    assert found.confirmed.value > 0
    assert search(answer, confirm=0).confirmed is None


@pytest.mark.slow
def test_search_goes_on_from_its_storage_and_runs_nothing_again(tmp_path):
    answer, calls = counting()
    whole = search(answer, trials=14)
    calls.clear()
    storage = tmp_path / "search.db"
    search(answer, trials=9, storage=storage)
    found = search(answer, trials=14, storage=storage)
    assert set(calls.values()) == {1}
    assert [one.case_id for one in found.trials[:9]] == [one.case_id for one in whole.trials[:9]]
    assert search(answer, trials=14, storage=storage).cells == 0
    assert len(found.trials) == 14


@pytest.mark.slow
def test_storage_is_one_that_optuna_reads(tmp_path):
    answer, _ = counting()
    storage = tmp_path / "search.db"
    found = search(answer, trials=12, storage=storage)
    [name] = optuna.get_all_study_names(f"sqlite:///{storage}")
    study = optuna.load_study(study_name=name, storage=f"sqlite:///{storage}")
    assert name == found.function
    assert [one.value for one in study.trials] == [one.values["right"] for one in found.trials]
    assert set(study.trials[3].params) == {"k", "mode", "t"}
    assert study.trials[3].params["k"] == found.trials[3].config.k


@pytest.mark.slow
def test_storage_of_other_code_or_rows_is_refused(tmp_path):
    answer, _ = counting()
    search(answer, trials=3, storage=tmp_path / "search.db")
    with pytest.raises(EvaluationError, match="it holds a search with other rows"):
        Spearmint().search(
            answer, ROWS[:-1], scorers=[right], configs=GRID, trials=4, storage=tmp_path / "search.db", progress=False
        )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scorers": {"right": lambda outputs: 1 - outputs}}, "it holds a search with other scorers"),
        ({"lower": ["right"]}, "it holds a search with other lower"),
        ({"metrics": ["latency"]}, r"metrics=\['latency'\]: the one in the storage is by right"),
        ({"race": Race("latency")}, r"metrics=\['latency'\]: the one in the storage is by right"),
    ],
)
def test_storage_of_other_scores_is_refused(tmp_path, change, message):
    answer, calls = counting()
    options = {"scorers": {"right": right}, "storage": tmp_path / "search.db", "concurrency": 1}
    search(answer, trials=2, **options)
    calls.clear()
    with pytest.raises(EvaluationError, match=message):
        search(answer, trials=4, **(options | change))
    assert not calls


@pytest.mark.slow
def test_race_drops_losers_and_their_cells_are_saved():
    answer, calls = counting()
    rows = [{"q": number} for number in range(300)]
    race = Race("right", delta=0.2)
    found = Spearmint().search(answer, rows, scorers=[right], configs=GRID, trials=25, race=race, progress=False)
    assert any(one.is_dropped for one in found.trials)
    assert found.cells < 0.8 * 25 * 210
    assert set(calls.values()) == {1}
    assert not found.best().is_dropped


@pytest.mark.slow
def test_several_metrics_give_a_pareto_front():
    def answer(q, config: Config):
        return passes(q, config), config.k

    scorers = {"right": lambda outputs: outputs[0], "cost": lambda outputs: float(outputs[1])}
    found = search(answer, scorers=scorers, trials=40)
    assert found.metrics == ("right", "cost")
    front = found.pareto
    assert front[0] == found.best("right")
    assert found.best("cost").estimates["cost"] <= min(one.estimates["cost"] for one in front)
    pairs = [(one.estimates["right"], one.estimates["cost"]) for one in front]
    assert pairs == sorted(pairs, reverse=True)
    assert len(front) > 1


@pytest.mark.slow
def test_less_is_better_where_it_is_said():
    answer, _ = counting()
    assert search(answer, lower=["right"]).best().config.mode == "plain"


def test_search_of_few_cases_ends_when_all_have_run():
    answer, calls = counting()
    found = search(answer, configs={"k": DynamicValue([1, 8]), "mode": DynamicValue(["plain", "good"]), "t": 0.5})
    assert found.stopped == "there are no more than 4 cases"
    assert "Stopped: there are no more than 4 cases." in str(found)
    assert len(found.trials) == 4
    assert len({key[1:] for key in calls}) == 4


@pytest.mark.slow
def test_space_joins_nested_experiments():
    @experiment(configs={"weight": Range(0.01, 1.0, log=True)})
    def inner(q, config: Config):
        return config.weight

    @experiment(configs=[{"k": 3}, {"k": 1}, {"k": 2}])
    def outer(q, config: Config):
        return inner(q) * config.k

    space = Space(full_plan(experiment_of(outer)[0]))
    assert [axis.name for axis in space.axes] == ["k", "inner: weight"]
    assert space.axes[0].values == [1, 2, 3]
    assert space.start == (2.0, 0.0)
    case = space.case((1.0, 0.5))
    inner_config = case.get_config(experiment_of(inner)[0].name)
    assert (case.config, inner_config) == ({"k": 2}, {"weight": pytest.approx(0.1)})
    rows = [{"q": 1}] * 60
    found = Spearmint().search(outer, rows, scorers={"n": lambda outputs: outputs}, trials=24, progress=False)
    assert found.best().config == {"k": 3}
    assert found.best().parameters["inner: weight"] > 0.5
    for one in found.trials:
        assert one.values["n"] == pytest.approx(one.parameters["k"] * one.parameters["inner: weight"])
    assert len({one.case_id for one in found.trials}) == 24
    assert found.best().assignment[experiment_of(inner)[0].name].weight == found.best().parameters["inner: weight"]


def test_configs_that_are_no_product_are_one_axis():
    @experiment(configs=[{"a": 1, "b": 1}, {"a": 2, "b": 2}, {"a": 3, "b": 1}])
    def answer(q, config: Config):
        return config.a

    [axis] = Space(full_plan(experiment_of(answer)[0])).axes
    assert axis.name == "config"
    assert not axis.is_ordered


@pytest.mark.parametrize("other", [5.5, Range(4.0, 5.0), None])
@pytest.mark.parametrize("is_first", [True, False])
def test_configs_of_different_ranges_are_refused(other, is_first):
    configs = [{"mode": "a", "t": Range(0.0, 1.0)}, {"mode": "b"} if other is None else {"mode": "b", "t": other}]
    answer, calls = counting()
    with pytest.raises(EvaluationError, match=r"have different ranges\. Give each config the same ones"):
        search(answer, configs=configs if is_first else configs[::-1])
    assert not calls


def test_failed_rows_count_as_the_worst_value():
    def answer(q, config: Config):
        if config.mode == "good" and q % 2:
            raise ValueError(q)
        return config.mode == "good" or q % 3 == 0

    configs = {"mode": DynamicValue(["plain", "good"])}
    found = search(answer, configs=configs, trials=2, confirm=0)
    assert found.trials[1].values["right"] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trials": 0}, "trials=0"),
        ({"confirm": 1}, "confirm=1"),
        ({"metrics": "right"}, "metrics='right'"),
        ({"metrics": ["rigth"]}, "Cannot search by 'rigth'.*Did you mean"),
        ({"configs": {"k": 1, "mode": "plain", "t": 1}}, "nothing varies|one config each"),
        ({"metrics": ["speed"], "race": Race("right")}, "a race is by 'right' alone"),
        ({"storage": "postgresql://x/y"}, "resume="),
    ],
)
def test_bad_options_are_refused_with_the_way_out(options, message):
    with pytest.raises(EvaluationError, match=message):
        search(counting()[0], **options)


def test_main_that_fails_on_every_row_is_refused():
    def answer(q, config: Config):
        raise ValueError("no key")

    with pytest.raises(EvaluationError, match="main gave no score on any row, since ValueError: no key"):
        search(answer)


def test_without_optuna_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(EvaluationError, match=r"pip install 'spearmint-experiments\[search\]'"):
        search(counting()[0])


KILLED = """
import os, signal, sys
from spearmint import Config, DynamicValue, Spearmint

def answer(q, config: Config):
    with open(sys.argv[1] + "/calls", "a") as file:
        file.write(f"{q} {config.k}\\n")
    if sys.argv[2] == "kill" and os.path.getsize(sys.argv[1] + "/calls") > 150:
        os.kill(os.getpid(), signal.SIGKILL)
    return q % 10 < config.k

def right(outputs):
    return outputs

found = Spearmint().search(
    answer, [{"q": q} for q in range(20)], scorers=[right], configs={"k": DynamicValue(range(10))}, trials=4,
    storage=sys.argv[1] + "/search.db", progress=False, concurrency=1,
)
print(len(found.trials), found.best().config.k)
"""


@pytest.mark.slow
@pytest.mark.timeout(500)  # two processes that import Optuna, on a busy machine
def test_killed_search_goes_on_and_pays_for_no_cell_twice(tmp_path):
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    command = [sys.executable, str(script), str(tmp_path)]
    first = subprocess.run([*command, "kill"], capture_output=True, text=True, timeout=250, check=False)
    assert first.returncode == -signal.SIGKILL, first.stderr
    second = subprocess.run([*command, "go"], capture_output=True, text=True, timeout=250, check=False)
    assert second.stdout.split()[0] == "4", second.stderr
    kept = len((tmp_path / "search.db.cells.jsonl").read_text().splitlines()) - 1
    calls = Counter((tmp_path / "calls").read_text().splitlines())
    lost = sum(calls.values()) - len(calls)  # What had run and was not written yet runs again.
    assert 0 < lost < 60
    assert kept == 4 * 14


@pytest.mark.slow
def test_search_comes_within_two_points_of_the_best_of_4096():
    regrets = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        grid = np.indices([4] * 6).reshape(6, -1).T
        scores = sum(rng.normal(0, 0.5, 4)[grid[:, number]] for number in range(6))
        pairs = [(i, j) for i in range(6) for j in range(i)]
        scores += sum(rng.normal(0, 0.15, (4, 4))[grid[:, i], grid[:, j]] for i, j in pairs)
        shares = 1 / (1 + np.exp(-(scores[:, None] - scores.mean() + 0.3 + rng.normal(0, 1, 210))))
        means, true = (rng.random(shares.shape) < shares).mean(axis=1), shares.mean(axis=1)

        @experiment(configs={name: DynamicValue(list("wxyz")) for name in "abcdef"})
        def answer(q, config: Config):
            return config

        proposer = Proposer(Space(full_plan(experiment_of(answer)[0])), [1], seed)
        told = []
        while len(told) < 120:
            for choice in proposer.propose(told, 8):
                at = int(np.ravel_multi_index(tuple(map(int, choice)), [4] * 6))
                noise = means[at] * (1 - means[at]) / 210
                told.append(Told(len(told), choice, str(at), [means[at]], [noise], 210, is_dropped=False))
        best = int(told[int(proposer.estimates(told)[:, 0].argmax())].case_id)
        regrets.append(true.max() - true[best])
    assert np.mean(regrets) < 0.02
