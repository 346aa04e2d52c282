"""What the compiler knows of an expression before it runs: whether a condition is a constant."""

import ast
import operator
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

from spearmint.discovery.cpython import CompilerFacts

_UNKNOWN = object()

# CPython folds no operation whose result would be larger (MAX_INT_SIZE, MAX_COLLECTION_SIZE and MAX_STR_SIZE).
_MOST_BITS = 128
_MOST_ITEMS = 256
_MOST_CHARACTERS = 4096

_UNARY: Mapping[type[ast.unaryop], Callable[[Any], object]] = MappingProxyType(
    {
        # The inverse of a bool is deprecated, and would warn here too.
        ast.Invert: lambda value: ~int(value) if isinstance(value, bool) else ~value,
        ast.Not: operator.not_,
        ast.UAdd: operator.pos,
        ast.USub: operator.neg,
    }
)
_BINARY: Mapping[type[ast.operator], Callable[[Any, Any], object]] = MappingProxyType(
    {
        ast.Add: operator.add,
        ast.BitAnd: operator.and_,
        ast.BitOr: operator.or_,
        ast.BitXor: operator.xor,
        ast.Div: operator.truediv,
        ast.FloorDiv: operator.floordiv,
        ast.LShift: operator.lshift,
        ast.Mod: operator.mod,
        ast.Mult: operator.mul,
        ast.Pow: operator.pow,
        ast.RShift: operator.rshift,
        ast.Sub: operator.sub,
    }
)


def truth_of(node: ast.expr, optimize: int, facts: CompilerFacts) -> bool | None:
    """Tell which way the compiler decides a condition, or None if the running program decides."""
    if isinstance(node, ast.Constant):
        return bool(node.value)
    if isinstance(node, ast.Name):
        return optimize == 0 if node.id == "__debug__" else None
    if isinstance(node, ast.JoinedStr):
        is_constant = all(isinstance(part, ast.Constant) for part in node.values)
        return bool(node.values) if is_constant and (node.values or facts.folds_empty_f_strings) else None
    if not facts.decides_operations:
        return None
    value = _folded(node, optimize)
    return None if value is _UNKNOWN else bool(value)


def _folded(node: ast.expr, optimize: int) -> object:
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name):
        return optimize == 0 if node.id == "__debug__" else _UNKNOWN
    operation, parts = _operation(node)
    operands = [_folded(part, optimize) for part in parts]
    if any(operand is _UNKNOWN for operand in operands):
        return _UNKNOWN
    try:
        return operation(*operands)
    except (ArithmeticError, LookupError, TypeError, ValueError):
        return _UNKNOWN


def _operation(node: ast.expr) -> tuple[Callable[..., object], list[ast.expr]]:
    """Take an expression apart: into a function, and what it takes."""
    match node:
        case ast.Tuple():
            return lambda *values: values, node.elts
        case ast.UnaryOp():
            return _UNARY[type(node.op)], [node.operand]
        case ast.BinOp():
            return partial(_calculated, node.op), [node.left, node.right]
        case ast.Subscript():
            return operator.getitem, [node.value, node.slice]
    return lambda: _UNKNOWN, []


def _calculated(operation: ast.operator, left: object, right: object) -> object:
    if not _is_small(operation, left, right):
        return _UNKNOWN
    calculate = _BINARY.get(type(operation))
    return _UNKNOWN if calculate is None else calculate(left, right)


def _is_small(operation: ast.operator, left: object, right: object) -> bool:
    if isinstance(operation, ast.Mult):
        return _is_small_product(left, right)
    if isinstance(operation, ast.Mod):
        return not isinstance(left, str | bytes)
    if not isinstance(left, int) or not isinstance(right, int):
        return True
    if isinstance(operation, ast.LShift):
        return left.bit_length() + right <= _MOST_BITS
    return not isinstance(operation, ast.Pow) or left.bit_length() * right <= _MOST_BITS


def _is_small_product(left: object, right: object) -> bool:
    if isinstance(right, str | bytes | tuple):
        left, right = right, left
    if not isinstance(right, int):
        return True
    if isinstance(left, str | bytes | tuple):
        return 0 <= right * len(left) <= (_MOST_ITEMS if isinstance(left, tuple) else _MOST_CHARACTERS)
    return not isinstance(left, int) or left.bit_length() + right.bit_length() <= _MOST_BITS
