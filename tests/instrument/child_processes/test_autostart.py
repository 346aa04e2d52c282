"""The file in site-packages: in an environment made for the test, never in the one that runs it."""

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent.parent
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """A virtual environment that imports Spearmint and what it needs from the one that runs the tests."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
    (site / "borrowed.pth").write_text(f"{ROOT}\n{sysconfig.get_path('purelib')}\n", encoding="utf-8")
    return folder


@pytest.fixture
def python(environment, project):
    """Run the environment's Python in the project's folder."""

    def run(*arguments, check=True):
        variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        done = subprocess.run(
            [environment / "bin" / "python", *arguments],
            cwd=project.folder,
            env=variables,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert not check or done.returncode == 0, done.stderr
        return done

    yield run
    run("-m", "spearmint", "autostart", "disable")


def files(environment):
    return sorted(str(path.relative_to(environment)) for path in environment.rglob("*") if path.name != "__pycache__")


PROGRAM = """
    import subprocess, sys, work
    print(work.f(1), flush=True)
    for flags in (["-I"], ["-E"], ["-sE"], []):
        code = f"import sys; sys.path.insert(0, {sys.path[0]!r}); import work; print(work.f(1))"
        subprocess.run([sys.executable, *flags, "-c", code])
"""


def write(project):
    entry = {"target": "work:f", "configs": [{"k": 5}], "bindings": {"k": "k"}}
    project.write(
        {
            "work.py": "def f(x, k=0):\n    return x, k\n",
            "spearmint.yaml": json.dumps({"experiments": [entry]}),
            "program.py": PROGRAM,
        }
    )


def test_children_with_scrubbed_variables_are_instrumented(python, project):
    write(project)
    done = python("-m", "spearmint", "run", "program.py")
    assert done.stdout.splitlines() == ["(1, 5)", "(1, 0)", "(1, 0)", "(1, 0)", "(1, 5)"]
    assert "A child process is not instrumented: it runs with -I" in done.stderr
    python("-m", "spearmint", "autostart", "enable")
    done = python("-m", "spearmint", "run", "program.py")
    assert done.stdout.splitlines() == ["(1, 5)"] * 5
    assert done.stderr == ""


@pytest.mark.skipif(sys.version_info < (3, 15), reason="PEP 829")
def test_start_file_does_the_same(python, project):
    write(project)
    python("-m", "spearmint", "autostart", "enable", "--start-file")
    done = python("-m", "spearmint", "run", "program.py")
    assert (done.stdout.splitlines(), done.stderr) == (["(1, 5)"] * 5, "")


@pytest.mark.skipif(sys.version_info >= (3, 15), reason="PEP 829")
def test_start_file_is_refused_where_python_reads_none(python, environment):
    before = files(environment)
    done = python("-m", "spearmint", "autostart", "enable", "--start-file", check=False)
    assert done.returncode == 1
    assert "Cannot use a .start file: Python reads them from 3.15 on." in done.stderr
    assert files(environment) == before


def test_disabling_takes_everything_back(python, environment):
    before = files(environment)
    assert python("-m", "spearmint", "autostart", "status").stdout.startswith("autostart is disabled in ")
    enabled = python("-m", "spearmint", "autostart", "enable").stdout
    assert "\nautostart is enabled in " in enabled
    python("-c", "import _spearmint_autostart")
    assert len(files(environment)) == len(before) + 3
    assert python("-m", "spearmint", "autostart", "status").stdout.startswith("autostart is enabled in ")
    disabled = python("-m", "spearmint", "autostart", "disable").stdout
    assert disabled.count("Removed ") == 3
    assert "\nautostart is disabled in " in disabled
    assert files(environment) == before


def test_plain_interpreter_imports_nothing_for_it(python):
    code = "import sys; print(sorted(sys.modules))"
    before = python("-c", code).stdout
    python("-m", "spearmint", "autostart", "enable")
    assert python("-c", code).stdout == before


def test_child_without_spearmint_runs_on(python, project, environment):
    write(project)
    python("-m", "spearmint", "autostart", "enable")
    borrowed = next(environment.rglob("borrowed.pth"))
    text = borrowed.read_text(encoding="utf-8")
    borrowed.write_text("", encoding="utf-8")
    try:
        done = subprocess.run(
            [environment / "bin" / "python", "-I", "-c", "print(1)"],
            env={**os.environ, "SPEARMINT_CHILDREN": json.dumps([["work"], [{}, [], False]])},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        borrowed.write_text(text, encoding="utf-8")
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")


def test_folder_that_cannot_be_written_is_named(monkeypatch, tmp_path):
    from spearmint.errors import SpearmintError
    from spearmint.instrument.child_processes import autostart

    monkeypatch.setattr(autostart, "site_packages", lambda: tmp_path / "gone")
    with pytest.raises(SpearmintError, match=r"^Cannot write to '.*gone': No such file or directory\. Run the command"):
        autostart.enable_autostart()
