import json
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor

import pytest

from spearmint import Config, Limits, experiment
from spearmint.errors import EvaluationError, SpearmintWarning
from spearmint.evaluation.run.process_pool import RenewableProcessPool
from spearmint.strategies import ShadowStrategy
from tests.evaluation import subjects

pytestmark = pytest.mark.slow

ROWS = [{"x": x, "expected": 2 * x} for x in range(30)]
mint = subjects.mint
SCORERS = [subjects.exact, subjects.distance]


@pytest.fixture(scope="module")
def processes():
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield pool


def told(report):
    return [(one.case_id, one.metric, one.errors, one.estimate, one.difference) for one in report.summary()]


@pytest.mark.parametrize("function", [subjects.times, subjects.fails_on_seven, subjects.nested, subjects.plain_times])
def test_processes_give_the_results_that_threads_give(processes, function):
    ours = mint.evaluate(function, ROWS, scorers=SCORERS, executor=processes, repeats=2)
    assert told(ours) == told(mint.evaluate(function, ROWS, scorers=SCORERS, repeats=2))
    assert [case.assignment for case in ours.cases] == [
        case.assignment for case in mint.evaluate(function, ROWS[:1], scorers=SCORERS).cases
    ]


def test_processes_run_async_functions_with_given_configs(processes):
    report = mint.evaluate(subjects.atimes, ROWS, scorers=SCORERS, executor=processes, configs=[{"factor": 2}])
    assert report.best("exact").summary.estimate.value == 1


def test_processes_share_the_steps_of_a_row(processes, tmp_path):
    rows = [{"x": x, "folder": str(tmp_path)} for x in range(1, 40)]
    scorers = {"value": lambda outputs: outputs}
    report = mint.evaluate(subjects.answers, rows, scorers=scorers, executor=processes)
    assert len((tmp_path / "finds").read_text()) == 39 * 4
    assert len((tmp_path / "ranks").read_text()) <= 39 * 16
    assert "of 1,248 step calls" in str(report)
    alone = mint.evaluate(subjects.answers, rows, scorers=scorers, share=False)
    assert [one.estimate for one in report.summary()] == [one.estimate for one in alone.summary()]


def test_the_work_is_done_in_other_processes(processes):
    report = mint.evaluate(subjects.burns, ROWS, scorers=[subjects.process_id], executor=processes)
    seen = set(report.to_dataframe(cells=True)["process_id"])
    assert os.getpid() not in seen


class Inline(Executor):
    """A worker that outlives evaluations, and pickles what it gets as others do."""

    def submit(self, function, /, *args):
        future = Future()
        future.set_result(pickle.loads(pickle.dumps(function))(*pickle.loads(pickle.dumps(args))))
        return future


def test_a_worker_forgets_a_quota_of_an_earlier_evaluation(monkeypatch):
    options = {"scorers": SCORERS, "executor": Inline(), "limits": Limits(attempts=1, max_wait=1)}
    monkeypatch.setattr(subjects.quota, "is_used_up", True)
    assert mint.evaluate(subjects.metered, ROWS[:4], **options).stopped == "quota"
    monkeypatch.setattr(subjects.quota, "is_used_up", False)
    assert mint.evaluate(subjects.metered, ROWS[:4], **options).stopped is None


def test_local_scorers_are_pickled_by_value(processes):
    bound = 10
    scorers = {"big": lambda outputs: outputs > bound}
    report = mint.evaluate(subjects.times, ROWS, scorers=scorers, executor=processes, configs=[{"factor": 1}])
    assert report.summary("big")[0].estimate.value == 19 / 30


def test_outputs_and_errors_come_back_as_text(processes):
    report = mint.evaluate(subjects.fails_on_seven, ROWS, scorers=SCORERS, executor=processes)
    cells = report.to_dataframe(cells=True)
    assert list(cells[cells["row"] == 7]["output"].fillna("")) == ["7", "14", ""]
    assert report.results.error_samples(2) == [("ValueError: seven", 1)]


def test_experiment_not_importable_is_pickled_by_value(processes):
    @experiment(configs=[{"k": 1}, {"k": 2}])
    def local(x, config: Config):
        return x * config.k

    report = mint.evaluate(local, ROWS, scorers=SCORERS, executor=processes)
    assert [one.estimate.value for one in report.summary("exact")] == [1 / 30, 1]


