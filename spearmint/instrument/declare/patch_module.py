"""Wrapping what a module has already made: its functions, and the methods of its classes."""

import functools
import inspect
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from spearmint.signatures import underlying_function

FIXED_TYPE = "it belongs to a type that does not change"

_IMMUTABLE = 1 << 8  # Py_TPFLAGS_IMMUTABLETYPE


@dataclass(frozen=True, slots=True)
class Replacement:
    """One attribute that holds something else than it did.

    Attributes:
        owner: The module or class.
        name: Name of the attribute.
        original: What it held.
        proxy: What it holds.
    """

    owner: Any
    name: str
    original: Any
    proxy: Any

    def undo(self) -> None:
        """Put the original back, unless the program has put something else there since."""
        if vars(self.owner).get(self.name) is self.proxy:
            setattr(self.owner, self.name, self.original)


@dataclass(frozen=True, slots=True)
class ModulePatch:
    """What wrapping a module in place has done to it.

    Attributes:
        replacements: Every attribute that was replaced.
        wrapped: Qualified names of the functions that became experiments.
        refused: Those of functions that should have, in types that do not change.
    """

    replacements: list[Replacement] = field(default_factory=list)
    wrapped: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def undo(self) -> None:
        """Put back what was replaced; it may be called twice."""
        while self.replacements:
            self.replacements.pop().undo()


def wrap_in_place(module: ModuleType, declare: Callable[[Any, str], Any]) -> ModulePatch:
    """Wrap functions where they are found in a module and in its classes.

    Decorators that stand on a function have run, so that the wrapper is around what they made of it.

    Args:
        module: The module, which has run.
        declare: Given a function, or an experiment, and its qualified name, returns what is to stand there instead.
            What it raises is raised once the module is as it was.
    """
    changes = ModulePatch()
    known: dict[int, Any] = {}
    try:
        for owner, attribute, name, value in _definitions(module, vars(module).get("__name__"), ""):
            changed = _wrapped(value, name, declare)
            if changed is value:
                continue
            if not _replace(owner, attribute, changed, changes):
                changes.refused.append(name)
                continue
            changes.wrapped.append(name)
            known[id(value)] = changed
        for attribute, value in list(vars(module).items()):
            if id(value) in known:  # The same function under another name.
                _replace(module, attribute, known[id(value)], changes)
    except BaseException:
        changes.undo()
        raise
    return changes


def wrap_path(module: ModuleType, path: str, declare: Callable[[Any, str], Any]) -> ModulePatch:
    """Wrap what a path leads to in a module that has run, where it is defined.

    Args:
        module: The module.
        path: Qualified name of a function; of a named tuple's class, ``__init__`` means its constructor.
        declare: As for `wrap_in_place`.

    Returns:
        What has changed; nothing where the path leads to no function.
    """
    changes = ModulePatch()
    *owners, last = path.split(".")
    owner: Any = module
    for part in owners:
        owner = getattr(owner, part, None)
    holder, attribute, value = _held(owner, last)
    if not inspect.isroutine(underlying_function(value)) and not isinstance(value, property):
        return changes
    if isinstance(holder, type) and holder.__flags__ & _IMMUTABLE:
        changes.refused.append(path)
        return changes
    changed = _wrapped(value, path, declare)
    if changed is not value:
        kept = changes.wrapped if _replace(holder, attribute, changed, changes) else changes.refused
        kept.append(path)
        for other in [name for name, one in vars(module).items() if one is value]:
            _replace(module, other, changed, changes)
    return changes


def belongs_to_fixed_type(module: str, path: str) -> bool:
    """Tell whether a path leads to a function of a type that does not change, in a module that has been imported."""
    owner: Any = sys.modules.get(module)
    *owners, last = path.split(".")
    for part in owners:
        owner = inspect.getattr_static(owner, part, None)
    if not isinstance(owner, type):
        return False
    return bool(_held(owner, last)[0].__flags__ & _IMMUTABLE)


def fixed_type_message(function: str) -> str:
    """Return what is said of a function that cannot become an experiment: ``"module:qualified.name"``."""
    return (
        f"Cannot make an experiment of {function}: {FIXED_TYPE}. Call it from a function of your own, and name that "
        "one."
    )


def _held(owner: Any, name: str) -> tuple[Any, str, Any]:
    """Return what holds an attribute of a module or class, the name under which it does, and the value."""
    if not isinstance(owner, type):
        value = getattr(owner, name, None)  # A module may make it when it is asked.
        home = sys.modules.get(getattr(value, "__module__", None) or "")
        is_there = home is not None and vars(home).get(getattr(value, "__name__", "")) is value
        return (home, value.__name__, value) if is_there else (owner, name, value)  # type: ignore[union-attr]
    if name == "__init__" and issubclass(owner, tuple) and owner.__init__ is object.__init__:
        name = "__new__"
    mangled = f"_{owner.__name__.lstrip('_')}{name}"
    for base in owner.__mro__:
        for attribute in (name, mangled):
            if attribute in vars(base):
                return base, attribute, vars(base)[attribute]
    return owner, name, None


def names_in(module: ModuleType) -> list[str]:
    """Return the qualified names of the functions that are defined in a module, and in its classes."""
    return [name for _, _, name, _ in _definitions(module, vars(module).get("__name__"), "")]


def _replace(owner: Any, attribute: str, changed: Any, changes: ModulePatch) -> bool:
    original = vars(owner)[attribute]
    try:
        setattr(owner, attribute, changed)
    except (AttributeError, TypeError):  # Types of extension modules do not change.
        return False
    changes.replacements.append(Replacement(owner, attribute, original, changed))
    return True


def _definitions(owner: Any, module: Any, prefix: str) -> Iterator[tuple[Any, str, str, Any]]:
    """Yield what is defined in a module or class: owner, attribute, qualified name and value."""
    for attribute, value in list(vars(owner).items()):
        name = prefix + attribute
        if not _is_defined(value, module, name):
            continue
        if isinstance(value, type):
            yield from _definitions(value, module, f"{name}.")
        else:
            yield owner, attribute, name, value


def _is_defined(value: Any, module: Any, name: str) -> bool:
    """Tell whether an object is a class, or holds a function, that a module defines under a name."""
    try:
        inner = underlying_function(value)
        if not isinstance(inner, type) and not inspect.isroutine(inner):
            return False
        # An imported name is defined elsewhere, and an alias under its own name. C code often tells no module.
        return inner.__qualname__ == name and getattr(inner, "__module__", None) in (module, None)
    except Exception:  # noqa: BLE001 - an object that cannot be asked is none
        return False


def _wrapped(value: Any, name: str, declare: Callable[[Any, str], Any]) -> Any:
    if isinstance(value, property):
        functions = (value.fget, value.fset, value.fdel)
        names = (name, f"{name}#2", f"{name}#3")
        changed: list[Any] = [one and declare(one, called) for one, called in zip(functions, names, strict=True)]
        same = all(new is old for new, old in zip(changed, functions, strict=True))
        return value if same else property(changed[0], changed[1], changed[2], value.__doc__)
    inner = underlying_function(value)
    made = declare(inner, name)
    if made is inner:
        return value
    if isinstance(value, functools.cached_property):
        made = functools.cached_property(made)
        made.__set_name__(object, value.attrname or name)
        return made
    return made if inner is value or isinstance(made, type(value)) else type(value)(made)
