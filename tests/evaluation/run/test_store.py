import importlib
import json
import multiprocessing
import os
import signal
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from spearmint import Budget, Spearmint
from spearmint.errors import EvaluationError
from spearmint.evaluation.run import store_database
from spearmint.evaluation.run.store_database import Database
from spearmint.evaluation.run.stored_output import output_digest_of
from tests.evaluation import subjects

ROOT = Path(__file__).parents[3]
DOUBLES = [{"x": x, "expected": 2 * x} for x in range(30)]
mint = subjects.mint


def evaluate(path, data=DOUBLES, function=subjects.times, **options):
    given = {"scorers": [subjects.exact], "progress": False, **options}
    return mint.evaluate(function, data, store=path, **given)


def means(report, metric="exact"):
    return [one.estimate.value for one in report.summary(metric)]


def ask(path, statement):
    with closing(sqlite3.connect(path)) as database:
        return database.execute(statement).fetchall()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "deep" / "runs.db"


def test_results_and_outputs_are_stored_once_per_content(path):
    report = evaluate(path, repeats=2)
    assert means(report) == [1 / 30, 1, 1 / 30]
    assert ask(path, "select count(*) from cells") == [(180,)]
    outputs = ask(path, "select count(distinct output), count(*) from cells")
    assert outputs == [(len({x * factor for x in range(30) for factor in (1, 2, 3)}), 180)]
    assert ask(path, "select count(*) from contents where text = '0'") == [(1,)]
    assert ask(path, "select function, rows, repeats, ended > started from runs") == [
        ("tests.evaluation.subjects:times", 30, 2, 1)
    ]


def test_an_output_that_is_stored_is_hashed_once(path, monkeypatch):
    hashed = []
    for name in ("cell", "cell_run", "store"):
        module = importlib.import_module(f"spearmint.evaluation.run.{name}")
        monkeypatch.setattr(module, "output_digest_of", lambda text: hashed.append(text) or output_digest_of(text))
    evaluate(path, data=[{"x": 777}])
    assert {777, 1554, 2331} == {int(text) for text in hashed if text.isdigit()}
    assert hashed.count("777") == hashed.count("1554") == 1
    assert ask(path, "select text from contents where text = '1554'") == [("1554",)]


def test_store_is_its_owners_alone(path):
    evaluate(path)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_store_without_cache_runs_everything_again(path):
    assert evaluate(path).spent.calls == 90
    assert evaluate(path).spent.calls == 90
    assert ask(path, "select count(*) from runs") == [(2,)]


def test_cache_takes_results_of_earlier_runs(path):
    first = evaluate(path)
    again = evaluate(path, cache=True)
    assert again.spent.calls == 0
    assert means(again) == means(first)
    assert again.to_dataframe(cells=True).equals(first.to_dataframe(cells=True))
    more = evaluate(path, [*DOUBLES, {"x": 99, "expected": 0}], cache=True)
    assert more.spent.calls == 3


def test_cache_is_keyed_by_the_code(path):
    with_helper = {}
    source = "def helper(x):\n    return x + {}\ndef f(x, config):\n    return helper(x)"

    def made(number):
        exec(source.format(number), with_helper)
        with_helper["f"].__module__ = with_helper["helper"].__module__ = "made_for_cache"
        return with_helper["f"]

    with_helper["__name__"] = "made_for_cache"
    options = {"configs": [{"k": 1}], "cache": True}
    assert evaluate(path, function=made(1), **options).spent.calls == 30
    assert evaluate(path, function=made(1), **options).spent.calls == 0
    changed = evaluate(path, function=made(2), **options)
    assert changed.spent.calls == 30
    assert changed.notes == ("30 stored cells run again: the code of made_for_cache:f has changed.",)


def test_cache_takes_no_failures(path):
    rows = [{"x": x} for x in range(10)]
    options = {"function": subjects.fails_on_seven, "scorers": {"one": lambda outputs: 1}}
    assert evaluate(path, rows, **options).errors == 1
    again = evaluate(path, rows, cache=True, **options)
    assert again.spent.calls == 1
    cells = again.to_dataframe(cells=True)
    assert set(cells[cells["status"] == "failed"]["attempt"]) == {2}
    with pytest.raises(EvaluationError, match="retry='none': cache=True takes no failures"):
        evaluate(path, rows, cache=True, retry="none", **options)


