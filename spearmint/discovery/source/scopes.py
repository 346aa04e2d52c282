"""The scopes of a module that is read from its syntax tree."""

import ast
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from spearmint.discovery.cpython import CompilerFacts
from spearmint.discovery.table_builder import ScopeCalls

Body: TypeAlias = Sequence[ast.stmt] | Sequence[ast.expr]


@dataclass(slots=True)
class Unit:
    """What holds for all scopes of one module.

    Attributes:
        tree: The module.
        facts: The compiler that the tree is read for.
        optimize: Optimisation level, 0 to 2.
        pending: The scopes that were found and not read yet, with what they run.
        found: All scopes.
    """

    tree: ast.Module
    facts: CompilerFacts
    optimize: int
    pending: list[tuple["Scope", Body]] = field(default_factory=list)
    found: list[ScopeCalls] = field(default_factory=list)
    _imported: frozenset[str] | None = None

    def is_imported(self, name: str) -> bool:
        """Tell whether the module's own scope imports a name."""
        if self._imported is None:
            self._imported = frozenset(_imported_names(self.tree))
        return name in self._imported


@dataclass(frozen=True, slots=True)
class Scope:
    """A scope that is read.

    Attributes:
        calls: Where its calls go.
        private: The class whose private names are mangled in it.
        is_class: Whether it is a class body.
        is_function: Whether it runs as a function.
        global_names: The names that it declares to be global.
    """

    calls: ScopeCalls
    private: str | None
    is_class: bool = False
    is_function: bool = False
    global_names: set[str] = field(default_factory=set)

    def mangled(self, name: str) -> str:
        """Give a name as the compiler writes it."""
        if self.private is None or not name.startswith("__") or name.endswith("__"):
            return name
        owner = self.private.lstrip("_")
        return f"_{owner}{name}" if owner else name


def _imported_names(tree: ast.Module) -> Iterable[str]:
    pending: list[ast.AST] = list(tree.body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from (alias.asname or alias.name.partition(".")[0] for alias in node.names)
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.expr):
            pending.extend(ast.iter_child_nodes(node))
