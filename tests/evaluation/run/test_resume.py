import json
import signal
import stat
import subprocess
import sys
import types
from pathlib import Path

import pytest

from spearmint.errors import EvaluationError
from tests.evaluation import subjects

ROOT = Path(__file__).parents[3]
DOUBLES = [{"x": x, "expected": 2 * x} for x in range(30)]
mint = subjects.mint


class Counted:
    """A scorer that counts how often it is called; what is not run again is not scored again."""

    def __init__(self):
        self.calls = 0

    def exact(self, outputs, expectations):
        self.calls += 1
        return outputs == expectations["expected"]


def evaluate(path, data=DOUBLES, **options):
    counted = Counted()
    options = {"share": False, **options}  # so that each score is a call
    report = mint.evaluate(subjects.times, data, scorers=[counted.exact], resume=path, **options)
    return report, counted.calls


def means(report):
    return [one.estimate.value for one in report.summary("exact")]


def lines_of(path):
    return path.read_text(encoding="utf-8").splitlines()


def test_results_are_written_as_they_come_and_not_run_again(tmp_path):
    path = tmp_path / "deep" / "run.jsonl"
    first, calls = evaluate(path)
    assert calls == 90
    lines = [json.loads(line) for line in lines_of(path)]
    assert lines[0]["spearmint"] == "evaluation"
    assert len(lines) == 91
    again, calls = evaluate(path)
    assert calls == 0
    assert means(again) == means(first) == [1 / 30, 1, 1 / 30]
    assert [one.p50 for one in again.summary("exact")] == [one.p50 for one in first.summary("exact")]
    assert again.to_dataframe(cells=True).equals(first.to_dataframe(cells=True))
    assert len(lines_of(path)) == 91


def test_journal_is_its_owners_alone_unless_it_is_there(tmp_path):
    path, there = tmp_path / "run.jsonl", tmp_path / "there.jsonl"
    there.touch(mode=0o640)
    for one in (path, there):
        evaluate(one, DOUBLES[:1])
    assert [stat.S_IMODE(one.stat().st_mode) for one in (path, there)] == [0o600, 0o640]


def test_lines_without_what_came_later_are_read(tmp_path):
    path = tmp_path / "run.jsonl"
    evaluate(path)
    head, *results = lines_of(path)
    entries = [json.loads(line) for line in results]
    for entry in entries:
        for name in ("usage", "calls", "refusal"):
            del entry[name]
    path.write_text("\n".join([head, *map(json.dumps, entries), ""]), encoding="utf-8")
    assert evaluate(path)[1] == 0


def test_new_configs_rows_and_repetitions_are_added(tmp_path):
    path = tmp_path / "run.jsonl"
    evaluate(path, DOUBLES[:20])
    assert evaluate(path)[1] == 30
    report, calls = evaluate(path, configs=[{"factor": 2}, {"factor": 5}])
    assert calls == 30
    assert means(report) == [1, 1 / 30]
    assert evaluate(path, repeats=2)[1] == 90


def test_changed_expectation_is_scored_again(tmp_path):
    path = tmp_path / "run.jsonl"
    evaluate(path)
    changed = [*DOUBLES[:10], {"x": 10, "expected": -1}, *DOUBLES[11:]]
    report, calls = evaluate(path, changed)
    assert calls == 3
    assert means(report) == [1 / 30, 29 / 30, 1 / 30]
    assert evaluate(path, changed)[1] == 0


