"""The suite itself: it gives the same wherever and however it is started."""

import ast
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CONFTEST = ROOT / "conftest.py"
TESTS = ROOT / "tests"
LONGEST_NAME = 60
# Suites that go through many rooms, and suites of what stands beside the package.
CROSS_CUTTING = {"behaviour", "examples", "faults", "typing"}
BESIDE_THE_PACKAGE = {"architecture", "docs", "docs_snippets", "package", "suite", "typing", "vocabulary"}

pytest_plugins = ["pytester"]


def _test_functions(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield node


def test_names_of_tests_have_at_most_60_characters():
    paths = [path for room in ("tests", "spearmint", "examples") for path in (ROOT / room).rglob("*.py")]
    names = [(path, node) for path in paths for node in _test_functions(path)]
    assert len(names) > 1000
    too_long = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}" for path, node in names if len(node.name) > LONGEST_NAME
    ]
    assert not too_long, "\n".join(too_long)


def _subjects(folder):
    """Give the names that suites of a folder may have: its room, and what stands in that at any depth."""
    room = ROOT / "spearmint" / folder
    if not folder.parts:
        return BESIDE_THE_PACKAGE | {path.stem for path in room.glob("*.py")}
    return {path.stem for path in (room, *room.rglob("*")) if path.exists()}


def test_suites_are_named_after_what_they_test():
    misplaced = []
    for path in TESTS.rglob("test_*.py"):
        folder, subject = path.parent.relative_to(TESTS), path.stem.removeprefix("test_")
        named = any(f"{subject}_".startswith(f"{name}_") for name in _subjects(folder))
        if not named and CROSS_CUTTING.isdisjoint(folder.parts):
            misplaced.append(f"{path.relative_to(ROOT)}: spearmint/{folder} holds nothing of that name")
    assert not misplaced, "\n".join(misplaced)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_suite_in_the_background_can_be_interrupted(pytester):
    pytester.makeconftest(CONFTEST.read_text(encoding="utf-8"))
    path = pytester.makepyfile(
        """
        import os, signal, subprocess, sys

        INTERRUPT = "import os, signal; os.kill(os.getpid(), signal.SIGINT)"

        def test_child_is_interrupted():
            done = subprocess.run([sys.executable, "-c", INTERRUPT], capture_output=True)
            assert done.returncode == -signal.SIGINT
        """
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", str(path)],
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),  # as a shell does for `pytest &`
        env={"PYTHONPATH": str(CONFTEST.parent)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, "1 passed" in done.stdout) == (0, True), done.stdout


@pytest.mark.slow
def test_id_with_an_address_is_refused(pytester):
    pytester.makeconftest(CONFTEST.read_text(encoding="utf-8"))
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.parametrize("value", [object()], ids=repr)
        def test_one(value):
            pass
        """
    )
    result = pytester.runpytest_subprocess()
    result.stderr.fnmatch_lines(["*its id holds the address of an object. Give the parameter an id."])
    assert result.ret == pytest.ExitCode.USAGE_ERROR
