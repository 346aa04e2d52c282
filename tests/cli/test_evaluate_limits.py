"""``spearmint evaluate --rate --attempts --concurrency``: how hard services may be pressed."""

import json
import re
import sys
from collections import Counter

import pytest

MODULE = """
import threading
import time
from collections import Counter

TRIES = Counter()
TIMES = []
LATE = set()  # inputs that the service takes no more calls for
MEETING = threading.Barrier(20)
LOCK = threading.Lock()

class RateLimitError(Exception):
    def __init__(self, seconds):
        super().__init__("too many requests")
        self.retry_after = seconds

def ask(x, config):
    with LOCK:
        TIMES.append(time.monotonic())
        TRIES[x] += 1
        tries = TRIES[x]
    if x in LATE:
        raise RateLimitError(86400)
    if x % 10 == 3 and tries < 3:
        raise RateLimitError(0)
    return x

def meet(x, config):
    MEETING.wait(60)
    return x

def some(outputs):
    return 1
"""


@pytest.fixture
def shop(write, folder, monkeypatch):
    """The module under evaluation."""
    write(shop___py=MODULE)
    write(config___jsonl='{"k": 1}\n')
    write(rows___jsonl="".join(json.dumps({"x": x}) + "\n" for x in range(20)))
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    import shop as made

    yield made
    sys.modules.pop("shop", None)


@pytest.fixture
def run(invoke, shop):
    assert shop.TRIES == {}
    data = ("--data", "rows.jsonl", "--configs", "config.jsonl", "--scorer", "shop:some")
    return lambda *options, target="shop:ask": invoke("evaluate", target, *data, *options)


@pytest.mark.slow
def test_attempts_of_the_command_line_are_made(run, shop):
    result = run("--attempts", "3")
    assert result.exit_code == 0
    assert Counter(shop.TRIES.values()) == {1: 18, 3: 2}
    assert "RateLimitError" not in result.stdout


@pytest.mark.slow
def test_attempts_end_where_the_command_line_says(run, shop):
    result = run("--attempts", "2")
    assert Counter(shop.TRIES.values()) == {1: 18, 2: 2}
    assert "RateLimitError: too many requests" in result.stdout


def test_without_limits_a_call_is_made_once(run, shop):
    run()
    assert set(shop.TRIES.values()) == {1}


@pytest.mark.slow
@pytest.mark.parametrize("rate", ["10/s", "10", "600/m", "36000/h"])
def test_rate_of_the_command_line_is_kept(run, shop, rate):
    assert run("--rate", rate, "--attempts", "1").exit_code == 0
    assert len(shop.TIMES) == 20
    assert max(shop.TIMES) - min(shop.TIMES) >= 0.9  # Ten calls are in the bucket, and ten more take a second.


def test_auto_begins_with_twenty_calls_at_once(run, shop):
    result = run("--concurrency", "auto", target="shop:meet")
    assert result.exit_code == 0
    assert not shop.MEETING.broken


def test_quota_is_told_and_the_next_run_goes_on(run, shop):
    shop.LATE.update(range(5, 20))
    options = ("--concurrency", "1", "--attempts", "3", "--resume", "run.jsonl")
    result = run(*options)
    assert result.exit_code == 0
    told = " ".join(result.stdout.split())
    assert re.search(r"A quota that is used up ended the evaluation after [0-5] of 20 rows", told)
    assert "What was made is in 'run.jsonl': the same call goes on from there." in told
    advice, command = result.stderr.splitlines()[-2:]
    assert advice == "Ended early. Its results are in 'run.jsonl'. To go on:"
    assert command.endswith(
        "evaluate shop:ask --data rows.jsonl --configs config.jsonl --scorer shop:some " + " ".join(options)
    )
    shop.LATE.clear()
    result = run(*options, "--stale", "use")
    assert "A quota" not in result.stdout
    assert [shop.TRIES[x] for x in range(5)] == [1, 1, 1, 3, 1]


def test_quota_that_is_used_up_from_the_start_has_status_3(run, shop):
    shop.LATE.update(range(20))
    result = run("--attempts", "3", "--quiet")
    assert result.exit_code == 3
    assert "Nothing to compare: a quota was used up before a row had ended." in result.stderr
    assert "Nothing of it is kept. A run that can be resumed:" in result.stderr
    assert "--attempts 3 --quiet --resume run.jsonl\n" in result.stderr


def test_budget_that_ends_a_run_tells_the_way_on(run):
    result = run("--budget", "rows=5", "--store", "runs.db")
    assert "Ended early. Its results are in 'runs.db'. To go on:" in result.stderr
    assert result.stderr.endswith("--budget rows=5 --store runs.db --cache\n")
    assert "Ended early" not in run().stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--rate", "fast"), "'fast' is no rate; give one such as 60/s or 600/m."),
        (("--rate", "0"), "'0' is no rate"),
        (("--rate", "-1/s"), "'-1/s' is no rate"),
        (("--rate", "5/d"), "'5/d' is no rate"),
        (("--attempts", "0"), "0 is not in the range x>=1"),
        (("--concurrency", "many"), "'many' is no whole number from 1, nor auto."),
        (("--concurrency", "0"), "'0' is no whole number from 1, nor auto."),
    ],
    ids=["rate-word", "rate-zero", "rate-negative", "rate-unit", "attempts", "concurrency-word", "concurrency-zero"],
)
def test_limits_that_cannot_be_kept_are_refused(run, shop, options, message):
    result = run(*options)
    assert result.exit_code == 3
    assert message in " ".join(result.stderr.split())
    assert shop.TIMES == []
