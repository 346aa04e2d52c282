"""Reading the command line of a Python: what its own options are, and what they keep it from seeing."""

import os
import re
from collections.abc import Sequence
from typing import NamedTuple

_PYTHON = re.compile(r"python(\d+(\.\d+)?)?[a-z]{0,2}(\.exe)?")  # with the letters of a build: "t", "d", "td"
_TAKES_VALUE = "WX"
_ENDS_OPTIONS = "cm"
_LONG_WITH_VALUE = "--check-hash-based-pycs"


class PythonCommand(NamedTuple):
    """A command line that starts Python, taken apart.

    Attributes:
        options: The options of the interpreter, without the program.
        program: What it runs, and the program's arguments.
    """

    options: list[str]
    program: list[str]

    @property
    def flags(self) -> frozenset[str]:
        """The letters of all options that take no value, such as ``I`` and ``E``."""
        short = (one for one in self.options if one.startswith("-") and not one.startswith(("--", "-W", "-X")))
        return frozenset("".join(one[1:] for one in short))


def is_python(executable: str) -> bool:
    """Tell by its name whether a program is a Python."""
    return _PYTHON.fullmatch(os.path.basename(executable)) is not None  # noqa: PTH119 - of text


def parse_python_command(arguments: Sequence[str]) -> PythonCommand:
    """Take a command line of Python apart."""
    options: list[str] = []
    index = 1
    while index < len(arguments):
        argument = arguments[index]
        if argument == "-" or not argument.startswith("-"):
            break
        if argument.startswith("--"):
            taken = 2 if argument == _LONG_WITH_VALUE else 1
        else:
            end = next((at for at, letter in enumerate(argument) if letter in _TAKES_VALUE + _ENDS_OPTIONS), None)
            if end is not None and argument[end] in _ENDS_OPTIONS:
                # Flags may stand in front of it, as in `-Im`.
                flags = [f"-{argument[1:end]}"] if end > 1 else []
                return PythonCommand([*options, *flags], [f"-{argument[end:]}", *arguments[index + 1 :]])
            taken = 2 if end == len(argument) - 1 else 1
        options += arguments[index : index + taken]
        index += taken
    return PythonCommand(options, list(arguments[index:]))
