"""The calls of each scope in a module's source."""

import ast
import sys
from collections.abc import Mapping

from spearmint.discovery.call_table import CallTable
from spearmint.discovery.cpython import compiler_facts
from spearmint.discovery.source.scopes import Scope, Unit
from spearmint.discovery.source.statements import Statements
from spearmint.discovery.table_builder import MODULE, ScopeCalls, tables_by_name


def calls_in_source(source: str | bytes, filename: str, *, optimize: int = -1) -> Mapping[str, CallTable]:
    """Find what each scope of a module calls, from the module's source.

    Scopes are functions, methods, nested functions, lambdas, class bodies and the module itself, and what CPython
    evaluates later: values of type aliases, bounds of type variables, annotations from CPython 3.14 on. Calls in
    comprehensions and generator expressions count for the scope that these stand in. What the compiler removes, such as
    code behind a `return` or under `if 0`, and annotations that are never evaluated, is left out.

    Args:
        source: The text of the module, or its bytes with whatever encoding they declare.
        filename: The file that a syntax error names. It is not read.
        optimize: Optimisation level as for `compile()`: -1 is the interpreter's own.

    Returns:
        A table for each scope, by qualified name; from the second definition of a name on, `#2`, `#3`... are appended.

    Raises:
        SyntaxError: If the source cannot be parsed.
        NotImplementedError: If the interpreter is not one that `is_supported` knows.
    """
    return calls_in_tree(ast.parse(source, filename), optimize=optimize)


def calls_in_tree(tree: ast.Module, *, optimize: int = -1) -> Mapping[str, CallTable]:
    """Do what `calls_in_source` does for a tree that is parsed already, and leave the tree as it is."""
    unit = Unit(tree, compiler_facts(), sys.flags.optimize if optimize < 0 else optimize)
    module = ScopeCalls(MODULE, 1, (0, 0))
    unit.found.append(module)
    unit.pending.append((Scope(module, None), tree.body))
    annotations_run = not _has_future_annotations(tree)
    while unit.pending:
        scope, body = unit.pending.pop()
        statements = Statements(unit, scope, annotations_run=annotations_run)
        statements.read(body)
    return tables_by_name(unit.found)


def _has_future_annotations(tree: ast.Module) -> bool:
    return any(
        isinstance(node, ast.ImportFrom)
        and node.module == "__future__"
        and node.level == 0
        and any(alias.name == "annotations" for alias in node.names)
        for node in tree.body
    )
