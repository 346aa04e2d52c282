"""What a rewriter gives back, what becomes of a module, and where its definitions stand."""

import ast
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from types import CodeType
from typing import Literal, NamedTuple

from spearmint.discovery import CallTable
from spearmint.signatures import is_implicit_class_method

OUTERMOST = "outermost"

IsTarget = Callable[[str, Collection[str]], bool | str]
"""Tells of a definition, by its numbered qualified name and its parameters without ``*args`` and ``**kwargs``, whether
it is to be wrapped: innermost, or `OUTERMOST`, around what its decorators have made of it."""

ENTRY = "spearmint.instrument.rewrite.injected"
"""The module that injected code reaches; nothing else of Spearmint is known to it."""

TYPE_CHECKING = "TYPE_CHECKING"
"""The name, bare or of `typing`, of a condition whose body only type checkers read; what it defines is no target."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a module stays as it is."""

    reason: str


ModuleState = Literal["rewritten", "cached", "wrapped_after", "left", "not_imported"]


@dataclass(frozen=True, slots=True)
class ModuleOutcome:
    """What became of a module.

    Attributes:
        state: ``rewritten`` and ``cached``: it runs rewritten code, made just now or by an earlier import.
            ``wrapped_after``: its functions are wrapped once it has run. ``left``: it is as it is.
        reason: Why, of the last two.
        reads: The reads of values in it that are followed.
    """

    state: ModuleState
    reason: str = ""
    reads: "tuple[ReadSite, ...]" = ()


class ReadSite(NamedTuple):
    """One read of a value.

    Attributes:
        path: The dotted path that the code reads by, as far as its module tells; of a literal, the value's name.
        scope: Qualified name of the function that reads.
        line: The line, counted from 1; 0 where the code does not tell.
        column: The column, counted from 0 in bytes; -1 where the code does not tell.
        kind: As `spearmint.execution.value_reads.reader_of` has it; ``"rebound"`` where code binds the name anew, and
            ``"import"`` where the body of a module or class reads.
    """

    path: str
    scope: str
    line: int
    column: int
    kind: str


@dataclass(frozen=True, slots=True)
class RewrittenTree:
    """A module's tree with the wrapper on its targets.

    Attributes:
        tree: The tree, which is the one that was given, changed.
        wrapped: Names of the definitions that are wrapped, as `spearmint.discovery.calls_in_source` numbers them.
        tables: The call tables of the module as it was.
    """

    tree: ast.Module
    wrapped: tuple[str, ...]
    tables: Mapping[str, CallTable]


@dataclass(frozen=True, slots=True)
class RewrittenCode:
    """A module's code with the wrapper on its targets.

    Attributes:
        code: The code; the object that was given, where it holds no target.
        wrapped: Names of the definitions that are wrapped, as `spearmint.discovery.calls_in_code` numbers them.
    """

    code: CodeType
    wrapped: tuple[str, ...]


class DefinitionNames:
    """Finds the numbered name of a definition from what both a tree and a code object say of it.

    Args:
        tables: The call tables of the module.
    """

    def __init__(self, tables: Mapping[str, CallTable]) -> None:
        self._names: dict[tuple[str, int], dict[str, str]] = {}
        self._decorators: dict[int, bool] = {}
        for name, table in tables.items():
            plain = name.partition("#")[0]
            self._names.setdefault((plain.rpartition(".")[2], table.first_line), {})[plain] = name
            for site in table.sites:
                if site.kind == "decorator":
                    is_overload = site.target.rpartition(".")[2] == "overload"
                    self._decorators[site.line] = is_overload or self._decorators.get(site.line, False)

    def name_of(self, own_name: str, first_line: int, last_line: int, qualified_name: str = "") -> str | None:
        """Return the numbered qualified name of a definition that may be wrapped.

        Args:
            own_name: What stands behind ``def``.
            first_line: The line of its first decorator, else of ``def``.
            last_line: The line of ``def``.
            qualified_name: What tells definitions of one name apart in bytecode without line numbers.

        Returns:
            The name; None for what the compiler removed, for stubs of ``@overload``, and for functions that become
            class methods by their name alone but are decorated: with a proxy, they would become so twice.
        """
        decorators = [self._decorators[line] for line in range(first_line, last_line + 1) if line in self._decorators]
        if any(decorators) or (decorators and is_implicit_class_method(own_name)):
            return None
        found = self._names.get((own_name, first_line), {})
        return found.get(qualified_name) or next(reversed(found.values()), None)