@pytest.mark.parametrize("cut", [1, 20, 60])
def test_a_torn_last_line_is_cut_off_and_its_cell_run_again(tmp_path, cut):
    path = tmp_path / "run.jsonl"
    evaluate(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    report, calls = evaluate(path)
    assert calls == 1
    assert means(report) == [1 / 30, 1, 1 / 30]
    assert sorted(map(key_of, path.read_bytes().splitlines()[1:])) == sorted(map(key_of, whole.splitlines()[1:]))


def key_of(line):
    told = json.loads(line)
    return told["case"], told["row"], told["repeat"]


@pytest.mark.parametrize("kept", [b"", b'{"spearmint": "eval'])
def test_a_file_that_was_torn_at_its_beginning_begins_anew(tmp_path, kept):
    path = tmp_path / "run.jsonl"
    path.write_bytes(kept)
    assert evaluate(path)[1] == 90
    assert evaluate(path)[1] == 0


def test_long_torn_line_is_cut_off_whole(tmp_path):
    path = tmp_path / "run.jsonl"
    evaluate(path)
    size = path.stat().st_size
    with path.open("ab") as file:
        file.write(b"x" * 200_000)
    assert evaluate(path)[1] == 0
    assert path.stat().st_size == size


def test_a_cell_that_stands_there_twice_counts_once(tmp_path):
    path = tmp_path / "run.jsonl"
    evaluate(path)
    lines = lines_of(path)
    path.write_text("\n".join([*lines, lines[1], lines[1]]) + "\n", encoding="utf-8")
    report, calls = evaluate(path)
    assert calls == 0
    assert [one.estimate.n for one in report.summary("exact")] == [30, 30, 30]
    assert report.errors == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '{"spearmint": "evaluation", "format": 2, "function": "a:b"}\n',
            "whose function was 'a:b'",
        ),
        ('{"spearmint": "evaluation", "format": 1, "function": "a:b"}\n', "its format is 1 and not 2"),
        ("[1]\n", "it is not the file of a run"),
        ("null\n", "it is not the file of a run"),
        ("[" * 100_000 + "\n", "it is not the file of a run"),
        ("no line break", "it is not the file of a run"),
        ('{"x": 1}\n', "it is not the file of a run"),
        ("some text\n", "it is not the file of a run"),
    ],
)
def test_the_file_of_something_else_is_left_alone(tmp_path, text, message):
    path = tmp_path / "run.jsonl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(EvaluationError, match=message):
        evaluate(path)
    assert path.read_text(encoding="utf-8") == text


def test_damaged_line_is_reported_with_its_number(tmp_path):
    path = tmp_path / "run.jsonl"
    evaluate(path)
    lines = lines_of(path)
    lines[3] = lines[3][:20]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(EvaluationError, match=r"Cannot resume from .*run\.jsonl:4: the line is no result"):
        evaluate(path)


def test_unwritable_file_is_reported(tmp_path):
    with pytest.raises(EvaluationError, match=r"Cannot resume from .*: it is no file. Give another path"):
        evaluate(tmp_path)


def test_rows_without_a_form_of_their_own_cannot_be_resumed(tmp_path):
    with pytest.raises(EvaluationError, match=r"Cannot resume or save with the row at data\[0\]"):
        evaluate(tmp_path / "run.jsonl", [{"x": object(), "expected": 1}])


def test_a_file_that_another_run_writes_to_is_refused(tmp_path):
    path = tmp_path / "run.jsonl"
    pytest.importorskip("fcntl")

    def evaluate_inside(outputs):
        with pytest.raises(EvaluationError, match="another run is writing to it"):
            mint.evaluate(subjects.times, DOUBLES, scorers=[subjects.exact], resume=path)
        return 1

    report = mint.evaluate(subjects.times, DOUBLES[:1], scorers=[evaluate_inside], resume=path)
    assert report.errors == 0


RUN = """
import os, signal, sys
from tests.evaluation import subjects

path = sys.argv[1]
calls = 0

def exact(outputs, expectations):
    global calls
    calls += 1
    if calls == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
    return outputs == expectations["expected"]

data = [{"x": x, "expected": 2 * x} for x in range(300)]
report = subjects.mint.evaluate(subjects.times, data, scorers=[exact], resume=path, concurrency=2)
print(calls, [(one.estimate.n, round(one.estimate.value * 300)) for one in report.summary("exact")])
"""


