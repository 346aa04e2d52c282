"""Limits against a real server on loopback."""

import threading
import urllib.error
import urllib.request
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import sleep
from types import SimpleNamespace
from typing import Annotated

import pytest

from spearmint import Bind, Config, Limits, Pairwise, Race, Spearmint, experiment
from spearmint.errors import EvaluationError
from spearmint.evaluation.dataset import Row
from spearmint.evaluation.run.attempts import both_limited

pytestmark = pytest.mark.slow

mint = Spearmint()
ROWS = [{"x": x} for x in range(12)]


class Service:
    """Answers each path as a script says: statuses in order, then 200."""

    def __init__(self, scripts=None, headers=None):
        self.calls = Counter()
        self.scripts = scripts or {}
        service, lock = self, threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                with lock:
                    number = service.calls[self.path]
                    service.calls[self.path] += 1
                script = service.scripts.get(self.path, service.scripts.get("*", ()))
                status = script[number] if number < len(script) else 200
                self.send_response(status)
                for name, value in (headers or {}).items():
                    if status != 200:
                        self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self):
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(30)


def get(url):
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        error.close()
        raise


def asking(service):
    @experiment(configs=[{"k": 1}, {"k": 2}])
    def ask(x, config: Config):
        return get(f"{service.url}/{x}-{config.k}")

    return ask


def evaluate(function, rows=ROWS, scorers=None, **options):
    return mint.evaluate(function, rows, scorers=scorers or {"ok": lambda outputs: 1}, progress=False, **options)


def test_refused_calls_are_made_again_and_marked():
    with Service({"/3-1": [429], "/4-2": [503, 500]}, {"Retry-After": "0"}) as service:
        report = evaluate(asking(service), limits=Limits())
    assert report.errors == 0
    cells = report.to_dataframe(cells=True)
    attempts = cells["attempt"].tolist()
    assert sorted(attempts)[-2:] == [2, 3]
    assert sum(service.calls.values()) == 24 + 3 == report.spent.calls


def test_what_cannot_succeed_is_made_once():
    with Service({"/3-1": [404] * 5}) as service:
        report = evaluate(asking(service), limits=Limits())
    assert service.calls["/3-1"] == 1
    assert report.errors == 1


def test_attempts_end():
    with Service({"/3-1": [500] * 9}, {"Retry-After": "0"}) as service:
        report = evaluate(asking(service), limits=Limits(attempts=3))
    assert service.calls["/3-1"] == 3
    assert report.errors == 1


def test_without_limits_a_refusal_is_an_error():
    with Service({"/3-1": [429]}) as service:
        report = evaluate(asking(service))
    assert report.errors == 1


def test_scorers_have_limits_of_their_own():
    with Service({"*": [429]}, {"Retry-After": "0"}) as service:

        @experiment(configs=[{"k": 1}, {"k": 2}])
        def local(x, config: Config):
            return f"{x}-{config.k}"

        def judge(outputs):
            return get(f"{service.url}/{outputs}") == 200

        report = evaluate(local, scorers=[judge], scorer_limits=Limits(per="judge"))
    assert report.errors == 0
    assert set(service.calls.values()) == {2}


def test_a_function_tells_what_is_limited_together():
    meeting = threading.Barrier(2)
    running, most, lock = Counter(), Counter(), threading.Lock()

    @experiment(configs=[{"model": "large"}, {"model": "small"}])
    def reply(x, model: Annotated[str, Bind("model")]):
        with lock:
            running[model] += 1
            most[model] = max(most[model], running[model])
        if x is None:
            meeting.wait(60)  # Both are under way at once.
        sleep(0.002)
        with lock:
            running[model] -= 1
        return 1

    @experiment
    def pipeline(x):
        return reply(x)

    limits = Limits(concurrency=1, per=lambda parameters: parameters["reply: model"])
    assert evaluate(pipeline, [{"x": None}], limits=limits).errors == 0
    assert evaluate(pipeline, limits=limits).errors == 0
    assert most == {"large": 1, "small": 1}


