"""Type checkers see through the decorators; the samples in `tests/typing` say what they must see."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mypy")

ROOT = Path(__file__).parent.parent
SAMPLES = sorted(Path(__file__).with_name("typing").glob("*.py"))


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_mypy_sees_the_types_that_a_sample_asserts(sample: Path, tmp_path: Path) -> None:
    # Not with the project's own settings: users have others, and strict ones must do.
    command = [sys.executable, "-m", "mypy", "--config-file=", "--strict", "--cache-dir", str(tmp_path), str(sample)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=110)
    assert done.stdout == "Success: no issues found in 1 source file\n"
    assert done.stderr == ""
