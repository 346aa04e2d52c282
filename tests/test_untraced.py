"""Debuggers step over Spearmint's own work, into the user's."""

import re
import subprocess
import sys

import pytest

from spearmint.untraced import untraced

PROGRAM = """\
import sys
from typing import Annotated
from spearmint import Bind, experiment

def choose(configs):
    main = configs[0]
    return main, []

@experiment(configs=[{"k": 1}, {"k": 2}])
def shared(x, k: Annotated[int, Bind("k")]):
    return x + k

@experiment(configs=[{"k": 1}, {"k": 2}])
def whole(x, config):
    return x + config["k"]

@experiment(configs=[{"k": 1}, {"k": 2}], strategy=choose)
def chosen(x, config):
    return x + config["k"]

def call(function):
    return function(2)

function = globals()[sys.argv[1]]
if sys.argv[2] == "later":
    function(0)
call(function)
"""
CALLED_IN = PROGRAM[: PROGRAM.index("    return function(2)")].count("\n") + 1


def places(tmp_path, *arguments, steps):
    """Run the program under pdb, and give the functions in which it stops, step by step, from the call on."""
    (tmp_path / "program.py").write_text(PROGRAM)
    commands = [f"b {CALLED_IN}", "c", *["s"] * steps, "q"]
    ran = subprocess.run(
        [sys.executable, "-m", "pdb", "program.py", *arguments],
        input="\n".join(commands),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    found = re.findall(r"^(?:\(Pdb\) )*> .+?\(\d+\)(\S+?)\(\)", ran.stdout, re.MULTILINE)
    return found[found.index("call") + 1 :]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["shared", "whole"])
def test_pdb_needs_few_steps_into_an_experiment(tmp_path, name):
    most = 2 if sys.version_info >= (3, 14) else 3  # Before, pdb stops on the line of a frame that has one line.
    assert places(tmp_path, name, "later", steps=5).index(name) < most


@pytest.mark.slow
def test_pdb_needs_few_steps_into_a_first_call(tmp_path):
    assert places(tmp_path, "whole", "first", steps=80).index("whole") < 60


@pytest.mark.slow
def test_pdb_steps_into_a_strategy_of_the_users(tmp_path):
    stops = places(tmp_path, "chosen", "first", steps=120)
    assert stops.index("choose") < stops.index("chosen")


def test_untraced_work_is_not_traced_and_what_follows_is(monkeypatch):
    lines = []

    def trace(frame, event, argument):
        lines.append((frame.f_code.co_name, event))
        return trace

    @untraced
    def work():
        inner()
        raise KeyError

    def inner():
        pass

    def after():
        pass

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        with pytest.raises(KeyError):
            work()
        after()
    finally:
        seen = sys.gettrace()
        sys.settrace(before)
    assert seen is trace
    names = {name for name, _ in lines}
    assert "after" in names
    assert names.isdisjoint({"work", "inner"})


def test_untraced_function_without_a_debugger_is_the_function():
    @untraced
    def add(a, b=2):
        """Add."""
        return a + b

    assert (add(1), add(1, b=5), add.__name__, add.__doc__) == (3, 6, "add", "Add.")
