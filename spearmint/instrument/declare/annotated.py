"""Which functions ask for a config by their annotations, for ``auto: annotated``."""

import inspect
import sys
from collections.abc import Callable, Mapping
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel

from spearmint.config import Bind, Config
from spearmint.config.annotations import Unresolved, annotations_of, without_metadata
from spearmint.signatures import parameter_names
from spearmint.warn import warn


def asks_for_config(
    function: Callable[..., Any], name: str, namespace: Mapping[str, Any], models: Mapping[str, Any]
) -> bool | type[BaseModel]:
    """Tell whether a parameter is annotated with `Config`, with a `Bind`, or with a model.

    Args:
        function: A function that has been made.
        name: Its name for messages, ``"module:qualified.name"``.
        namespace: Names around it that its annotations may use.
        models: The import paths of the models that count; every pydantic model does where this is empty.

    Returns:
        Whether it is so; the model, where that is the only reason and no binding names it.
    """
    found: bool | type[BaseModel] = False
    if not _has_annotations(function):
        return False
    for parameter, hint in annotations_of(function, namespace, {}).items():
        if parameter == "return":
            continue
        if isinstance(hint, Unresolved):
            if hint.mentions("Bind", "Config"):
                _warn(name, parameter, hint)
        elif _is_config(hint, models):
            return True
        elif not models and isinstance(bare := without_metadata(hint), type) and issubclass(bare, BaseModel):
            found = found or bare
    return found


def bindings_by_type(
    function: Callable[..., Any], namespace: Mapping[str, Any], models: Mapping[str, Any]
) -> dict[Any, Any]:
    """Return the entries of ``models`` whose types a function's parameters are annotated with, by these types."""
    if not models or not _has_annotations(function):
        return {}
    hints = annotations_of(function, namespace, {})
    types = [without_metadata(hint) for parameter, hint in hints.items() if parameter != "return"]
    return {one: models[path] for one in types if (path := _path_of(one)) is not None and path in models}


def unreadable_parameters(function: Callable[..., Any], namespace: Mapping[str, Any]) -> list[str]:
    """Return the parameters whose annotations name what is not there, such as a class further down in the module."""
    hints = annotations_of(function, namespace, {})
    names = parameter_names(inspect.unwrap(function))  # Whose annotations these are.
    return [name for name in names if isinstance(hints.get(name), Unresolved)]


def _has_annotations(function: Callable[..., Any]) -> bool:
    if sys.version_info >= (3, 14):
        return getattr(function, "__annotate__", None) is not None
    return bool(getattr(function, "__annotations__", None))


def _is_config(hint: Any, models: Mapping[str, Any]) -> bool:
    if get_origin(hint) is Annotated and any(isinstance(item, Bind) for item in get_args(hint)[1:]):
        return True
    bare = without_metadata(hint)
    if not isinstance(bare, type):
        return False
    if models and _path_of(bare) in models:
        return True
    return issubclass(bare, Config)


def _path_of(one: Any) -> str | None:
    return f"{one.__module__}:{one.__qualname__}" if isinstance(one, type) else None


def _warn(name: str, parameter: str, hint: Unresolved) -> None:
    message = (
        f"Cannot tell whether {name} is an experiment: the annotation {hint.text!r} of its parameter {parameter!r} "
        f"cannot be read ({hint.cause}). It is left as it is; name it under 'experiments', or import what it names."
    )
    warn(message)
