"""What stands in the code for a value that settings name, and whether a config can stand in its place."""

import inspect
from collections.abc import Mapping, Sequence
from types import CodeType, ModuleType
from typing import Any

from spearmint.config import Config
from spearmint.config.paths import look_up
from spearmint.instrument.naming.bound_names import names_bound_in
from spearmint.instrument.naming.bound_values import ImportedAttribute, ImportedModule
from spearmint.instrument.rewrite.result import ReadSite
from spearmint.instrument.settings.model import ValueEntry
from spearmint.instrument.settings.value_target import ValueTarget
from spearmint.suggest import did_you_mean

_CHECKED = (str, int, float, bool, tuple)
_MISSING = object()


def original_of(value: ValueTarget, module: ModuleType, reads: Sequence[ReadSite], refuse: Any) -> Any:
    """Return what stands in the code of a module for a value of it.

    Args:
        value: The value.
        module: Its module, which has run.
        reads: The reads in its code.
        refuse: Makes an error of a message.

    Raises:
        SettingsError: If it is not there, or is no value.
    """
    if value.literal is not None:
        if not is_among(value, reads):
            raise refuse(missing_literal(value))
        return value.literal.value
    held: Any = module
    known: Mapping[str, Any] = {}
    for part in value.name.split("."):
        known = getattr(held, "__dict__", {})
        held = known.get(part, _MISSING) if isinstance(held, type | ModuleType) else _MISSING
    if held is _MISSING:
        where = f"module {value.module!r}" if "." not in value.name else f"{value.name.rpartition('.')[0]!r}"
        close = did_you_mean(value.last_name, [name for name in known if not name.startswith("__")])
        raise refuse(f"Cannot vary {value.text!r}: {where} has no {value.last_name!r}.{close or ' Correct the name.'}")
    if type(held) not in _CHECKED and (kind := _no_value(held)):
        advice = f"Write 'target: {value.text}' for its calls" if kind == "a function" else "Name a value in it"
        raise refuse(f"Cannot vary {value.text!r}: it is {kind}. {advice}.")
    rebound = next((one for one in reads if one.kind == "rebound" and one.path == value.dotted), None)
    if rebound is not None:
        raise refuse(rebound_message(value, rebound))
    return held


def is_among(literal: ValueTarget, reads: Sequence[ReadSite]) -> bool:
    """Tell whether code that reads so reads a literal by way of the running case."""
    return any(one.kind == "literal" and one.path == literal.full_name for one in reads)


def rebound_message(value: ValueTarget, site: ReadSite) -> str:
    """Return what is said of a value that a function of its module binds anew."""
    return (
        f"Cannot vary {value.text!r}: {value.module}:{site.scope}, line {site.line}, binds it anew at run time, so "
        "that what stands in the code is not what is read. Vary what it is made of."
    )


def missing_literal(value: ValueTarget, others: Sequence[str] = ()) -> str:
    """Return what is said of a literal that is not there.

    Args:
        value: The literal.
        others: Names of literals that are there.
    """
    literal = value.literal
    assert literal is not None  # noqa: S101 - that is what is missing
    close = did_you_mean(value.name, others)
    return (
        f"Cannot vary {value.text!r}: {literal.function!r} of module {value.module!r} has no such literal in its own "
        "code. One in an annotation, in a default or in a decorator is read when the function is made, and one that "
        f"the compiler folds into another value is gone.{close or ' Correct it, or name the function around it.'}"
    )


def unfit(entry: ValueEntry, original: Any, config: Config) -> str | None:
    """Return why a config cannot be what a value becomes; None if it can.

    An int is taken for a float, and a bool not for an int; what lists and mappings hold is not looked at.

    Args:
        entry: The entry of the value.
        original: What stands in the code.
        config: The config.
    """
    try:
        value = look_up(config, entry.path) if entry.path else config
    except KeyError as error:
        return (
            f"Cannot vary {entry.value!r}: config {config.config_id!r} has nothing at {entry.path!r}: {error.args[0]}. "
            "Correct 'path', or the config."
        )
    kind = next((one for one in _CHECKED if type(original) is one), None)
    is_number = kind is float and type(value) is int
    if kind is None or is_number or (isinstance(value, kind) and isinstance(value, bool) == (kind is bool)):
        return None
    hint = f" Say where it stands in the config: 'path: {next(iter(config))}'." if not entry.path and config else ""
    at = f" at {entry.path!r}" if entry.path else ""
    return (
        f"Cannot vary {entry.value!r}: it is of type {kind.__name__}, and config {config.config_id!r} has a value of "
        f"type {type(value).__name__}{at}.{hint or ' Give one of the same type.'}"
    )


def not_bound(value: ValueTarget, code: CodeType) -> str | None:
    """Return why the code of its module, as it runs, will bind no such value; None if it will.

    Args:
        value: A constant or attribute.
        code: The code of its module.
    """
    name = value.root_name
    bound = names_bound_in(code, value.module.rpartition(".")[0]).names
    if name not in bound:
        close = did_you_mean(name, [one for one in bound if not one.startswith("__")]) or " Correct the name."
        return f"Cannot vary {value.text!r}: module {value.module!r} binds no {name!r}.{close}"
    if any(isinstance(one, ImportedAttribute | ImportedModule) for one in bound[name]):
        cause = f"module {value.module!r} imports {name!r}"
        return f"Cannot vary {value.text!r}: {cause}. Name it by the module that defines it."
    return None


def _no_value(held: Any) -> str | None:
    if isinstance(held, ModuleType):
        return "a module"
    if isinstance(held, type):
        return "a class"
    return "a function" if inspect.isroutine(held) or isinstance(held, property) else None
