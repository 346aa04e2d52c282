"""The index of faults names tests that exist."""

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parent.parent
ROWS = re.findall(r"^\| (\d+) \| .* \| (.*) \|$", (TESTS / "faults" / "README.md").read_text("utf-8"), re.MULTILINE)


def test_every_fault_has_a_row() -> None:
    assert len(ROWS) >= 35
    assert [int(number) for number, _ in ROWS] == list(range(1, len(ROWS) + 1))


def test_every_test_that_a_row_names_exists() -> None:
    for number, cell in ROWS:
        named = re.findall(r"`([\w/]+\.py)::(test_\w+)`", cell)
        assert named, f"row {number} names no test"
        for path, name in named:
            module = ast.parse((TESTS / path).read_text("utf-8"))
            functions = {one.name for one in module.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)}
            assert name in functions, f"row {number}: {path} has no {name}"
