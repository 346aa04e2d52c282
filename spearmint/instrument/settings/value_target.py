"""Values that settings name: constants, class attributes, and literals by function, text and place."""

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
_PATH = re.compile(r"[^\W\d]\w*(\.([^\W\d]\w*|<locals>))*(#[1-9]\d*(?=#))?")
_PLACE = re.compile(r"(.+)\[(\d+)\]", re.DOTALL)
_LITERALS = (bool, int, float, complex, str, bytes)


@dataclass(frozen=True, slots=True)
class Literal:
    """A literal in a function.

    Attributes:
        function: Qualified name of the function; from the second of that name on with ``#2``, ``#3``... appended.
        value: What it gives.
        place: Which of its equals in the function, counted from 0 in the order of the source.
    """

    function: str
    value: Any
    place: int

    def is_equal(self, other: Any) -> bool:
        """Tell whether another value is the same literal: 1, 1.0 and True are three."""
        # 0.0 equals -0.0, and NaN nothing.
        return type(other) is type(self.value) and (other == self.value) and repr(other) == repr(self.value)


@dataclass(frozen=True, slots=True)
class ValueTarget:
    """What code reads and settings vary.

    Attributes:
        text: As it was written.
        module: Name of the module that defines it.
        name: Its name in the module, the same for all ways to write it.
        literal: What it is, where it is a literal.
    """

    text: str
    module: str
    name: str
    literal: Literal | None = None

    @property
    def full_name(self) -> str:
        """``"module:name"``."""
        return f"{self.module}:{self.name}"

    @property
    def dotted(self) -> str:
        """The path that code would take to a constant or attribute from the top of its package."""
        return f"{self.module}.{self.name}"

    @property
    def root(self) -> str:
        """Name of the package, or module, at the top of its module's name."""
        return self.module.partition(".")[0]

    @property
    def is_attribute(self) -> bool:
        """Whether it is an attribute of a class."""
        return self.literal is None and "." in self.name

    @property
    def root_name(self) -> str:
        """The name in its module that a read of it begins with."""
        return self.name.partition(".")[0]

    @property
    def last_name(self) -> str:
        """The name that a read of it ends with; a literal's is the function's."""
        return self.name.rpartition(".")[2]


class ValueTargets(tuple[ValueTarget, ...]):  # noqa: SLOT001 - what is derived from it is kept with it
    """Values that the reads in one module, or in all of a package, may lead to."""

    @cached_property
    def names(self) -> Mapping[str, str]:
        """The names of the constants and attributes, by the dotted paths of these."""
        return {one.dotted: one.full_name for one in self if one.literal is None}

    @cached_property
    def modules(self) -> frozenset[str]:
        """Names of the modules in which they stand."""
        return frozenset(one.module for one in self)


def parse_value(text: str) -> ValueTarget:
    """Read the name of a value.

    ``shop.prompts:SYSTEM`` is a constant of a module, ``shop.settings:Search.top_k`` an attribute of a class,
    ``shop.rank:score#0.75`` the first literal 0.75 in a function, ``shop.rank:score#0.75[1]`` the second one, and
    ``shop.rank:score#"text"`` a string.

    Raises:
        ValueError: If it is none of these.
    """
    module, colon, rest = text.partition(":")
    if not colon or not _NAME.fullmatch(module):
        raise _refusal(text, "it names no module", "Write 'package.module:NAME'")
    name = _PATH.match(rest)
    if name is None:
        raise _refusal(text, "a name is missing behind the colon", "Write 'package.module:NAME'")
    tail = rest[name.end() :]
    if not tail:
        if not _NAME.fullmatch(rest):
            raise _refusal(text, "what stands in a function is no constant", "Name a literal of it: 'function#0.75'")
        return ValueTarget(text, module, rest)
    if not tail.startswith("#"):
        raise _refusal(text, f"{tail!r} is no part of a name", "Write 'module:NAME', or 'module:function#0.75'")
    literal = _literal(text, name[0], tail[1:])
    return ValueTarget(text, module, literal_name(name[0], literal.value, literal.place), literal)


def literal_name(function: str, value: Any, place: int) -> str:
    """Return the name of a literal in its module: ``"score#0.75"``, ``"score#0.75[1]"``."""
    return f"{function}#{_shown(value)}{f'[{place}]' if place else ''}"


def _literal(text: str, function: str, written: str) -> Literal:
    numbered = _PLACE.fullmatch(written)
    shown, place = (numbered[1], int(numbered[2])) if numbered else (written, 0)
    try:
        value = ast.literal_eval(shown)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        value = None
    if not isinstance(value, _LITERALS):
        advice = "Write a number, True or False, or text in quotes, as the code has it"
        raise _refusal(text, f"{shown!r} is no literal", advice)
    return Literal(function, value, place)


def _shown(value: Any) -> str:
    """Return a literal as names have it: text in double quotes, as YAML files have it between single ones."""
    if isinstance(value, str) and '"' not in value and "\\" not in repr(value):
        return f'"{value}"'
    return repr(value)


def _refusal(text: str, cause: str, advice: str) -> ValueError:
    return ValueError(f"Cannot read the value {text!r}: {cause}. {advice}.")
