"""What of a module the rewriters would wrap, and what an extension module defines."""

import importlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import CodeType
from typing import Any

from spearmint.instrument.naming.static_modules import ModuleDefinitions, StaticDefinition, definitions_in
from spearmint.instrument.rewrite.bytecode_rewrite import rewrite_code
from spearmint.instrument.rewrite.result import Refused
from spearmint.signatures import parameter_names

_HINTS = frozenset({"overload", "TYPE_CHECKING", "__init_subclass__", "__class_getitem__"})
"""Names without which a module has no definition that the rewriters leave out."""


def wrappable(code: CodeType) -> ModuleDefinitions:
    """Find what the code of a module defines, without the functions that no target stands for, such as stubs."""
    found = definitions_in(code)
    if not _mentions(code):
        return found
    rewritten = rewrite_code(code, lambda _name, _parameters: True)
    if isinstance(rewritten, Refused):
        return found
    names = frozenset(rewritten.wrapped)
    return replace(found, functions=tuple(one for one in found.functions if one.name in names))


def _mentions(code: CodeType) -> bool:
    inner = [one for one in code.co_consts if isinstance(one, CodeType)]
    is_here = not _HINTS.isdisjoint(code.co_names) or any(one.co_name in _HINTS for one in inner)
    return is_here or any(map(_mentions, inner))


def definitions_in_extension(module: str) -> ModuleDefinitions | None:
    """Import an extension module, as nothing else tells what it defines."""
    try:
        found = importlib.import_module(module)
    except Exception:  # noqa: BLE001 - that is for who runs the program to see
        return None
    functions = [
        StaticDefinition(name, parameter_names(value), takes_any=not parameter_names(value))
        for name, value in _callables(vars(found), found.__name__, "")
    ]
    return ModuleDefinitions(tuple(functions), tuple(one.name for one in functions))


def _callables(namespace: Any, module: str, prefix: str) -> Iterator[tuple[str, Callable[..., Any]]]:
    for name, value in list(namespace.items()):
        if isinstance(value, type) and value.__module__ == module:
            yield from _callables(vars(value), module, f"{prefix}{name}.")
        elif callable(value) and not isinstance(value, type):
            yield f"{prefix}{name}", value