def test_function_and_judge_with_one_key_share_one_budget():
    case = SimpleNamespace(config={"host": "a"}, parameters={"host": "a"}, config_id="1")
    row = Row(0, "data[0]", {"host": "b"}, {})
    of_config = Limits(per=lambda config: config["host"])
    own, judges = both_limited(of_config, Limits(per="a"))
    assert own.of_cell(case, row).controller is judges.of_cell(case, row).controller
    own, judges = both_limited(of_config, Limits(per=lambda inputs: inputs["host"]))
    assert own.of_cell(case, row).controller is not judges.of_cell(case, row).controller
    own, judges = both_limited(Limits(), Limits())
    assert own.of_cell(case, row).controller is not judges.of_cell(case, row).controller


@pytest.mark.parametrize("name", ["limits", "scorer_limits"])
@pytest.mark.parametrize(
    ("per", "cause"),
    [
        (lambda config: config["host"], "KeyError: 'host'"),
        (lambda config: [config], "TypeError: unhashable type: 'list'"),
    ],
    ids=["raises", "unhashable"],
)
def test_a_key_that_cannot_be_told_ends_the_evaluation(name, per, cause):
    @experiment(configs=[{"k": 1}, {"k": 2}])
    def local(x, config: Config):
        return x

    with pytest.raises(EvaluationError) as caught:
        evaluate(local, **{name: Limits(per=per)})
    assert "Cannot limit config " in str(caught.value)
    assert " on the row at data[" in str(caught.value)
    assert f"per= has raised {cause}. Correct it." in str(caught.value)


@pytest.mark.parametrize("per", [3, lambda model: model, lambda: "a", max], ids=["number", "other", "nothing", "in-c"])
def test_what_tells_no_key_is_refused(per):
    with pytest.raises(
        EvaluationError, match=r"it is no name, and no function of some of inputs, config and parameters"
    ):
        Limits(per=per)


def has_run(report):
    """Tell of each case which rows have a result; the order of cells depends on how busy the machine is."""
    return [report.results.has_run(case).tolist() for case in (0, 1)]


def test_a_quota_ends_the_run_on_whole_rows(tmp_path):
    path = tmp_path / "run.jsonl"
    script = {f"/{x}-2": [429] for x in range(6, 12)}  # Of a row that is cut short, the first config has an answer.
    with Service(script, {"Retry-After": "86400"}) as service:
        ask = asking(service)
        report = evaluate(ask, limits=Limits(concurrency=1), resume=path)
        assert report.stopped == "quota"
        made = sum(service.calls.values())
        assert made == report.spent.calls
        service.scripts.clear()
        again = evaluate(ask, limits=Limits(), resume=path, stale="use")  # The service is of the code.
    first, second = has_run(report)
    assert first == second
    assert report.results.count == 2 * sum(first) < made
    assert report.errors == 0
    told = " ".join(str(report).split())
    said = "the service asked to wait for 86,400 s, and max_wait is 300. What was made is in"
    assert f"A quota that is used up ended the evaluation after {sum(first)} of 12 rows: {said}" in told
    assert "the same call goes on from there" in told
    assert again.stopped is None
    assert again.results.count == 24
    assert sum(service.calls.values()) == 24 + 1  # What was made is not made again.


def noting(calls):
    """Return an experiment with two configs that notes its calls."""

    @experiment(configs=[{"k": 1}, {"k": 2}])
    def local(x, config: Config):
        calls.append(x)
        return f"{x}-{config.k}"

    return local


