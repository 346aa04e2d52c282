"""A module's tree with the experiment wrapper on its targets, innermost."""

import ast
from collections.abc import Iterator

from spearmint.discovery import calls_in_tree
from spearmint.instrument.rewrite.result import (
    ENTRY,
    OUTERMOST,
    TYPE_CHECKING,
    DefinitionNames,
    IsTarget,
    RewrittenTree,
)
from spearmint.signatures import parameter_names_in_tree

_Function = ast.FunctionDef | ast.AsyncFunctionDef


def rewrite_tree(tree: ast.Module, is_target: IsTarget, *, optimize: int = -1) -> RewrittenTree:
    """Put the wrapper on the functions of a module that are targets, and collect its call tables.

    A decorator is added last, so that all others get the experiment, on the line of ``def``, so that no line number of
    the compiled code changes. It names nothing that the module would have to define: docstrings, ``from __future__``
    imports and the names that others import stay as they are.

    Args:
        tree: The module, which is changed.
        is_target: Tells which definitions to wrap.
        optimize: Optimisation level as for `compile`: -1 is the interpreter's own.

    Returns:
        The same tree, what is wrapped in it, and its call tables.

    Raises:
        NotImplementedError: If the interpreter is not one that `spearmint.discovery.is_supported` knows.
    """
    tables = calls_in_tree(tree, optimize=optimize)
    definitions = DefinitionNames(tables)
    wrapped = []
    for node in _functions(tree):
        decorators = node.decorator_list
        first_line = decorators[0].lineno if decorators else node.lineno
        name = definitions.name_of(node.name, first_line, node.lineno)
        wanted = name is not None and is_target(name, parameter_names_in_tree(node))
        if name is None or not wanted:
            continue
        if wanted == OUTERMOST and decorators:
            # On the line of the decorator that was first, where the function begins.
            decorators.insert(0, _wrapper(name, decorators[0], "wrap_outermost"))
        else:
            decorators.append(_wrapper(name, node, "wrap"))
        wrapped.append(name)
    return RewrittenTree(tree, tuple(wrapped), tables)


def _functions(tree: ast.Module) -> Iterator[_Function]:
    """Yield every ``def`` in a module that may run. Only statements are looked into: a ``def`` is in no expression."""
    pending: list[list[ast.stmt]] = [tree.body]
    while pending:
        for node in pending.pop():
            if isinstance(node, _Function):
                yield node
                pending.append(node.body)
            else:
                pending.extend(_blocks(node))


def _blocks(node: ast.AST) -> Iterator[list[ast.stmt]]:
    if isinstance(node, ast.If) and _is_for_type_checkers(node.test):
        yield node.orelse
        return
    for name in ("body", "orelse", "finalbody"):
        block = getattr(node, name, None)
        if block:
            yield block
    for name in ("handlers", "cases"):
        for part in getattr(node, name, ()):
            yield part.body


def _is_for_type_checkers(test: ast.expr) -> bool:
    return getattr(test, "id", getattr(test, "attr", None)) == TYPE_CHECKING


def _wrapper(name: str, node: _Function | ast.expr, wrap: str) -> ast.expr:
    """Build ``__import__(ENTRY, None, None, ("wrap",)).wrap(name)``, all of it at the place of a node."""
    place = {
        "lineno": node.lineno,
        "col_offset": node.col_offset,
        "end_lineno": node.lineno,
        "end_col_offset": node.col_offset,
    }

    def constant(value: str | tuple[str, ...] | None) -> ast.Constant:
        return ast.Constant(value, **place)  # type: ignore[arg-type]

    def call(function: ast.expr, *arguments: ast.expr) -> ast.Call:
        return ast.Call(function, list(arguments), [], **place)

    imported = call(
        ast.Name("__import__", ast.Load(), **place),
        constant(ENTRY),
        constant(None),
        constant(None),
        constant((wrap,)),
    )
    return call(ast.Attribute(imported, wrap, ast.Load(), **place), constant(name))
