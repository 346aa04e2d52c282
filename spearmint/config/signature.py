"""Which parameters of a function its configs fill, decided once when it is declared."""

import inspect
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from types import UnionType
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, ConfigDict, TypeAdapter
from pydantic.errors import PydanticSchemaGenerationError, PydanticUserError

from spearmint.config.annotations import Unresolved, annotations_of, without_metadata
from spearmint.config.binding import Bind, Binder, Slot
from spearmint.config.canonical import DICTS
from spearmint.config.injected import INJECTED
from spearmint.config.model import Config
from spearmint.errors import BindingError

Bindings = Mapping[Any, "str | Bind | Mapping[str, Any] | None"]

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
_WHOLE_CONFIG_TYPES = (dict, Mapping)


def compile_binder(
    function: Callable[..., Any],
    name: str,
    bindings: Bindings,
    *,
    namespace: Mapping[str, Any] | None = None,
    has_configs: bool = True,
    own_bindings: bool = True,
) -> Binder:
    """Decide which parameters of a function its configs fill.

    Args:
        function: The function; its signature and annotations are read here and never on a call.
        name: Its name for messages, ``"module:qualified.name"``.
        bindings: From a type or a parameter's name to a path, a `Bind`, a mapping ``{"path": ..., "override": ...}``,
            or None to leave the parameter to the caller.
        namespace: Names that annotations given as text may use, such as the locals of the function that declares this
            one.
        has_configs: Whether there are configs to fill parameters from.
        own_bindings: Whether the bindings were written for this function alone, so that a type none of its parameters
            has is a mistake.

    Returns:
        The binder of the function.

    Raises:
        BindingError: If a binding names a parameter that does not exist, or an annotation that matters cannot be read.
    """
    try:
        declared = _parameters(function)
    except ValueError as error:
        if not bindings:
            return Binder(name, ())
        message = f"Cannot bind {name}: it tells no signature ({error}). Wrap it in a Python function."
        raise BindingError(message, function=name) from error
    rules = {key: _rule(name, key, value) for key, value in bindings.items()}
    _refuse_unknown_names(name, rules, declared)
    injected = {key for key, one in declared.items() if one.default is INJECTED}
    parameters = {key: one.replace(default=one.empty) if key in injected else one for key, one in declared.items()}
    parameters |= _collected(rules, declared)
    named_types = {key.__name__: key for key in rules if isinstance(key, type)}
    hints = annotations_of(function, namespace or {}, named_types)
    slots = []
    defaults = tuple(parameter.default for parameter in parameters.values())
    for index, parameter in enumerate(parameters.values()):
        hint = hints.get(parameter.name, parameter.empty)
        rule = _choose(name, parameter, hint, rules)
        if rule is not None:
            slots.append(_slot(name, parameter, defaults[:index], hint, rule))
        elif parameter.name in injected - rules.keys():
            raise _unfilled(name, parameter.name)
    if own_bindings:
        _refuse_unused_types(name, rules, hints)
    if has_configs and not slots:
        _refuse_unreadable(name, parameters, hints, rules)
    return Binder(name, tuple(slots))


