"""From production to rows: real calls as data of an evaluation."""

import contextlib
import json

import mlflow
import pytest
from click.testing import CliRunner

import spearmint
from spearmint import Config, Spearmint
from spearmint.cli import main
from spearmint.errors import EvaluationError, SpearmintWarning
from spearmint.strategies import ShadowStrategy

mint = Spearmint(configs=[{"n": 1, "unit": "s"}, {"n": 2, "unit": "s"}], strategy=ShadowStrategy)


@mint.experiment(bindings={"unit": "unit"})
def divide(x, config: Config, unit: str = "", *, note=None):
    return {"value": x // config.n, "unit": unit}


@mint.experiment()
def login(user, password, config: Config):
    return user


def same(outputs, expectations):
    return outputs == expectations.get("expected")


def to(path, *args, experiment="divide"):
    arguments = ["traces", "--experiment", experiment, "--to", str(path), *args]
    return CliRunner().invoke(main, arguments, prog_name="spearmint")


def rows(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def recorded(traced):
    """Have calls on 0, 4 and 8, of which the variant's result is main's on 0 only, and one that fails."""
    for x in (0, 4, 8):
        divide(x, note=["kept", x])
    with contextlib.suppress(TypeError):
        divide("no")
    assert spearmint.flush(30)


def test_rows_hold_what_callers_passed_and_main_returned(recorded, tmp_path) -> None:
    path = tmp_path / "rows.jsonl"
    result = to(path)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == f"4 of 4 calls are in {str(path)!r}.\n"
    found = sorted(rows(path), key=lambda row: str(row["inputs"]["x"]))
    assert [row["inputs"] for row in found[:3]] == [{"x": x, "note": ["kept", x]} for x in (0, 4, 8)]
    assert [row["expectations"] for row in found[:3]] == [{"expected": {"value": x, "unit": "s"}} for x in (0, 4, 8)]
    assert (found[3]["inputs"], found[3]["expectations"]) == ({"x": "no"}, {})
    assert mlflow.get_trace(found[0]["trace_id"]).info.tags["spearmint.role"] == "main"


def test_rows_of_calls_that_differ_alone_are_written(recorded, tmp_path) -> None:
    path = tmp_path / "rows.jsonl"
    assert to(path, "--differs", "--role", "main").exit_code == 0
    assert sorted(row["inputs"]["x"] for row in rows(path)) == [4, 8]
    assert to(path, "--sample", "2", "--seed", "1").exit_code == 0
    assert len(rows(path)) == 2
    assert to(path, "--role", "variant").exit_code == 2


def test_rows_are_evaluated_with_feedback_as_expectations(recorded, tmp_path) -> None:
    path = tmp_path / "rows.jsonl"
    assert to(path).exit_code == 0
    (trace_id,) = [row["trace_id"] for row in rows(path) if row["inputs"]["x"] == 4]
    mlflow.log_feedback(trace_id=trace_id, name="helpful", value=True)
    mlflow.log_expectation(trace_id=trace_id, name="expected", value={"value": 4.5})
    assert to(path).exit_code == 0
    (said,) = [row["expectations"] for row in rows(path) if row["trace_id"] == trace_id]
    assert said == {"expected": {"value": 4.5}, "helpful": True}
    for data, count in ((path, 4), ("traces:", 4), ("traces: tags.`spearmint.status` = 'success'", 3)):
        report = mint.evaluate(divide, data, scorers=[same], progress=False)
        assert report.results.shape == (2, count, 1)
        assert [one.estimate.value for one in report.summary("same")] == pytest.approx([2 / 3, 1 / 3])


def test_masked_value_is_refused_by_name_and_no_file_is_made(traced, tmp_path) -> None:
    path = tmp_path / "rows.jsonl"
    login("ann", "pw-123456")
    assert spearmint.flush(30)
    result = to(path, experiment="login")
    assert result.exit_code == 1
    assert "Cannot make rows of traces that are masked: input 'password' (1 call)." in result.stderr
    assert not path.exists()
    with pytest.raises(EvaluationError, match="input 'password'"):
        mint.evaluate(login, "traces:", scorers=[same], progress=False)


def test_call_that_is_not_there_whole_is_left_out_and_counted(traced, tmp_path) -> None:
    path = tmp_path / "rows.jsonl"
    divide(1)
    divide(2, note="x" * 11_000)
    divide(3, note=object)
    assert spearmint.flush(30)
    result = to(path)
    assert result.exit_code == 0
    assert [row["inputs"] for row in rows(path)] == [{"x": 1}]
    assert "Left out, 1 call: input 'note' is cut (max_chars and max_items bound what is kept).\n" in result.stderr
    assert "Left out, 1 call: input 'note' is there as text only.\n" in result.stderr
    assert result.stderr.endswith(f"1 of 3 calls are in {str(path)!r}.\n")
    with pytest.warns(SpearmintWarning, match="left out, 1 call: input 'note' is cut"):
        mint.evaluate(divide, "traces:", scorers=[same], progress=False)


def test_rows_that_cannot_be_read_are_told(recorded, tmp_path) -> None:
    with pytest.raises(EvaluationError, match=r"Cannot read rows from 'traces:': no call of .*:login is there"):
        mint.evaluate(login, "traces:", scorers=[same], progress=False)
    with pytest.raises(EvaluationError, match="Cannot read rows from 'traces:nonsense = 1': "):
        mint.evaluate(divide, "traces:nonsense = 1", scorers=[same], progress=False)
    path = tmp_path / "rows.jsonl"
    result = to(path, experiment="nothing")
    assert (result.exit_code, path.exists()) == (1, False)
    assert "no call is left to write" in result.stderr
