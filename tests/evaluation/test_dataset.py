import json

import pandas as pd
import pytest

from spearmint.errors import EvaluationError
from spearmint.evaluation.dataset import open_dataset

ROWS = [{"inputs": {"q": "a"}, "expectations": {"answer": 1}}, {"q": "b", "expected": 2}]


def read(data):
    return [(row.inputs, row.expectations) for row in open_dataset(data).rows()]


def written(tmp_path, text, name="qa.jsonl"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


EXPECTED = [({"q": "a"}, {"answer": 1}), ({"q": "b"}, {"expected": 2})]


def test_rows_have_inputs_and_expectations_or_are_flat():
    assert read(ROWS) == EXPECTED
    assert read(row for row in ROWS) == EXPECTED


def test_jsonl_file_is_read_by_line_and_names_the_place(tmp_path):
    path = written(tmp_path, "\n\n".join(map(json.dumps, ROWS)))
    assert read(path) == EXPECTED
    assert read(str(path)) == EXPECTED
    assert [row.place for row in open_dataset(path).rows()] == [f"{path}:1", f"{path}:3"]
    assert open_dataset(path).name == "qa.jsonl"


def test_a_jsonl_file_is_not_read_further_than_it_is_asked_for(tmp_path):
    rows = open_dataset(written(tmp_path, '{"q": 1}\nnonsense\n')).rows()
    assert next(rows).inputs == {"q": 1}
    with pytest.raises(EvaluationError, match=r"qa\.jsonl:2"):
        next(rows)


def test_empty_cell_of_a_data_frame_is_no_expectation():
    frame = pd.DataFrame({"q": [1, 2], "expected": [1.5, None]})
    assert read(frame) == [({"q": 1}, {"expected": 1.5}), ({"q": 2}, {})]
    assert type(read(frame)[0][0]["q"]) is int
    structured = pd.DataFrame({"inputs": [{"q": 1}], "expectations": [{"a": 2}]})
    assert read(structured) == [({"q": 1}, {"a": 2})]


def test_long_data_frame_is_read_whole():
    frame = pd.DataFrame({"q": range(2500)})
    assert [inputs["q"] for inputs, _ in read(frame)] == list(range(2500))


def test_rows_can_be_read_again():
    dataset = open_dataset(iter(ROWS))
    assert len(list(dataset.rows())) == len(list(dataset.rows())) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b'{"q": 1}\n{"q": \n', r"Cannot read the row at .*qa\.jsonl:2: Expecting value. Put one JSON object"),
        (b'{"q": "\xff"}\n', r"qa\.jsonl:1: .*utf-8"),
        (b"[1]\n", r"qa\.jsonl:1: \[1\] is a list. Give an object"),
        (b'{"inputs": {}, "expectations": 3}', r"qa\.jsonl:1: its expectations 3 are an int. Give a mapping"),
        (b'[["password", "pw-123456"]]\n', r"qa\.jsonl:1: \[\['password', \*+\]\] is a list. Give an object"),
    ],
)
def test_bad_line_is_reported_with_its_place(tmp_path, text, message):
    with pytest.raises(EvaluationError, match=message):
        read(written(tmp_path, text))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("qa.csv", r"Cannot read rows from 'qa\.csv': its name ends otherwise\. Give the path of a \.jsonl"),
        ("missing.jsonl", r"Cannot read rows from 'missing\.jsonl': there is no such file"),
        (3, "Cannot read rows from 3: it is an int"),
        ({"q": 1}, "it is a dict"),
        (dict, "it is a type"),
    ],
)
def test_what_is_no_data_is_refused(data, message):
    with pytest.raises(EvaluationError, match=message):
        open_dataset(data)


def test_a_folder_is_no_file(tmp_path):
    (tmp_path / "d.jsonl").mkdir()
    with pytest.raises(EvaluationError, match="it is no file"):
        open_dataset(tmp_path / "d.jsonl")
