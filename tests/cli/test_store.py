"""``spearmint evaluate --store``, ``spearmint store`` and ``spearmint rescore``; and what a run costs."""

import json
import sys

import pytest

MODULE = """
from spearmint import Config, experiment

CALLS = []

@experiment(configs=[{"model": "large", "__config_id__": "big"}, {"model": "small", "__config_id__": "little"}])
def answer(x: int, config: Config) -> dict:
    CALLS.append(x)
    return {"text": "x" * x, "model": config.model, "used": x}

def right(outputs):
    return len(outputs["text"]) > 3

def length(outputs, inputs, config):
    return len(outputs["text"]) + inputs["x"] / 100 + (config["model"] == "small")

def tokens(outputs):
    return {"input_tokens": outputs["used"], "output_tokens": 1, "model": outputs["model"]}
"""
PRICES = {
    name: {"input_per_million_tokens": price, "output_per_million_tokens": price}
    for name, price in (("large", 1000), ("small", 100))
}


@pytest.fixture
def project(write, folder, monkeypatch):
    write(shop___py=MODULE)
    write(rows___jsonl="".join(json.dumps({"x": x}) + "\n" for x in range(1, 21)))
    write(prices___json=json.dumps(PRICES))
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    yield folder
    sys.modules.pop("shop", None)


@pytest.fixture
def run(invoke, project):
    """Evaluate, and return the result and how often the function was called."""

    def evaluate(*options, command=("evaluate", "shop:answer", "--data", "rows.jsonl", "--scorer", "shop:right")):
        result = invoke(*command, *options)
        calls = getattr(sys.modules.get("shop"), "CALLS", [])
        count = len(calls)
        calls.clear()
        return result, count

    return evaluate


PRICED = ("--usage", "shop:tokens", "--prices", "prices.json")


def test_estimate_runs_five_rows_and_tells_what_all_take(run):
    result, calls = run("--estimate", *PRICED)
    assert result.exit_code == 0
    assert calls == 10
    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines[0] == ["Estimate", "for", "20", "rows,", "from", "5:"]
    assert lines[1] == ["cells", "40", "(2", "configs)"]
    assert lines[2] == ["calls", "40"]
    assert lines[4] == ["tokens", "about", "120", "in", "and", "40", "out"]
    assert lines[5] == ["cost", "about", "$0.088"]


def test_estimate_of_what_tells_no_tokens_says_so(run):
    result, _ = run("--estimate")
    assert result.stdout.splitlines()[-1].split() == ["cost", "not", "known"]


def test_budget_ends_the_run(run):
    result, calls = run("--budget", "cells=9", "--budget", "usd=100", *PRICED)
    assert calls == 8
    assert "The budget of 9 cells ended the evaluation after 4 of 20 rows." in result.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--budget", "dollars=5"), "Cannot read --budget 'dollars=5': give one of usd"),
        (("--budget", "usd=much"), "Cannot read --budget 'usd=much': 'much' is no number"),
        (("--prices", "none.json"), "Cannot read the prices in 'none.json': No such file"),
        (("--prices", "rows.jsonl"), "Cannot read the prices in 'rows.jsonl': it is no JSON"),
        (("--cache",), "cache=True: there is no store"),
    ],
    ids=["limit", "number", "missing", "no-json", "no-store"],
)
def test_options_that_cannot_be_read_are_refused(run, options, message):
    result, calls = run(*options)
    assert result.exit_code == 3
    assert message in result.stderr
    assert calls == 0


def test_store_is_listed_cached_rescored_and_exported(run, invoke, project):
    assert run("--store", "runs.db")[1] == 40
    assert run("--store", "runs.db", "--cache")[1] == 0
    result, calls = run("--scorer", "shop:length", "--report", "r.json", command=("rescore", "runs.db"))
    assert calls == 0
    assert "shop:answer: 2 cases on 20 rows of data" in result.stdout
    assert "little" in result.stdout
    told = json.loads((project / "r.json").read_text())
    assert told["values"]["length"][0][:2] == [1.01, 2.02]
    assert told["values"]["length"][1][:2] == [2.01, 3.02]
    listed = invoke("store", "ls", "runs.db").stdout
    assert [line.split()[0] for line in listed.splitlines()[2:]] == ["1", "2", "3"]
    assert listed.count("ended") == 3
    assert invoke("store", "export", "runs.db", "1", "--to", "run.jsonl").exit_code == 0
    assert run("--resume", "run.jsonl")[1] == 0


def test_collected_store_has_the_runs_that_stay(run, invoke, project):
    for _ in range(3):
        run("--store", "runs.db")
    result = invoke("store", "gc", "runs.db", "--keep", "1")
    assert result.stdout.startswith("Removed 2 runs, 80 cells, 0 outputs and rows")
    assert run("--store", "runs.db", "--cache")[1] == 0
    result = invoke("store", "gc", "runs.db", "--older-than", "0")
    assert result.stdout.startswith("Removed 2 runs, 40 cells, 60 outputs and rows")
    assert invoke("store", "ls", "runs.db").stdout.count("\n") == 2
    assert run("--store", "runs.db", "--cache")[1] == 40


def test_store_or_run_that_is_not_there_is_refused(run, invoke):
    for command in (("ls",), ("gc",), ("export",)):
        result = invoke("store", *command, "none.db", *(["1"] if command == ("export",) else []))
        assert result.exit_code == 1
        assert "Cannot use 'none.db' as a store: there is no such file" in result.stderr
    run("--store", "runs.db")
    result = invoke("store", "export", "runs.db", "7")
    assert "Cannot find run 7 in 'runs.db': there are 1. Give one of them." in result.stderr
    result = invoke("rescore", "runs.db", "--run", "7", "--scorer", "shop:right")
    assert "Cannot find run 7" in result.stderr
    result = invoke("rescore", "runs.db", "--run", "0", "--scorer", "shop:right")
    assert "Cannot find run 0" in result.stderr


def test_rescore_tells_of_pickles_that_it_may_not_read(run, write):
    write(shop___py=MODULE.replace('"used": x}', '"used": x, "part": slice(x)}'))
    assert run("--store", "runs.db", "--pickle")[1] == 40
    rescore = ("rescore", "runs.db", "--scorer", "shop:length")
    result, calls = run(command=rescore)
    assert calls == 0
    told = " ".join(result.stdout.split())
    assert "40 cells have pickled outputs, which pickle=True (--pickle) alone reads" in told
    assert "no stored output" not in told
    assert "pickled outputs" not in run("--pickle", command=rescore)[0].stdout
