"""Command lines of Python, taken apart."""

import pytest

from spearmint.instrument.child_processes.python_command import is_python, parse_python_command


@pytest.mark.parametrize(
    ("arguments", "options", "program"),
    [
        ("python script.py -I", [], ["script.py", "-I"]),
        ("python -m pkg -E", [], ["-m", "pkg", "-E"]),
        ("python -mpkg", [], ["-mpkg"]),
        ("python -Im pkg", ["-I"], ["-m", "pkg"]),
        ("python -W error -X dev -c pass -S", ["-W", "error", "-X", "dev"], ["-c", "pass", "-S"]),
        ("python -Werror -Xdev -OO -", ["-Werror", "-Xdev", "-OO"], ["-"]),
        ("python -sEW ignore x.py", ["-sEW", "ignore"], ["x.py"]),
        ("python --check-hash-based-pycs never x.py", ["--check-hash-based-pycs", "never"], ["x.py"]),
        ("python", [], []),
        ("python -I", ["-I"], []),
    ],
)
def test_command_is_taken_apart(arguments, options, program):
    parsed = parse_python_command(arguments.split())
    assert (parsed.options, parsed.program) == (options, program)


@pytest.mark.parametrize(
    ("arguments", "flags"),
    [("python -I x.py", "I"), ("python -sE x.py", "sE"), ("python -W I -X E x.py -S", ""), ("python -Im x", "I")],
)
def test_flags_are_those_of_the_interpreter(arguments, flags):
    assert parse_python_command(arguments.split()).flags == frozenset(flags)


def test_python_is_told_by_its_name():
    names = ("/usr/bin/python", "python3", "python3.14t", "python3.11d", "python.exe")
    assert all(map(is_python, names))
    assert not any(map(is_python, ("pythonista", "ipython", "pip", "/usr/python/bin/sh")))
