"""What injected code reaches: the wrapper of one function of one module."""

import sys
from collections.abc import Callable
from types import FunctionType
from typing import Any

OnFunction = Callable[[Callable[..., Any], str, str], Any]

_MAINS = ("__main__", "__mp_main__")


class InjectedEntry:
    """What stands behind the wrapper.

    Attributes:
        on_function: Given a function, the name of its module and its numbered qualified name, returns an experiment, or
            the function as it is; None while nothing is installed.
    """

    __slots__ = ("on_function",)

    def __init__(self) -> None:
        self.on_function: OnFunction | None = None


entry = InjectedEntry()


def wrap(name: str) -> Callable[[FunctionType], Any]:
    """Return the decorator that rewriting has put on a definition of that numbered qualified name."""
    return lambda function: wrap_made(function, name)


def wrap_made(function: FunctionType, name: str) -> Any:
    """Make an experiment of a function that has just been made, if the settings in force want one."""
    on_function = entry.on_function
    return function if on_function is None else on_function(function, module_name(function.__globals__), name)


def wrap_outermost(name: str) -> Callable[[Any], Any]:
    """Return the decorator that rewriting has put on a definition above all others.

    Args:
        name: Its numbered qualified name.
    """
    namespace = sys._getframe(1).f_globals  # noqa: SLF001 - what decorators return need not know its module
    return lambda made: _wrap_decorated(made, namespace, name)


def wrap_decorated(made: Any, name: str) -> Any:
    """Make an experiment of what decorators have made of a function.

    Args:
        made: What they have returned.
        name: The numbered qualified name of the function.
    """
    return _wrap_decorated(made, sys._getframe(1).f_globals, name)  # noqa: SLF001 - as above


def _wrap_decorated(made: Any, namespace: dict[str, Any], name: str) -> Any:
    on_function = entry.on_function
    return made if on_function is None else on_function(made, module_name(namespace), name)


def module_name(namespace: dict[str, Any]) -> str:
    """Return the name by which settings know a module: that of its spec, where it runs as the program's main module."""
    name: str = namespace.get("__name__", "")
    if name not in _MAINS:
        return name
    spec = namespace.get("__spec__")
    return _MAINS[0] if spec is None else str(spec.name)
