"""What is known of a function before it becomes an experiment: its name, and what calling it gives."""

import inspect
import sys
from collections.abc import Callable, Mapping
from typing import Any, Literal

from spearmint.errors import BindingError, DeclarationError

Kind = Literal["function", "coroutine", "generator", "async_generator"]


def name_of(function: Callable[..., Any]) -> str:
    """Return a function's name, ``"module:qualified.name"``; what is no function is a `DeclarationError`."""
    name = getattr(function, "__qualname__", None)
    if not inspect.isroutine(function) or not isinstance(name, str):
        what = "a class" if isinstance(function, type) else f"an object of type {type(function).__qualname__}"
        message = f"Cannot make an experiment of {function!r}: it is {what}, not a function. Decorate a function."
        raise DeclarationError(message)
    return f"{getattr(function, '__module__', None) or 'builtins'}:{name}"


def kind_of(function: Callable[..., Any]) -> Kind:
    """Return what calling a function gives: a value, a coroutine, or one of the two kinds of streams."""
    if inspect.isasyncgenfunction(function):
        return "async_generator"
    if inspect.isgeneratorfunction(function):
        return "generator"
    return "coroutine" if inspect.iscoroutinefunction(function) else "function"


def stands_in_class(function: Callable[..., Any]) -> bool:
    """Tell whether a function was defined in the body of a class."""
    owner, _, _ = getattr(function, "__qualname__", "").rpartition(".")
    return bool(owner) and not owner.endswith("<locals>")


def callers_namespace() -> Mapping[str, Any]:
    """Return the names around the function that is being declared, which its annotations may use as text."""
    frame = sys._getframe(1)  # noqa: SLF001 - no other way leads to the locals of who declares
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "spearmint":
        frame = frame.f_back
    return frame.f_locals


def missing_value(function: str, parameter: str) -> Callable[[], Any]:
    """Return what raises the error for a parameter that nothing fills, where a config's value would be asked for."""

    def refuse() -> Any:
        message = (
            f"Cannot fill parameter {parameter!r} of {function}: it has no configs, and no experiment with one "
            f"called it. Give it configs=..., or pass {parameter!r}."
        )
        raise BindingError(message, function=function, parameter=parameter)

    return refuse