def _parameters(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(function).parameters
    except NameError:  # CPython 3.14 evaluates annotations on demand, also those under TYPE_CHECKING.
        from annotationlib import Format  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415 - new in 3.14

        return inspect.signature(function, annotation_format=Format.FORWARDREF).parameters  # type: ignore[call-arg,unused-ignore]


def _rule(function: str, key: Any, value: Any) -> Bind | None:
    if not isinstance(key, str | type | UnionType) and get_origin(key) is None:
        message = f"Cannot bind {key!r} of {function}: a binding's key is a type or a parameter's name."
        raise BindingError(message, function=function)
    if value is None or isinstance(value, Bind):
        return value
    if isinstance(value, str):
        return Bind(value)
    if isinstance(value, Mapping) and set(value) <= {"path", "override"} and isinstance(value.get("path", ""), str):
        return Bind(value.get("path", ""), override=bool(value.get("override", False)))
    message = (
        f"Cannot bind {key!r} of {function} to {value!r}: that is no path. "
        "Give text such as 'llm.temperature', Bind(...), {'path': ..., 'override': ...}, or None for no binding."
    )
    raise BindingError(message, function=function)


def _refuse_unknown_names(
    function: str, rules: Mapping[Any, Bind | None], parameters: Mapping[str, inspect.Parameter]
) -> None:
    known = [parameter.name for parameter in parameters.values() if parameter.kind not in _VARIADIC]
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    for key in rules:
        if isinstance(key, str) and key not in known and (key in parameters or not takes_any):
            close = get_close_matches(key, known, n=1)
            suggestion = f" Did you mean {close[0]!r}?" if close else ""
            message = (
                f"Cannot bind parameter {key!r} of {function}: it has no such parameter "
                f"(its parameters: {', '.join(map(repr, known)) or 'none'}).{suggestion}"
            )
            raise BindingError(message, function=function, parameter=key)


def _collected(
    rules: Mapping[Any, Bind | None], parameters: Mapping[str, inspect.Parameter]
) -> Mapping[str, inspect.Parameter]:
    """Return the parameters that bindings name and that a function takes among its ``**kwargs`` only."""
    names = [key for key in rules if isinstance(key, str) and key not in parameters]
    return {name: inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in names}


def _refuse_unused_types(function: str, rules: Mapping[Any, Bind | None], hints: Mapping[str, Any]) -> None:
    annotated = [without_metadata(hint) for parameter, hint in hints.items() if parameter != "return"]
    for key in rules:
        if not isinstance(key, str) and key not in annotated:
            label = getattr(key, "__qualname__", key)
            message = (
                f"Cannot bind type {label} of {function}: no parameter is annotated with it. "
                "Annotate one, or bind the parameter by its name."
            )
            raise BindingError(message, function=function)


def _refuse_unreadable(
    function: str, parameters: Mapping[str, inspect.Parameter], hints: Mapping[str, Any], rules: Mapping[Any, Any]
) -> None:
    for name, parameter in parameters.items():
        hint = hints.get(name)
        if isinstance(hint, Unresolved) and parameter.kind not in _VARIADIC and name not in rules:
            raise _unreadable(function, name, hint)


def _unreadable(function: str, parameter: str, hint: Unresolved) -> BindingError:
    message = (
        f"Cannot read the annotation {hint.text!r} of parameter {parameter!r} of {function}: {hint.cause}. "
        "Import the name where the function is declared, outside `if TYPE_CHECKING`, or bind the parameter by name."
    )
    error = BindingError(message, function=function, parameter=parameter)
    error.__cause__ = hint.cause
    return error


def _unfilled(function: str, parameter: str) -> BindingError:
    message = (
        f"Cannot inject parameter {parameter!r} of {function}: nothing says what of a config it gets. "
        f"Annotate it with Config, a model or Annotated[..., Bind('path')], or give bindings={{{parameter!r}: 'path'}}."
    )
    return BindingError(message, function=function, parameter=parameter)


def _choose(function: str, parameter: inspect.Parameter, hint: Any, rules: Mapping[Any, Bind | None]) -> Bind | None:
    """Return the rule for a parameter: its name's, its own `Bind`, its type's, or the one that its type implies."""
    if parameter.kind in _VARIADIC:
        return None
    if parameter.name in rules:
        return rules[parameter.name]
    if isinstance(hint, Unresolved):
        if parameter.name == "config" or hint.mentions("Bind", "Config"):
            raise _unreadable(function, parameter.name, hint)
        return None
    bare = without_metadata(hint)
    own = [item for item in get_args(hint)[1:] if isinstance(item, Bind)] if get_origin(hint) is Annotated else []
    by_type = [rule for key, rule in rules.items() if not isinstance(key, str) and key == bare]
    if own or by_type:
        return [*own, *by_type][0]
    if isinstance(bare, type) and issubclass(bare, BaseModel | Config):
        return Bind()
    takes_whole = hint in (parameter.empty, Any) or (get_origin(bare) or bare) in (*DICTS, *_WHOLE_CONFIG_TYPES)
    return Bind() if parameter.name == "config" and takes_whole else None


def _slot(function: str, parameter: inspect.Parameter, before: tuple[Any, ...], hint: Any, rule: Bind) -> Slot:
    return Slot(
        name=parameter.name,
        path=rule.path,
        override=rule.override,
        index=len(before) if parameter.kind in _POSITIONAL else None,
        is_positional_only=parameter.kind is parameter.POSITIONAL_ONLY,
        has_default=parameter.default is not parameter.empty,
        before=before,
        validate=_validator(function, parameter, hint, rule),
    )


def _validator(function: str, parameter: inspect.Parameter, hint: Any, rule: Bind) -> Callable[[Any], Any]:
    bare = without_metadata(hint)
    is_free = hint is parameter.empty or bare is Any or isinstance(hint, Unresolved)
    if is_free or (not rule.path and (get_origin(bare) or bare) in _WHOLE_CONFIG_TYPES):
        return _as_it_is
    try:
        return _adapter(hint).validate_python
    except (PydanticUserError, NameError, TypeError) as error:
        message = (
            f"Cannot validate parameter {parameter.name!r} of {function}: pydantic has no use for its annotation "
            f"{bare!r} ({error}). Annotate it with a type that pydantic's TypeAdapter takes, or with Any."
        )
        raise BindingError(message, function=function, parameter=parameter.name, path=rule.path) from error


def _as_it_is(value: Any) -> Any:
    return value


def _adapter(hint: Any) -> TypeAdapter[Any]:
    try:
        return TypeAdapter(hint)
    except PydanticSchemaGenerationError:
        return TypeAdapter(hint, config=ConfigDict(arbitrary_types_allowed=True))
