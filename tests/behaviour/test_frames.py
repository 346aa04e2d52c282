"""What a function sees of its caller, and a traceback of both, is the user's code: no frame of ours is counted."""

import asyncio
import logging
import os
import re
import subprocess
import sys
import textwrap
import warnings
from contextlib import contextmanager
from pathlib import Path

import pytest

import spearmint
from spearmint import Spearmint
from spearmint.strategies import MultiBranchStrategy, ShadowStrategy, SingleConfigStrategy

CONFIGS = [{"k": 1}, {"k": 2}]
WAYS = {
    "plain": {"strategy": SingleConfigStrategy},
    "traced": {"strategy": SingleConfigStrategy, "tracing": True},
    "shadow": {"strategy": ShadowStrategy},
    "every": {"strategy": MultiBranchStrategy, "tracing": True},
}
every_way = pytest.mark.parametrize("way", WAYS)


@pytest.fixture(autouse=True)
def no_rest():
    yield
    spearmint.flush(10)


@contextmanager
def recorded():
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        yield seen


def experiment(way, function):
    return Spearmint(configs=CONFIGS, bindings={"k": "k"}, **WAYS[way]).experiment(function)


def warn(k):
    if k == 1:
        warnings.warn("old", DeprecationWarning, stacklevel=2)
    return k


async def awarn(k):
    warn_here = warnings.warn
    if k == 1:
        warn_here("old", DeprecationWarning, stacklevel=2)
    return k


def stream(k):
    if k == 1:
        warnings.warn("old", DeprecationWarning, stacklevel=2)
    yield k


@every_way
def test_warning_of_level_2_names_the_caller(way):
    called = experiment(way, warn)
    with recorded() as seen:
        called()
        line = sys._getframe().f_lineno - 1
    assert [(one.filename, one.lineno) for one in seen] == [(__file__, line)]


@every_way
def test_warning_of_level_2_names_the_awaiting_caller(way):
    called = experiment(way, awarn)

    async def caller():
        await called()

    with recorded() as seen:
        asyncio.run(caller())
    assert [one.filename for one in seen] == [__file__]
    assert seen[0].lineno == caller.__code__.co_firstlineno + 1


@every_way
def test_warning_of_level_2_names_the_reader_of_a_stream(way):
    called = experiment(way, stream)
    with recorded() as seen:
        for _ in called():
            pass
        line = sys._getframe().f_lineno - 2
    assert [(one.filename, one.lineno) for one in seen] == [(__file__, line)]


@every_way
def test_log_line_of_level_2_names_the_caller(way, caplog):
    def log(k):
        if k == 1:
            logging.getLogger("shop").warning("low", stacklevel=2)
        return k

    called = experiment(way, log)
    with caplog.at_level("WARNING", "shop"):
        called()
        line = sys._getframe().f_lineno - 1
    of_shop = [one for one in caplog.records if one.name == "shop"]  # Background work may log meanwhile.
    assert [(one.pathname, one.lineno, one.funcName) for one in of_shop] == [
        (__file__, line, "test_log_line_of_level_2_names_the_caller")
    ]


@every_way
def test_module_of_the_frame_behind_a_function_is_imported(way):
    found = []

    def name(k):
        found.append(sys._getframe(1).f_globals["__name__"])

    experiment(way, name)()
    assert found[0] in sys.modules
    assert way != "plain" or found == [__name__]


PROGRAM = """
import warnings
from spearmint import experiment

@experiment(configs=[{"k": 1}], bindings={"k": "k"})
def old(k):
    warnings.warn("use new", DeprecationWarning, stacklevel=2)

old()
"""

FAILING = """
import pytest
from spearmint import experiment
from spearmint.strategies import ShadowStrategy, SingleConfigStrategy

@pytest.mark.parametrize("strategy", [SingleConfigStrategy, ShadowStrategy])
def test_total(strategy):
    @experiment(configs=[{"k": 1}, {"k": 2}], bindings={"k": "k"}, strategy=strategy)
    def total(k):
        raise ValueError("no total")
    total()
"""


def start(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    root = str(Path(__file__).parents[2])
    variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    command = [sys.executable, *arguments]
    variables["PYTHONPATH"] = root
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False, timeout=60)


def test_deprecation_is_shown_by_the_default_filter(tmp_path):
    (tmp_path / "program.py").write_text(textwrap.dedent(PROGRAM))
    done = start(tmp_path, "program.py")
    assert "program.py:9: DeprecationWarning: use new\n  old()" in done.stderr


@pytest.mark.slow
def test_traceback_of_pytest_shows_no_frame_of_ours(tmp_path):
    (tmp_path / "test_program.py").write_text(textwrap.dedent(FAILING))
    done = start(
        tmp_path, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), "test_program.py"
    )
    assert "2 failed" in done.stdout
    frames = [line for line in done.stdout.splitlines() if re.match(r"\S+:\d+: ", line)]
    assert len(frames) == 4
    assert all(line.startswith("test_program.py:") for line in frames)
