"""Marks of people as a scorer: what they count for, and files that hold none."""

import json
import math
import pickle
import re

import pytest

from spearmint import Spearmint, precomputed
from spearmint.errors import EvaluationError

ROWS = [{"x": 1, "expected": "one"}, {"x": 2, "expected": "two"}]
CONFIGS = [{"form": "text"}, {"form": "dict"}, {"form": "tuple"}]
LONG = "y" * 500


def answer(x, config):
    return {"text": f"{x}{LONG}", "dict": {"answer": x, "why": [LONG]}, "tuple": (x, "\u00e9")}[config["form"]]


def size(outputs):
    return len(outputs)


def evaluated(function=answer, *, scorers=None, rows=ROWS, configs=CONFIGS, **options):
    return Spearmint().evaluate(function, rows, scorers=scorers or [size], configs=configs, progress=False, **options)


def on_page(report):
    """Return the digests of each row and of its outputs, by the order of the configs on the page."""
    element = r'<script type="application/json" id="(row-[\w-]+)" nonce="[^"]+">(.*?)</script>'
    texts = dict(re.findall(element, report.to_html()))
    table, part = (json.loads(texts[name]) for name in ("row-data", "row-part-0"))
    cases = [label.rpartition("=")[2] for label in table["cases"]]
    return cases, {
        row["number"]: (row["digest"], [part["outputs"][place][1] for place in row["outputs"]]) for row in table["rows"]
    }


def marked(path, *marks):
    """Write marks as a page does: pairs of a row and an output, and what was said of it."""
    lines = [{"row": row, "output": output, "mark": mark, "note": ""} for row, output, mark in marks]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    return path


@pytest.mark.parametrize("options", [{}, {"store": "runs.db"}, {"resume": "run.jsonl"}])
def test_marks_of_a_page_are_scores_of_the_same_outputs(tmp_path, options):
    kept = {name: tmp_path / file for name, file in options.items()}
    cases, digests = on_page(evaluated(**kept))
    (first, outputs), (second, others) = digests[0], digests[1]
    said = [(first, outputs[cases.index("dict")], "right"), (first, outputs[cases.index("text")], "wrong")]
    said += [(second, others[cases.index("tuple")], "right")]
    human = precomputed(marked(tmp_path / "marks.jsonl", *said))
    found = {(cell["case"], cell["row"]): cell["human"] for cell in evaluated(scorers=[human]).results.cells()}
    known = {place: score for place, score in found.items() if not math.isnan(score)}
    assert known == {(0, 0): 0.0, (1, 0): 1.0, (2, 1): 1.0}


def test_mark_holds_for_no_other_output_or_expectation(tmp_path):
    _, digests = on_page(evaluated(configs=CONFIGS[:1]))
    row, (output,) = digests[0]
    human = precomputed(marked(tmp_path / "marks.jsonl", (row, output, "right")), name="people")
    assert human({"x": 1}, f"1{LONG}", {"expected": "one"}) == 1
    assert human({"x": 1}, f"1{LONG}z", {"expected": "one"}) is None  # It begins as the one that was marked.
    assert human({"x": 1}, f"1{LONG}", {"expected": "ONE"}) is None
    assert human({"x": 1}, object(), {"expected": "one"}) is None
    assert pickle.loads(pickle.dumps(human)).marks == human.marks


def test_row_that_cannot_be_marked_has_no_score(tmp_path):
    human = precomputed(marked(tmp_path / "marks.jsonl", ("r", "o", "right")))
    rows = [{"x": object(), "expected": "one"}]
    report = evaluated(rows=rows, scorers=[human, size], configs=CONFIGS[:1])
    assert "1 row cannot be marked" in report.to_html()
    assert report.errors == 0
    assert report.summary("size")[0].estimate.n == 1


def test_marks_that_have_changed_score_stored_outputs_anew(tmp_path):
    report = evaluated(store=tmp_path / "runs.db", configs=CONFIGS[:1])
    _, digests = on_page(report)
    row, (output,) = digests[0]
    means = []
    for said in ("right", "wrong"):
        human = precomputed(marked(tmp_path / "marks.jsonl", (row, output, said)))
        means.append(report.rescore([human]).summary("human")[0].estimate)
    assert [(one.n, one.value) for one in means] == [(1, 1.0), (1, 0.0)]


def test_marks_that_contradict_each_other_are_refused(tmp_path):
    path = marked(tmp_path / "marks.jsonl", ("r", "o", "right"), ("r", "p", "wrong"), ("r", "o", "wrong"))
    with pytest.raises(EvaluationError, match="lines 1 and 3 mark the same output right and wrong"):
        precomputed(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"row": "r", "output": "o", "mark": "right"}\nno\n', r"marks\.jsonl:2: the line is no mark of a page"),
        ('{"row": "r", "mark": "right"}\n', r"marks\.jsonl:1: the line is no mark of a page \(KeyError\('output'\)\)"),
        ("[1]\n", r"marks\.jsonl:1: the line is no mark of a page"),
        ('{"row": "r", "output": "o", "mark": "good"}\n', r"marks\.jsonl:1: the mark is 'good'"),
        ('{"row": "r", "output": "o", "mark": ["right"]}\n', r"marks\.jsonl:1: the mark is \['right'\]"),
        ('{"row": "r", "output": 1, "mark": "right"}\n', r"marks\.jsonl:1: the mark is 'right', or what it is of"),
        ('\n{"row": "r", "output": "o", "mark": null, "note": "odd"}\n', "nothing is marked right or wrong"),
    ],
)
def test_file_without_marks_is_refused_with_its_place(tmp_path, text, message):
    path = tmp_path / "marks.jsonl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(EvaluationError, match=message):
        precomputed(path)


def test_file_of_marks_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(EvaluationError, match=r"Cannot read the marks in '.*none\.jsonl': No such file"):
        precomputed(tmp_path / "none.jsonl")
