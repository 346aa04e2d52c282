"""The calls of each scope in a code object."""

from collections.abc import Mapping
from inspect import CO_OPTIMIZED  # set for functions, not for modules and class bodies
from types import CodeType

from spearmint.discovery.bytecode.interpreter import loaded_code
from spearmint.discovery.call_table import CallTable
from spearmint.discovery.cpython import require_support
from spearmint.discovery.table_builder import ScopeCalls, is_hidden, scope_name, tables_by_name


def calls_in_code(code: CodeType) -> Mapping[str, CallTable]:
    """Find what a code object and those nested in it call, without any source.

    For the code of a module, the result equals that of `calls_in_source` for the source that it was compiled from,
    under the same optimisation level. See there for the scopes, and for what counts as a call.

    Args:
        code: The code object of a module or of a function. A function's scopes are named after its `co_qualname`.

    Returns:
        A table for each scope, by qualified name, numbered where the code defines it more than once.

    Raises:
        NotImplementedError: If the interpreter is not one that `is_supported` knows.
        ValueError: If the code holds opcodes that the compiler does not emit.
    """
    require_support()
    scopes: dict[tuple[str, tuple[int, int], int], ScopeCalls] = {}
    root = ScopeCalls(_without_hidden_scopes(code.co_qualname), code.co_firstlineno, (0, 0))
    scopes[root.name, root.position, 0] = root
    pending = [(code, root, not code.co_flags & CO_OPTIMIZED)]
    while pending:
        running, scope, is_class = pending.pop()
        for child, position in loaded_code(running, scope):
            if is_hidden(child.co_name):
                pending.append((child, scope, is_class))
                continue
            found = ScopeCalls(_child_name(scope.name, child, owner_is_class=is_class), child.co_firstlineno, position)
            # The body of a `finally` is compiled once for each way out of its `try`. Without columns, the position does
            # not tell one lambda from the next.
            key = found.name, position, 0 if position[1] >= 0 else id(child)
            found = scopes.setdefault(key, found)
            pending.append((child, found, not child.co_flags & CO_OPTIMIZED))
    return tables_by_name(scopes.values())


def _child_name(owner: str, child: CodeType, *, owner_is_class: bool) -> str:
    # What `global` makes a global is named like one; a lambda has no name that could be declared.
    if child.co_qualname == child.co_name != "<lambda>":
        return child.co_name
    return scope_name(owner, child.co_name, owner_is_class=owner_is_class)


def _without_hidden_scopes(qualified_name: str) -> str:
    parts = qualified_name.split(".")
    return ".".join(part for part in parts if not is_hidden(part))