def test_a_quota_of_a_judge_ends_the_run_and_keeps_outputs(tmp_path):
    calls = []
    script = {f"/{x}-{k}": [429] for x in range(4, 12) for k in (1, 2)}
    with Service(script, {"Retry-After": "86400"}) as service:
        local = noting(calls)

        def judge(outputs):
            return get(f"{service.url}/{outputs}") == 200

        options = {"scorers": [judge], "scorer_limits": Limits(), "concurrency": 1, "store": tmp_path / "runs.db"}
        report = evaluate(local, **options)
        made = len(calls)
        service.scripts.clear()
        again = evaluate(local, cache=True, stale="use", **options)
    assert report.stopped == "quota"
    assert report.errors == 0
    first, second = has_run(report)
    assert first == second
    assert report.results.count == 2 * sum(first) < made
    assert "the same call with cache=True goes on from there" in " ".join(str(report).split())
    assert again.results.count == 24
    assert again.errors == 0
    assert len(calls) == 24


def win_rates(report):
    return [one.estimate.value for one in report.summary("win_rate")]


def prefers_second(service):
    """Return a judge that prefers what the second config says, and asks the service about it."""

    def judge(inputs, first, second):
        get(f"{service.url}/{first}:{second}")
        return "first" if first.endswith("-2") else "second"

    return Pairwise(judge)


def test_a_quota_of_a_pair_judge_keeps_outputs_unjudged(tmp_path):
    calls = []
    script = {f"/{x}-{k}:{x}-{3 - k}": [429] for x in range(4, 12) for k in (1, 2)}
    with Service(script, {"Retry-After": "86400"}) as service:
        local = noting(calls)
        options = {"scorers": [prefers_second(service)], "scorer_limits": Limits(concurrency=1), "concurrency": 1}
        options |= {"store": tmp_path / "runs.db", "share": False}
        report = evaluate(local, **options)
        made, shown = len(calls), sum(service.calls.values())
        service.scripts.clear()
        again = evaluate(local, cache=True, stale="use", **options)
    assert report.stopped == "quota"
    assert report.errors == 0
    first, second = has_run(report)
    assert first == second
    assert 0 < sum(first) < 12
    assert report.results.count == 2 * sum(first) < made
    assert win_rates(report) == [0.5, 1.0]
    assert shown == 2 * sum(first) + 1  # One pair was refused, and no other shown.
    assert "the same call with cache=True goes on from there" in " ".join(str(report).split())
    assert (again.stopped, again.errors, again.results.count) == (None, 0, 24)
    assert win_rates(again) == [0.5, 1.0]
    assert len(calls) == 24
    assert sum(service.calls.values()) == 2 * 12 + 1  # What was judged is not judged again.


def test_a_quota_of_main_leaves_no_pair_without_a_verdict(tmp_path):
    script = {f"/{x}-1": [429] for x in range(6, 12)}
    with Service(script, {"Retry-After": "86400"}) as service:

        @experiment(configs=[{"k": 1}, {"k": 2}])
        def ask(x, config: Config):
            get(f"{service.url}/{x}-{config.k}")
            return f"{x}-{config.k}"

        def judge(inputs, first, second):
            return "first" if first.endswith("-2") else "second"

        options = {"scorers": [Pairwise(judge)], "limits": Limits(concurrency=1), "resume": tmp_path / "run.jsonl"}
        report = evaluate(ask, **options)
        service.scripts.clear()
        again = evaluate(ask, stale="use", **options)
    assert report.stopped == "quota"
    assert report.errors == 0  # Main was refused: it has not failed.
    first, second = has_run(report)
    assert first == second
    assert report.results.count == 2 * sum(first) < 24
    assert (again.stopped, again.errors, again.results.count) == (None, 0, 24)
    assert win_rates(again) == [0.5, 1.0]
    assert sum(service.calls.values()) == 24 + 1


def test_a_race_that_a_quota_ends_says_what_that_means():
    script = {f"/{x}-{k}": [429] for x in range(12) for k in (1, 2)}
    with Service(script, {"Retry-After": "86400"}) as service:
        race = Race("ok", block=2, confirm=0)
        report = evaluate(asking(service), limits=Limits(max_wait=5), race=race)
    assert report.stopped == "quota"
    assert report.results.count == 0
    assert "without a bound on the error" in " ".join(str(report).split())
