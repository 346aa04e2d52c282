"""A function's annotations as objects, also where they are text that names what cannot be imported."""

import builtins
import inspect
import re
import sys
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin, get_type_hints

_TYPE_ALIASES: Any = getattr(typing, "TypeAliasType", ())  # new in 3.12


@dataclass(frozen=True, slots=True)
class Unresolved:
    """An annotation that names something which is not there at run time.

    Attributes:
        text: The annotation as written.
        cause: What evaluating it raised.
    """

    text: str
    cause: Exception

    def mentions(self, *names: str) -> bool:
        """Tell whether one of these names is a word of the annotation."""
        return any(name in names for name in re.findall(r"\w+", self.text))


def annotations_of(
    function: Callable[..., Any], namespace: Mapping[str, Any], fallback: Mapping[str, Any]
) -> dict[str, Any]:
    """Return each parameter's annotation, evaluated on its own, so that one unknown name spoils one annotation.

    Args:
        function: A function, or what wraps one with `functools.wraps`.
        namespace: Names beside the function's globals and closure, such as the locals of an enclosing function. Those
            of a scope that the function does not stand in come last.
        fallback: Names to try last, for classes that are imported for type checkers only.

    Returns:
        From parameter (and ``"return"``) to its annotation, with `Annotated` kept, or to `Unresolved`.
    """
    inner = inspect.unwrap(function)
    module = sys.modules.get(getattr(inner, "__module__", None) or "")
    globals_ = getattr(inner, "__globals__", None) or vars(module or object)
    # Names of the function's own globals, and builtins, stand before those from elsewhere, as they do in the code.
    known = {
        name: held
        for name, held in {**fallback, **namespace}.items()
        if name not in globals_ and not hasattr(builtins, name)
    }
    if _stands_in(inner, namespace):
        known.update(namespace)
    known.update(_closure(inner))
    known.update((item.__name__, item) for item in getattr(inner, "__type_params__", ()))
    return {name: _evaluate(raw, dict(globals_), known) for name, raw in _raw_annotations(inner).items()}


def without_metadata(hint: Any) -> Any:
    """Return the type in an ``Annotated``, and any other hint as it is."""
    return get_args(hint)[0] if get_origin(hint) is Annotated else hint


def _stands_in(function: Callable[..., Any], namespace: Mapping[str, Any]) -> bool:
    """Tell whether a namespace is a scope around a function, rather than that of a stranger who declares it."""
    scope = getattr(function, "__qualname__", "").rpartition(".")[0]
    return "<locals>" in scope or namespace.get("__qualname__", "") == scope != ""


def _closure(function: Callable[..., Any]) -> dict[str, Any]:
    names = getattr(getattr(function, "__code__", None), "co_freevars", ())
    found = {}
    for name, cell in zip(names, getattr(function, "__closure__", None) or (), strict=False):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # The enclosing function has not assigned it yet.
            continue
    return found


def _raw_annotations(function: Callable[..., Any]) -> Mapping[str, Any]:
    if sys.version_info >= (3, 14):
        from annotationlib import Format, get_annotations  # noqa: PLC0415 - the module is new in 3.14

        return get_annotations(function, format=Format.FORWARDREF)
    return getattr(function, "__annotations__", None) or {}


def _evaluate(annotation: Any, globals_: dict[str, Any], known: Mapping[str, Any]) -> Any:
    if isinstance(annotation, type):
        return annotation

    def holder() -> None: ...

    holder.__annotations__ = {"it": annotation}
    try:
        hint = get_type_hints(holder, globals_, known, include_extras=True)["it"]
        while isinstance(hint, _TYPE_ALIASES):
            hint = hint.__value__
    except Exception as error:  # An annotation as text is an expression: anything may go wrong in it.  # noqa: BLE001
        text = annotation if isinstance(annotation, str) else getattr(annotation, "__forward_arg__", repr(annotation))
        return Unresolved(text, error)
    return hint