def test_rescore_calls_the_function_never(path, tmp_path):
    rows = [{"x": x, "folder": str(tmp_path)} for x in range(5)]
    report = evaluate(path, rows, function=subjects.counts_calls, scorers={"one": lambda outputs: 1})
    calls = (tmp_path / "calls").read_text()
    again = report.rescore({"double": lambda outputs: 2 * outputs, "from_config": lambda config: config["factor"]})
    assert (tmp_path / "calls").read_text() == calls
    assert again.metrics == ["double", "from_config"]
    assert means(again, "double") == [4, 8, 12]
    assert means(again, "from_config") == [1, 2, 3]
    assert again.spent.calls == 0
    assert again.rescore({"less": lambda outputs: -outputs}).metrics == ["less"]


def test_rescore_tells_what_has_no_output(path):
    def unstorable(x: int, config: dict) -> object:
        if x == 3:
            raise ValueError(x)
        return object() if x < 3 else x

    report = evaluate(path, function=unstorable, configs=[{"k": 1}], scorers={"one": lambda outputs: 1})
    again = report.rescore({"two": lambda outputs: 2})
    assert again.summary("two")[0].estimate.n == 26
    assert again.results.failures(0) == 1
    assert again.notes == ("3 cells have no stored output to be scored, and no result here.",)


def test_rescore_without_a_store_or_with_traces_is_refused(path):
    report = mint.evaluate(subjects.times, DOUBLES, scorers=[subjects.exact], progress=False)
    with pytest.raises(EvaluationError, match="Cannot rescore: no outputs are stored"):
        report.rescore([subjects.exact])
    with pytest.raises(EvaluationError, match="Cannot rescore with 'traced': it takes a trace, which is not stored"):
        evaluate(path).rescore({"traced": lambda trace: 1})


def test_pickles_are_made_and_read_only_when_asked(path):
    def odd(x: int, config: dict) -> slice:
        return slice(x)

    def stop(outputs):
        return outputs.stop

    options = {"function": odd, "configs": [{"k": 1}], "scorers": {"one": lambda outputs: 1}}
    evaluate(path, **options)
    assert ask(path, "select count(*) from cells where output is not null") == [(0,)]
    report = evaluate(path, pickle=True, **options)
    assert ask(path, "select count(*) from cells where output is not null") == [(30,)]
    assert means(report.rescore({"stop": stop}), "stop") == [14.5]
    unread = evaluate(path, cache=True, **options | {"scorers": {"other": stop}})
    assert unread.spent.calls == 30
    assert "are pickled, and are read with pickle=True only" in unread.notes[0]


def test_outputs_come_back_as_they_were(path):
    def exact_types(x: int, config: dict) -> dict:
        return {"price": Decimal(x), "pair": (x, {x})}

    def same(outputs, inputs) -> bool:
        x = inputs["x"]
        return outputs == {"price": Decimal(x), "pair": (x, {x})} and type(outputs["pair"]) is tuple

    report = evaluate(path, function=exact_types, configs=[{"k": 1}])
    assert means(report.rescore({"same": same}), "same") == [1]


def test_budget_and_cache_go_on_where_the_run_ended(path):
    first = evaluate(path, budget=Budget(cells=30))
    assert first.results.count == 30
    assert evaluate(path, cache=True).spent.calls == 60


KILLED = """
import os, signal, sys
from tests.evaluation import subjects
def dies(x, config):
    if x == 20:
        os.kill(os.getpid(), signal.SIGKILL)
    return x
subjects.mint.evaluate(dies, [{"x": x} for x in range(30)], scorers={"one": lambda outputs: 1}, store=sys.argv[1],
    configs=[{"k": 1}], concurrency=1, progress=False)
"""