def run(path, limit):
    command = [sys.executable, "-c", RUN, str(path), str(limit)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.slow
def test_run_killed_repeatedly_loses_no_cell_and_repeats_none(tmp_path):
    path = tmp_path / "run.jsonl"
    known = 0
    for limit in (1, 2, 150, 333):
        killed = run(path, limit)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        there = path.read_bytes().count(b"\n") - 1  # a torn line is none
        assert there >= known
        known = there
    assert 0 < known < 900
    done = run(path, 0)
    assert done.returncode == 0, done.stderr
    calls, _, told = done.stdout.partition(" ")
    assert told.strip() == "[(300, 1), (300, 300), (300, 1)]"
    keys = [key_of(line) for line in path.read_bytes().splitlines()[1:]]
    assert len(keys) == len(set(keys)) == 900
    assert int(calls) == 900 - known


# What makes a stored result stale


SOURCE = """
from spearmint import Config, Spearmint, experiment
from spearmint.strategies import ShadowStrategy

mint = Spearmint()
calls = []

def helper(x):
    return x

def step(x):
    return helper(x)

@mint.experiment(configs=[{"__config_id__": "a", "k": 1}, {"__config_id__": "b", "k": 2}])
def f(x: int, config: Config):
    calls.append(x)
    return step(x) * config.k

def right(outputs, expectations):
    return outputs == expectations["expected"]

def size(outputs):
    return outputs
"""
ROWS = [{"x": x, "expected": x} for x in range(5)]


@pytest.fixture
def load(monkeypatch):
    """Make the module of an experiment, as of an edited file."""

    def load(*edits):
        text = SOURCE
        for old, new in edits:
            assert old in text
            text = text.replace(old, new)
        module = types.ModuleType("edited")
        monkeypatch.setitem(sys.modules, "edited", module)
        exec(compile(text, "edited.py", "exec"), module.__dict__)
        return module

    return load


def resumed(module, path, data=ROWS, *, scorers=("right",), **options):
    """Evaluate, and return the report and how often the function was called."""
    module.calls.clear()
    named = [getattr(module, name) for name in scorers]
    report = module.mint.evaluate(module.f, data, scorers=named, resume=path, **options)
    return report, len(module.calls)


def test_unchanged_code_is_not_run_again(tmp_path, load, capsys):
    path = tmp_path / "run.jsonl"
    assert resumed(load(), path)[1] == 10
    report, calls = resumed(load(("def helper(x):", "def helper(x):\n    # The same.\n    '''The same.'''\n")), path)
    assert calls == 0
    assert report.notes == ()
    assert capsys.readouterr().err == ""


def test_edited_helper_two_calls_deep_makes_cells_stale(tmp_path, load, capsys):
    path = tmp_path / "run.jsonl"
    resumed(load(), path)
    edited = load(("    return x\n", "    return x + 1\n"))
    report, calls = resumed(edited, path)
    note = "10 stored cells run again: the code of edited:f has changed."
    assert calls == 10
    assert report.summary("right")[0].estimate.value == 0
    assert capsys.readouterr().err == f"spearmint: {note}\n"
    assert note in str(report)
    assert set(report.to_dataframe(cells=True)["attempt"]) == {2}
    assert resumed(edited, path)[1] == 0
    assert resumed(load(), path)[1] == 0  # what was undone is known still


def test_stale_cells_are_used_or_refused_on_demand(tmp_path, load):
    path = tmp_path / "run.jsonl"
    resumed(load(), path)
    edited = load(("    return x\n", "    return x + 1\n"))
    size = path.stat().st_size
    with pytest.raises(
        EvaluationError, match=r"10 stored cells are stale: the code of edited:f has changed. Give stale="
    ):
        resumed(edited, path, stale="error")
    assert edited.calls == []
    assert path.stat().st_size == size
    report, calls = resumed(edited, path, stale="use")
    assert calls == 0
    assert report.notes == ("10 stored cells of other code are used: the code of edited:f has changed.",)


def test_changed_scorer_scores_stored_outputs_again(tmp_path, load):
    path = tmp_path / "run.jsonl"
    resumed(load(), path)
    edited = load(("return outputs == expectations", "return outputs != expectations"))
    report, calls = resumed(edited, path)
    assert calls == 0
    assert report.summary("right")[0].estimate.value == 0
    assert report.notes == ("10 stored scores are made again: scorer 'right' has changed.",)


def test_new_scorer_runs_on_stored_outputs(tmp_path, load):
    path = tmp_path / "run.jsonl"
    resumed(load(), path)
    report, calls = resumed(load(), path, scorers=("right", "size"))
    assert calls == 0
    assert [one.estimate.value for one in report.summary("size")] == [2, 4]
    assert [one.estimate.value for one in report.summary("right")] == [1, 0.2]
    assert resumed(load(), path, scorers=("size",))[1] == 0


def test_changed_expectations_make_scores_alone_stale(tmp_path, load):
    path = tmp_path / "run.jsonl"
    resumed(load(), path, scorers=("right", "size"))
    changed = [{**row, "expected": -1} for row in ROWS]
    report, calls = resumed(load(), path, changed, scorers=("right", "size"))
    assert calls == 0
    assert report.summary("right")[0].estimate.value == 0
    assert report.notes == ("10 stored scores are made again: the expectations that 'right' takes have changed.",)


def test_config_edited_under_its_id_runs_again(tmp_path, load):
    path = tmp_path / "run.jsonl"
    resumed(load(), path)
    report, calls = resumed(load(('"b", "k": 2', '"b", "k": 3')), path)
    assert calls == 5
    assert report.summary("right")[1].estimate.value == 0.2
    assert report.notes == ("5 stored cells run again: the content of config 'b' has changed.",)


def test_rows_are_recognised_by_content(tmp_path, load):
    path = tmp_path / "run.jsonl"
    resumed(load(), path)
    module = load()
    report, calls = resumed(module, path, [{"x": 9, "expected": 9}, *reversed(ROWS)])
    assert calls == 2
    assert module.calls == [9, 9]
    assert report.summary("right")[0].estimate.value == 1


def test_of_equal_rows_the_nth_takes_the_nth(tmp_path, load):
    path = tmp_path / "run.jsonl"
    same = [{"x": 1, "expected": 1}] * 3
    assert resumed(load(), path, same)[1] == 6
    assert resumed(load(), path, same)[1] == 0
    assert resumed(load(), path, same[:2])[1] == 0
    assert resumed(load(), path, [*same, same[0]])[1] == 2


FAILING = (
    (
        "    calls.append(x)\n",
        "    calls.append(x)\n    if x == 3 and config.k == 2 and not healed:\n        raise ValueError(x)\n",
    ),
    ("calls = []", "calls = []\nhealed = []"),
)


@pytest.mark.parametrize(("retry", "calls"), [("errors", 1), ("none", 0), ("all", 10)])
def test_failed_cells_run_again_as_retry_says(tmp_path, load, retry, calls):
    path = tmp_path / "run.jsonl"
    report, _ = resumed(load(*FAILING), path)
    assert report.errors == 1
    module = load(*FAILING)
    report, made = resumed(module, path, retry=retry)
    assert made == calls
    assert report.errors == 1
    cells = report.to_dataframe(cells=True)
    assert list(cells[cells["status"] == "failed"]["attempt"]) == [1 if retry == "none" else 2]


def test_result_of_the_last_attempt_counts(tmp_path, load):
    path = tmp_path / "run.jsonl"
    edits = [*FAILING, ("def right", "def heal():\n    healed.append(1)\n\ndef right")]
    module = load(*edits)
    assert resumed(module, path)[0].errors == 1
    module.healed.append(1)
    report, calls = resumed(module, path)
    # A list that the code reads and does not change is a setting: all that it decided is stale.
    assert calls == 10
    assert report.errors == 0


@pytest.mark.parametrize(("retry", "errors"), [("errors", 0), ("none", 5)])
def test_failed_scores_are_made_again_without_a_call(tmp_path, load, monkeypatch, retry, errors):
    path = tmp_path / "run.jsonl"
    edit = (
        "return outputs == expectations",
        "import os\n    os.environ['JUDGE_KEY']\n    return outputs == expectations",
    )
    monkeypatch.delenv("JUDGE_KEY", raising=False)
    assert resumed(load(edit), path)[0].errors == 10
    monkeypatch.setenv("JUDGE_KEY", "k")
    report, calls = resumed(load(edit), path, ROWS, retry=retry)
    assert calls == 0
    assert report.errors == 2 * errors
    assert resumed(load(edit), path, retry="none")[0].errors == 2 * errors


def test_outputs_that_cannot_be_stored_are_made_again(tmp_path, load):
    path = tmp_path / "run.jsonl"
    edit = ("return step(x) * config.k", "return object()")
    resumed(load(edit), path, scorers=("right",))
    module = load(edit, ("def size(outputs):\n    return outputs", "def size(outputs):\n    return 1"))
    report, calls = resumed(module, path, scorers=("right", "size"))
    assert calls == 10
    assert report.notes == ("10 stored cells run again: their outputs, which 'size' needs, could not be stored.",)


@pytest.mark.slow
def test_new_scorer_of_traces_runs_the_function_again(tmp_path, load):
    pytest.importorskip("mlflow")
    path = tmp_path / "run.jsonl"
    resumed(load(), path)
    edit = ("def size(outputs):\n    return outputs", "def size(trace):\n    return len(trace.data.spans)")
    report, calls = resumed(load(edit), path, scorers=("right", "size"))
    assert calls == 10
    assert report.notes == ("10 stored cells run again: 'size' takes a trace, which is not stored.",)


def test_options_out_of_range_are_refused(load):
    module = load()
    for options, message in (
        ({"retry": "error"}, r"retry='error': it is none of 'errors', 'none', 'all'. Did you mean 'errors'"),
        ({"stale": "ignore"}, r"stale='ignore': it is none of 'rerun', 'use', 'error'"),
        ({"timeout": 0}, r"timeout=0: it is no number of seconds above 0"),
        ({"vary": "f"}, r"vary='f': it is no list"),
    ):
        with pytest.raises(EvaluationError, match=message):
            module.mint.evaluate(module.f, ROWS, scorers=[module.right], **options)


# A file that cannot be used


def test_binary_file_of_something_else_is_left_alone(tmp_path):
    path = tmp_path / "run.jsonl"
    content = bytes(range(256)) * 1000
    path.write_bytes(content)
    with pytest.raises(EvaluationError, match="it is not the file of a run"):
        evaluate(path)
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "line", ["null", "[]", '{"case": 1}', "\x00\x01", '{"case": "a", "row": "b"}', "[" * 100_000], ids=range(6)
)
def test_unexpected_line_is_refused_with_its_number(tmp_path, line):
    path = tmp_path / "run.jsonl"
    evaluate(path)
    with path.open("a", encoding="utf-8") as file:
        file.write(line + "\n")
    with pytest.raises(EvaluationError, match=r"run\.jsonl:92: the line is no result of a run"):
        evaluate(path)


def test_score_that_is_no_number_is_refused(tmp_path):
    path = tmp_path / "run.jsonl"
    evaluate(path)
    path.write_text(path.read_text(encoding="utf-8").replace('"exact": 0.0', '"exact": "x"'), encoding="utf-8")
    with pytest.raises(EvaluationError, match=r"run\.jsonl:\d+: .*a score is no number"):
        evaluate(path)


def test_full_disk_is_told_and_what_was_written_stays(tmp_path):
    resource = pytest.importorskip("resource")
    path = tmp_path / "run.jsonl"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, hard))
    try:
        with pytest.raises(EvaluationError, match=r"Cannot write .*run\.jsonl.*Make room, and run the same again"):
            evaluate(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    known = len(path.read_bytes().splitlines()) - 2
    assert known > 0
    report, calls = evaluate(path)
    assert calls == 90 - known
    assert means(report) == [1 / 30, 1, 1 / 30]
