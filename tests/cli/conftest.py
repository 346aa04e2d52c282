"""How the tests run the command: in this process, or as a process of its own."""

import os
import subprocess
import sys
import textwrap

import pytest
from click.testing import CliRunner

from spearmint.cli import main

DEADLINE_SECONDS = 60


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty working directory in which no settings are found."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SPEARMINT_CONFIG", raising=False)
    return tmp_path


@pytest.fixture
def write(folder):
    def write_files(**texts):
        """Write files, named with ``__`` for ``/`` and ``___`` for the dot before the suffix."""
        for name, text in texts.items():
            path = folder / name.replace("___", ".").replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text), encoding="utf-8")

    return write_files


@pytest.fixture
def invoke(folder, monkeypatch):
    """Run the command here; it must not end by an exception that it does not mean to end by."""

    def run_command(*args):
        monkeypatch.setattr(sys, "path", [*sys.path])
        result = CliRunner().invoke(main, [str(arg) for arg in args], prog_name="spearmint")
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
        return result

    return run_command


@pytest.fixture
def start(folder):
    """Run Python in a process of its own."""

    def run_python(*args, env=None, **options):
        return subprocess.run(
            [sys.executable, *map(str, args)],
            cwd=folder,
            env={**os.environ, **(env or {})},
            capture_output=True,
            text=True,
            timeout=DEADLINE_SECONDS,
            check=False,
            **options,
        )

    return run_python