@pytest.mark.slow
def test_writer_that_is_killed_leaves_a_store_that_goes_on(path):
    made = subprocess.run([sys.executable, "-c", KILLED, str(path)], cwd=ROOT, timeout=60, check=False)
    assert made.returncode == -signal.SIGKILL
    ((stored,),) = ask(path, "select count(*) from cells")
    assert ask(path, "select ended from runs") == [(None,)]
    assert ask(path, "pragma integrity_check") == [("ok",)]

    def dies(x: int, config: dict) -> int:
        return x

    dies.__module__, dies.__qualname__ = "__main__", "dies"
    report = evaluate(path, [{"x": x} for x in range(30)], function=dies, configs=[{"k": 1}], cache=True, stale="use")
    assert 0 < stored <= 20
    assert report.spent.calls == 30 - stored


def run_beside(path, barrier):
    barrier.wait(60)
    evaluate(path)


@pytest.mark.slow
def test_two_processes_write_to_one_store(path):
    spawn = multiprocessing.get_context("spawn")
    barrier = spawn.Barrier(2)
    processes = [spawn.Process(target=run_beside, args=(path, barrier)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0]
    assert ask(path, "select run, count(*) from cells group by run") == [(1, 90), (2, 90)]
    assert evaluate(path, cache=True).spent.calls == 0


def test_store_that_another_process_holds_is_an_error(path, monkeypatch):
    evaluate(path)
    monkeypatch.setattr(store_database, "BUSY_SECONDS", [0.05])
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("begin immediate")
        with pytest.raises(EvaluationError, match=r"another process has been writing to it for 0.05 s"):
            evaluate(path)
        other.execute("rollback")
    assert evaluate(path, cache=True).spent.calls == 0


def test_full_disk_is_an_error_and_what_was_written_stays(path, monkeypatch):
    evaluate(path, DOUBLES[:10])
    plain = Database._prepare

    def prepare(self):
        plain(self)
        self.execute(f"pragma max_page_count = {self._number('pragma page_count') + 2}")

    def long_output(x: int, config: dict) -> str:
        return f"{x}" * 10_000

    with monkeypatch.context() as patched:
        patched.setattr(Database, "_prepare", prepare)
        with pytest.raises(EvaluationError, match=r"Cannot use the store .*full.*What was written before stays"):
            evaluate(path, function=long_output, configs=[{"k": 1}], scorers={"one": lambda outputs: 1})
    assert evaluate(path, DOUBLES[:10], cache=True).spent.calls == 0


def test_files_of_something_else_are_refused_untouched(tmp_path):
    text = tmp_path / "notes.db"
    text.write_text("not a database, but long enough to be read as one\n" * 100)
    foreign = tmp_path / "foreign.db"
    with closing(sqlite3.connect(foreign)) as database, database:
        database.execute("create table theirs(x)")
    before = text.read_bytes(), foreign.read_bytes()
    with pytest.raises(EvaluationError, match=r"it is no store, or damaged .*file is not a database"):
        evaluate(text)
    with pytest.raises(EvaluationError, match="it is a database of something else"):
        evaluate(foreign)
    assert (text.read_bytes(), foreign.read_bytes()) == before
    with pytest.raises(EvaluationError, match="it is no file"):
        evaluate(tmp_path)


def test_store_of_a_later_version_is_refused(path):
    evaluate(path)
    with closing(sqlite3.connect(path)) as database:
        database.execute("pragma user_version = 99")
    with pytest.raises(EvaluationError, match="its format is 99, and this version of Spearmint reads 1"):
        evaluate(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes anywhere")
def test_folder_that_cannot_be_written_is_an_error(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(EvaluationError, match=r"Cannot use the store .*Permission denied"):
        evaluate(tmp_path / "runs.db")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cache": True}, "cache=True: there is no store"),
        ({"pickle": True}, "pickle=True: there is no store"),
        ({"store": "runs.db", "resume": "run.jsonl"}, "resume='run.jsonl': there is a store too"),
    ],
    ids=["cache", "pickle", "resume"],
)
def test_options_that_do_not_go_together_are_refused(options, message):
    with pytest.raises(EvaluationError, match=message):
        Spearmint().evaluate(subjects.plain_times, DOUBLES, scorers=[subjects.exact], **options)


def test_configs_that_changed_under_their_id_run_again(path):
    named = {"factor": 1, "__config_id__": "one"}
    evaluate(path, configs=[named])
    changed = evaluate(path, configs=[{**named, "factor": 7}], cache=True)
    assert changed.spent.calls == 30
    assert json.dumps(changed.notes).count("the content of config 'one' has changed") == 1
