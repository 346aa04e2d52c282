"""Names of parameters, read from a function, a code object or a syntax tree, and methods that are implicit."""

import ast
import functools
import inspect
from collections.abc import Callable
from types import CodeType
from typing import Any

_IMPLICIT_CLASS_METHODS = frozenset({"__init_subclass__", "__class_getitem__"})
_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def is_implicit_class_method(name: str) -> bool:
    """Tell whether a class makes a class method of a function for its name alone, which a proxy in its place breaks.

    Args:
        name: The function's name, qualified or not.
    """
    return name.rpartition(".")[2] in _IMPLICIT_CLASS_METHODS


def underlying_function(value: Any) -> Any:
    """Return the function in a static or class method or property; anything else as it is."""
    if isinstance(value, staticmethod | classmethod):
        return value.__func__
    if isinstance(value, property):
        return value.fget
    return value.func if isinstance(value, functools.cached_property) else value


def parameters_of(function: Callable[..., Any]) -> tuple[inspect.Parameter, ...] | None:
    """Return all parameters of a function; None for a builtin that has no signature."""
    try:
        return tuple(inspect.signature(function).parameters.values())
    except (TypeError, ValueError, NameError):  # CPython 3.14 evaluates annotations here, and one may name nothing
        return None


def parameter_names(function: Callable[..., Any]) -> tuple[str, ...]:
    """Return the names of a function's parameters, without ``*args`` and ``**kwargs``; empty without a signature."""
    code = getattr(function, "__code__", None)
    if isinstance(code, CodeType) and not hasattr(function, "__wrapped__"):
        return parameter_names_in_code(code)
    return tuple(parameter.name for parameter in parameters_of(function) or () if parameter.kind not in _VARIADIC)


def parameter_names_in_code(code: CodeType) -> tuple[str, ...]:
    """Return the names of the parameters of a function's code, without ``*args`` and ``**kwargs``."""
    return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]


def parameter_names_in_tree(node: ast.FunctionDef | ast.AsyncFunctionDef) -> tuple[str, ...]:
    """Return the names of the parameters of a definition, without ``*args`` and ``**kwargs``."""
    arguments = node.args
    return tuple(one.arg for one in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs))