def test_unpicklable_values_are_refused(processes):
    lock = threading.Lock()

    @experiment(configs=[{"k": 1}])
    def local(x, config: Config):
        return lock

    with pytest.raises(EvaluationError, match=r"Cannot send .*local.* to another process: it cannot be pickled"):
        mint.evaluate(local, ROWS, scorers=SCORERS, executor=processes)


def test_nested_experiment_of_a_function_travels(processes):
    @experiment(configs=[{"d": 1}, {"d": 2}], strategy=ShadowStrategy)
    def inner(x, config: Config):
        return x + config["d"]

    @experiment(configs=[{"k": 1}])
    def outer(x, config: Config):
        return inner(x)

    report = mint.evaluate(
        outer, ROWS, scorers={"added": lambda inputs, outputs: outputs - inputs["x"]}, executor=processes
    )
    assert sorted(one.estimate.value for one in report.summary()) == [1, 2]


SCRIPT = """
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from spearmint import Spearmint

mint = Spearmint(configs=[{"k": 1}, {"k": 2}])

@mint.experiment(configs=[{"n": 10}, {"n": 20}])
def inner(x, config):
    return x * config["n"]

@mint.experiment
def outer(x, config):
    return inner(x) + config["k"]

if __name__ == "__main__":
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        scorers = {"value": lambda outputs: outputs}
        report = mint.evaluate(outer, [{"x": 1}], scorers=scorers, executor=pool, progress=False)
    print(sorted(report.to_dataframe()["value.mean"]))
"""


