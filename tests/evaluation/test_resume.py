import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from spearmint.errors import EvaluationError
from tests.evaluation import subjects

ROOT = Path(__file__).parents[2]
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


def test_new_configs_rows_and_repetitions_are_added(tmp_path):
    path = tmp_path / "run.jsonl"
    evaluate(path, DOUBLES[:20])
    assert evaluate(path)[1] == 30
    report, calls = evaluate(path, configs=[{"factor": 2}, {"factor": 5}])
    assert calls == 30
    assert means(report) == [1, 1 / 30]
    assert evaluate(path, repeats=2)[1] == 90


def test_a_row_that_has_changed_is_run_again(tmp_path):
    path = tmp_path / "run.jsonl"
    evaluate(path)
    changed = [*DOUBLES[:10], {"x": 10, "expected": -1}, *DOUBLES[11:]]
    report, calls = evaluate(path, changed)
    assert calls == 3
    assert means(report) == [1 / 30, 29 / 30, 1 / 30]
    assert evaluate(path, changed)[1] == 0


def test_failed_cells_are_results_too(tmp_path):
    path = tmp_path / "run.jsonl"
    for _ in range(2):
        report = mint.evaluate(subjects.fails_on_seven, DOUBLES, scorers=[subjects.exact], resume=path)
        assert report.errors == 1
        assert report.ledger.error_samples(2) == [("ValueError: seven", 1)]


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


def test_a_last_line_longer_than_what_is_read_at_a_time_is_cut_off_whole(tmp_path):
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
            '{"spearmint": "evaluation", "format": 1, "function": "a:b", "scorers": ["exact"]}\n',
            "whose function was 'a:b'",
        ),
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


def test_a_damaged_line_is_told_with_its_number(tmp_path):
    path = tmp_path / "run.jsonl"
    evaluate(path)
    lines = lines_of(path)
    lines[3] = lines[3][:20]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(EvaluationError, match=r"Cannot resume from .*run\.jsonl:4: the line is no result"):
        evaluate(path)


def test_a_file_that_cannot_be_written_is_told(tmp_path):
    with pytest.raises(EvaluationError, match=r"Cannot write .*: Is a directory. Give another path"):
        evaluate(tmp_path)


def test_rows_without_a_form_of_their_own_cannot_be_resumed(tmp_path):
    with pytest.raises(EvaluationError, match=r"Cannot resume with the row at data\[0\]"):
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

path, limit = sys.argv[1], int(sys.argv[2])
calls = 0

def exact(outputs, expectations):
    global calls
    calls += 1
    if calls == limit:
        os.kill(os.getpid(), signal.SIGKILL)
    return outputs == expectations["expected"]

data = [{"x": x, "expected": 2 * x} for x in range(300)]
report = subjects.mint.evaluate(subjects.times, data, scorers=[exact], resume=path, concurrency=2)
print(calls, [(one.estimate.n, round(one.estimate.value * 300)) for one in report.summary("exact")])
"""


def run(path, limit):
    command = [sys.executable, "-c", RUN, str(path), str(limit)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)


def test_a_run_that_is_killed_again_and_again_loses_no_cell_and_counts_none_twice(tmp_path):
    path = tmp_path / "run.jsonl"
    known = 0
    for limit in (1, 2, 150, 333):
        killed = run(path, limit)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        there = len(path.read_bytes().splitlines()) - 1
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
