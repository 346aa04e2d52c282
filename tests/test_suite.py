"""The suite itself: it gives the same wherever and however it is started."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parent.parent / "conftest.py"

pytest_plugins = ["pytester"]


def test_suites_that_the_gate_names_exist():
    noxfile = CONFTEST.with_name("noxfile.py").read_text(encoding="utf-8")
    named = re.findall(r"tests/[\w/.]+", noxfile)
    assert named
    assert [path for path in named if not (CONFTEST.parent / path).exists()] == []


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