@pytest.mark.slow
def test_nested_experiments_of_a_script_travel_to_processes(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT, encoding="utf-8")
    command = [sys.executable, "-W", "error::spearmint.errors.SpearmintWarning", "script.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "[11.0, 12.0, 21.0, 22.0]\n"), done.stderr


def test_nested_experiment_that_cannot_travel_is_an_error(processes):
    class Locked:
        def __init__(self):
            self.lock = threading.Lock()

        def __call__(self, configs):
            return configs[0], configs[1:]

    @experiment(configs=[{"d": 1}, {"d": 2}], strategy=Locked())
    def inner(x, config: Config):
        return x

    @experiment(configs=[{"k": 1}])
    def outer(x, config: Config):
        return inner(x)

    with (
        pytest.warns(SpearmintWarning, match=r"inner is pickled by value, and runs without its configs"),
        pytest.raises(EvaluationError, match=r"a worker process cannot load it \(DeclarationError: .*inner"),
    ):
        mint.evaluate(outer, ROWS, scorers=SCORERS, executor=processes)


def test_killed_worker_ends_the_run_and_another_goes_on(tmp_path):
    rows = [{**row, "folder": str(tmp_path)} for row in ROWS]
    path = tmp_path / "run.jsonl"
    for attempt in range(2):
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            if attempt == 0:
                with pytest.raises(EvaluationError, match=r"the executor gave up \(BrokenProcessPool.*resume="):
                    mint.evaluate(subjects.kills_its_worker_once, rows, scorers=SCORERS, executor=pool, resume=path)
            else:
                report = mint.evaluate(
                    subjects.kills_its_worker_once, rows, scorers=SCORERS, executor=pool, resume=path
                )
    assert told(report)[1][3].value == 1
    assert [one.estimate.n for one in report.summary("exact")] == [30, 30, 30]
    lines = [json.loads(line) for line in path.read_bytes().splitlines()[1:]]
    ran_twice = [line for line in lines if line["attempt"] == 2]
    assert len(lines) == 90 + len(ran_twice)
    assert all(line["status"] == "success" for line in ran_twice)
    assert report.notes == (f"{len(ran_twice)} stored cells run again: their worker process had died.",)


def test_a_pool_of_threads_takes_functions_as_they_are():
    @experiment(configs=[{"k": 1}, {"k": 2}])
    def local(x, config: Config):
        return x * config.k

    with ThreadPoolExecutor(2) as pool:
        report = mint.evaluate(local, ROWS, scorers=SCORERS, executor=pool)
        assert [one.estimate.value for one in report.summary("exact")] == [1 / 30, 1]
        assert pool.submit(int).result() == 0  # It is the caller's, who may go on with it.


class Unreliable(Executor):
    """Loses every chunk of several cells, and the cell of one row for good."""

    def __init__(self, lost_row):
        self.most = 0
        self._lost_row = lost_row

    def submit(self, function, *args):
        future = Future()
        wires = args[3]
        if len(wires) > 1 or wires[0][1] == self._lost_row:
            future.set_exception(OSError("lost"))
        else:
            future.set_result(function(*args))
        return future


def test_cells_that_an_executor_loses_run_alone_then_fail():
    report = mint.evaluate(
        subjects.times, ROWS, scorers=SCORERS, executor=Unreliable(lost_row=4), configs=[{"factor": 2}]
    )
    assert report.errors == 1
    assert report.results.error_samples(0) == [("lost: the executor failed (OSError: lost)", 1)]
    assert report.summary("exact")[0].estimate.n == 29


def test_processes_score_stored_outputs_again(processes, tmp_path):
    path = tmp_path / "run.jsonl"
    options = {"executor": processes, "resume": path}
    folders = [{**row, "folder": str(tmp_path)} for row in ROWS]
    mint.evaluate(subjects.counts_calls, folders, scorers=[subjects.exact], **options)
    calls = (tmp_path / "calls").stat().st_size
    assert calls == 90
    report = mint.evaluate(subjects.counts_calls, folders, scorers=SCORERS, **options)
    assert (tmp_path / "calls").stat().st_size == calls
    assert [one.estimate.value for one in report.summary("distance")] == [14.5, 0, 14.5]


def test_processes_hold_a_row_to_its_time(processes):
    report = mint.evaluate(subjects.hangs_on_seven, ROWS[:9], scorers=SCORERS, executor=processes, timeout=0.2)
    cells = report.to_dataframe(cells=True)
    assert list(cells[cells["status"] == "timed_out"]["row"]) == [7, 7, 7]
    assert report.errors == 3


@pytest.fixture
def renewable():
    with RenewableProcessPool(2) as pool:
        yield pool


def test_row_that_kills_its_worker_is_one_lost_cell(renewable, tmp_path):
    path = tmp_path / "run.jsonl"
    for attempt in (1, 2):
        report = mint.evaluate(subjects.kills_its_worker, ROWS, scorers=SCORERS, executor=renewable, resume=path)
        cells = report.to_dataframe(cells=True)
        lost = cells[cells["status"] == "lost"]
        assert list(lost["row"]) == [5]
        assert list(lost["attempt"]) == [attempt]
        assert report.errors == 1
        assert "its worker process died" in report.results.error_samples(1)[0][0]
        assert [one.estimate.n for one in report.summary("exact")] == [30, 29, 30]


def test_workers_that_never_start_end_the_run(renewable):
    with pytest.raises(EvaluationError, match="the executor gave up"):
        mint.evaluate(subjects.kills_every_worker, ROWS, scorers=SCORERS, executor=renewable, configs=[{"factor": 2}])


def test_lost_row_of_a_foreign_executor_is_isolated(tmp_path):
    path = tmp_path / "run.jsonl"

    def run(**options):
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            return mint.evaluate(
                subjects.kills_its_worker, ROWS, scorers=SCORERS, executor=pool, resume=path, **options
            )

    for _ in range(2):  # First it is lost with what was in flight, then alone.
        with pytest.raises(EvaluationError, match="runs again last and one by one"):
            run()
    for options in ({}, {"retry": "none"}):
        report = run(**options)
        assert [one.estimate.n for one in report.summary("exact")] == [30, 29, 30]
        assert report.errors == 1


class Bounded(Executor):
    """Counts how much is in flight: nothing ends before it is asked for."""

    def __init__(self):
        self._pool = ThreadPoolExecutor(1)
        self.flying = self.most = 0

    def submit(self, function, *args):
        self.flying += 1
        self.most = max(self.most, self.flying)
        future = self._pool.submit(function, *args)
        future.add_done_callback(self._landed)
        return future

    def _landed(self, _):
        self.flying -= 1


def test_cells_in_flight_are_bounded():
    asked = []

    def endless():
        for x in range(500):
            asked.append(x)
            yield {"x": x, "expected": 2 * x}

    executor = Bounded()
    report = mint.evaluate(subjects.times, endless(), scorers=SCORERS, executor=executor, concurrency=2)
    assert report.summary("exact")[0].estimate.n == 500
    assert executor.most <= 4


def test_shut_down_executor_is_reported():
    pool = ThreadPoolExecutor(1)
    pool.shutdown()
    with pytest.raises(EvaluationError, match="the executor gave up"):
        mint.evaluate(subjects.times, ROWS, scorers=SCORERS, executor=pool)
