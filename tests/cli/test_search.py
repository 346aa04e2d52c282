"""``spearmint search``: what it tells, where it goes on, and how it ends."""

import re

import pytest

pytest.importorskip("optuna")

pytestmark = pytest.mark.slow

SHOP = """
def rank(n, config):
    return config["k"] * 10 - abs(config["weight"] - 0.5)

def value(outputs):
    return outputs
"""
SWEEP = "k: !sweep [1, 2, 3, 4]\nweight: !float_range {low: 0.0, high: 1.0}\n"
COMMAND = ["-m", "spearmint", "search", "shop:rank", "--data", "rows.jsonl", "--scorer", "shop:value"]
COMMAND += ["--configs", "sweep.yaml"]
ROWS = "".join(f'{{"n": {n}}}\n' for n in range(20))


@pytest.fixture
def shop(write):
    write(shop___py=SHOP, sweep___yaml=SWEEP, rows___jsonl=ROWS)


@pytest.mark.usefixtures("shop")
def test_search_tells_the_best_and_goes_on_from_the_storage(start, folder):
    command = [*COMMAND, "--storage", "search.db", "--quiet", "--seed", "1"]
    first = start(*command, "--trials", "12")
    assert first.returncode == 0, first.stderr
    assert first.stdout.startswith("shop:rank: 12 trials, ")
    best = next(line for line in first.stdout.splitlines() if re.match(r" *\d+ +\w+ ", line))
    assert best.split()[2] == "4"
    assert "Confirmation on 6 rows held out: +3" in first.stdout
    assert (folder / "search.db.cells.jsonl").exists()
    again = start(*command, "--trials", "12")
    assert again.returncode == 0, again.stderr
    assert again.stdout.startswith("shop:rank: 12 trials, 0 cells run")


@pytest.mark.usefixtures("shop")
def test_search_by_what_no_scorer_gives_has_status_three(start):
    done = start(*COMMAND, "--quiet", "--trials", "2", "--metric", "valeu")
    assert done.returncode == 3
    assert "valeu" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--trials", "0"], "--trials"),
        (["--confirm", "1"], "--confirm"),
        (["--race", "value", "--metric", "latency"], "a race is by 'value' alone"),
        (["--scorer", "shop:none"], "Cannot find --scorer 'shop:none'"),
        (["--processes", "2", "--dask", "tcp://127.0.0.1:1"], "Give --processes or --dask, not both"),
    ],
)
def test_search_refuses_bad_options_with_status_three(start, options, message):
    done = start(*COMMAND, *options)
    assert done.returncode == 3
    assert message in done.stderr
    assert "Traceback" not in done.stderr
