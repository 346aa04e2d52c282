"""What the compiler knows of an expression before it runs: whether a condition is a constant."""

import ast
import dis
from types import CodeType

_OPERATIONS = (ast.BinOp, ast.Subscript, ast.Tuple, ast.UnaryOp)
_FOLDED = (ast.JoinedStr, *_OPERATIONS)
_LEAVES = (ast.Constant, ast.expr_context, ast.operator, ast.unaryop, ast.Slice, *_FOLDED)
_NO_STEPS = frozenset({"NOP", "RESUME", "RETURN_VALUE", "RETURN_CONST"})


def truth(node: ast.expr, optimize: int, *, decides_operations: bool) -> bool | None:
    """Tell which way the compiler decides a condition.

    Args:
        node: The condition.
        optimize: Optimisation level of the compilation, 0 to 2.
        decides_operations: Whether the compiler folds operations on constants before it looks at conditions.

    Returns:
        The constant truth of the expression, or None if the running program decides.
    """
    if isinstance(node, ast.Constant):
        return bool(node.value)
    if isinstance(node, ast.Name):
        return optimize == 0 if node.id == "__debug__" else None
    if not isinstance(node, _FOLDED) or (isinstance(node, _OPERATIONS) and not decides_operations):
        return None
    if not all(_is_foldable(part) for part in ast.walk(node)):
        return None
    return _folded(node, optimize)


def _is_foldable(node: ast.AST) -> bool:
    return isinstance(node, _LEAVES) or (isinstance(node, ast.Name) and node.id == "__debug__")


def _folded(node: ast.expr, optimize: int) -> bool | None:
    # Only the compiler knows which operations it folds: it refuses those that fail and those with large results.
    code: CodeType = compile(ast.Expression(node), "<constant>", "eval", dont_inherit=True, optimize=optimize)
    loads = [step for step in dis.get_instructions(code) if step.opname not in _NO_STEPS]
    returned = [step for step in dis.get_instructions(code) if step.opname == "RETURN_CONST"]
    if len(loads) + len(returned) != 1 or (loads and not loads[0].opname.startswith(("LOAD_CONST", "LOAD_SMALL_INT"))):
        return None
    return bool((loads or returned)[0].argval)
