import importlib
import json
import shutil
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from spearmint.cli import main

MODULE = """
def answer(x, config: dict):
    return x * 7 % 10 < config["k"] + {shift}


def right(outputs):
    return outputs
"""


@pytest.fixture
def evaluate(tmp_path, monkeypatch):
    """Evaluate a module of this folder from the command line."""
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps({"x": x}) + "\n" for x in range(60)))
    (tmp_path / "configs.jsonl").write_text('{"k": 5}\n{"k": 7}\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)

    def run(*arguments, shift=0):
        sys.modules.pop("compared", None)
        importlib.invalidate_caches()
        shutil.rmtree(tmp_path / "__pycache__", ignore_errors=True)  # A file of the same size and second counts as old.
        (tmp_path / "compared.py").write_text(MODULE.format(shift=shift))
        data = ["--data", "rows.jsonl", "--configs", "configs.jsonl", "--scorer", "compared:right", "--quiet"]
        return CliRunner().invoke(main, ["evaluate", "compared:answer", *data, *arguments])

    yield run
    sys.modules.pop("compared", None)


def test_compare_prints_both_runs_and_has_the_status_of_the_gate(evaluate):
    for name, shift in (("a", 0), ("b", -3)):
        assert evaluate("--report", f"{name}.json", shift=shift).exit_code == 0
    arguments = ["compare", "a.json", "b.json"]
    result = CliRunner().invoke(main, [*arguments, "--gate", "right=-0.02", "--junit", "g.xml", "--summary", "s.md"])
    assert result.exit_code == 1, result.output
    assert "REGRESSION right" in result.output
    assert "60 rows in both runs." in result.output
    assert "<failure" in Path("g.xml").read_text(encoding="utf-8")
    assert "❌" in Path("s.md").read_text(encoding="utf-8")
    assert CliRunner().invoke(main, arguments).exit_code == 0


def test_evaluate_is_held_against_a_baseline(evaluate):
    assert evaluate("--report", "base.json").exit_code == 0
    same = evaluate("--baseline", "base.json", "--gate", "right=-0.1", "--junit", "g.xml")
    assert same.exit_code == 0, same.output
    assert same.output.count("PASS right") == 2  # main too
    worse = evaluate("--baseline", "base.json", "--gate", "right=-0.1", shift=-3)
    assert worse.exit_code == 1


def test_a_file_that_cannot_be_compared_has_status_3(evaluate, tmp_path):
    (tmp_path / "odd.json").write_text("{}")
    result = CliRunner().invoke(main, ["compare", "odd.json", "odd.json"])
    assert result.exit_code == 3
    assert "it is no run" in result.output
    assert evaluate("--baseline", "odd.json").exit_code == 3


def test_candidate_restricts_the_gate(evaluate):
    shown = evaluate("--gate", "right=0")
    candidate = shown.output.split(" of ")[1].split(":")[0]
    result = evaluate("--gate", "right=0", "--candidate", candidate)
    assert f"right of {candidate}" in result.output
    assert evaluate("--gate", "right=0", "--candidate", "none").exit_code == 3
