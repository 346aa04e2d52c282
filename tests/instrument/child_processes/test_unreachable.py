"""The first child that will not be instrumented is told of, in its parent."""

import shutil
import subprocess
import sys
import venv

import pytest

import spearmint
from spearmint.errors import SpearmintWarning
from spearmint.warn import said

ENTRY = {"target": "work:f", "configs": [{"k": 5}], "bindings": {"k": "k"}}


@pytest.fixture
def installed(project):
    said.clear()
    with spearmint.install({"experiments": [ENTRY], "propagate_children": True}):
        yield


def start(*command, **options):
    return subprocess.run([*command, "-c", "pass"], check=True, timeout=60, capture_output=True, **options)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flags", "cause"),
    [
        (["-I"], r"it runs with -I: .*python.* -I -c pass\. Run 'spearmint autostart enable' in its environment"),
        (["-sE"], r"it runs with -E: "),
        (["-S"], r"it runs with -S: .*\. Start it without"),
    ],
)
def test_flag_that_keeps_a_child_plain_is_told_once(installed, flags, cause):
    with pytest.warns(SpearmintWarning, match=f"A child process is not instrumented: {cause}"):
        start(sys.executable, *flags)
    start(sys.executable, *flags)  # A second warning would be an error.


@pytest.mark.slow
def test_environment_without_our_variables_is_told(installed):
    with pytest.warns(SpearmintWarning, match=r"its environment has no SPEARMINT_CHILDREN: .* os\.environ too"):
        start(sys.executable, env={})


@pytest.mark.slow
def test_environment_with_another_python_path_is_told(installed, monkeypatch):
    with monkeypatch.context() as patch:  # until before the installation is taken back
        patch.setenv("PYTHONPATH", "elsewhere")
        with pytest.warns(SpearmintWarning, match=r"its PYTHONPATH is another one: "):
            start(sys.executable)


@pytest.mark.slow
def test_interpreter_that_has_no_spearmint_is_told(installed, tmp_path):
    venv.create(tmp_path / "other", symlinks=True)
    with pytest.warns(SpearmintWarning, match=r"Spearmint is not installed for .*other/bin/python: "):
        start(tmp_path / "other" / "bin" / "python")


@pytest.mark.slow
def test_child_that_is_reached_or_no_python_is_not_told(installed):
    start(sys.executable)
    start(sys.executable, "-W", "error")
    if shell := shutil.which("sh"):
        subprocess.run([shell, "-c", "exit 0"], check=True, timeout=60)
    with pytest.raises(TypeError):
        subprocess.run([None], check=True)


@pytest.mark.slow
def test_exec_into_a_plain_python_is_told(project, run):
    source = """
        import os, sys
        import spearmint
        spearmint.install({"packages": ["work"], "propagate_children": True})
        os.execv(sys.executable, [sys.executable, "-I", "-c", "print(1)"])
    """
    done = run(source=source)
    assert done.stdout == "1\n"
    assert done.stderr.startswith("A child process is not instrumented: it runs with -I: ")


@pytest.mark.slow
def test_worker_of_an_isolated_parent_is_told(project, run):
    source = """
        import multiprocessing, sys
        sys.path.insert(0, %r)
        import spearmint
        if __name__ == "__main__":
            spearmint.install({"packages": ["work"], "propagate_children": True})
            process = multiprocessing.get_context("spawn").Process(target=print, args=("worked",))
            process.start()
            process.join()
    """
    root = str(spearmint.__path__[0]).rpartition("/")[0]
    done = run("-I", source=source % root)
    assert done.stdout == "worked\n"
    assert "A child process is not instrumented: it runs with -I: " in done.stderr


def test_uninstalling_leaves_what_starts_processes_as_it_was(project):
    import _posixsubprocess
    import os

    def names():
        return [_posixsubprocess.fork_exec, subprocess._fork_exec, os.posix_spawn, os.execv, os.execve]

    before = names()
    with spearmint.install({"experiments": [ENTRY], "propagate_children": True}):
        assert names() != before
    assert names() == before
