"""Strategies as a settings file names them: built-in ones by a word, others by import path."""

import importlib.util
import inspect
import re
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spearmint.errors import StrategyError
from spearmint.import_path import import_object
from spearmint.strategies.builtin import BUILT_IN
from spearmint.suggest import did_you_mean

_OF_EXTRAS = {"openfeature": "spearmint.integrations.openfeature:OpenFeatureStrategy"}
"""Strategies that an extra brings what they need for, by the names that settings have for them."""

_IMPORT_PATH = re.compile(r"[^\W\d][\w.]*:[^\W\d][\w.]*")


class StrategyArgumentError(ValueError):
    """A built-in strategy does not take its arguments.

    Attributes:
        argument: The one without which it would take them, or say something else; None where there is no such one.
    """

    def __init__(self, message: str, argument: str | None) -> None:
        super().__init__(message)
        self.argument = argument


def check_strategy(name: str, arguments: Mapping[str, Any]) -> None:
    """Refuse what cannot be a strategy, as far as is known without importing user code.

    Args:
        name: A built-in name, or an import path.
        arguments: Keyword arguments that it is made with.

    Raises:
        ValueError: If the name is neither, or a built-in strategy does not take the arguments, or the path leads into
            the standard library.
    """
    if name in BUILT_IN:
        try:
            _made(BUILT_IN[name], name, arguments)
        except StrategyError as error:
            raise StrategyArgumentError(str(error), _culprit(name, arguments, str(error))) from error
    elif name in _OF_EXTRAS:
        return  # Whether the extra is installed is found when it is needed.
    elif not _IMPORT_PATH.fullmatch(name):
        known = ", ".join(BUILT_IN)
        similar = did_you_mean(name.lower().removesuffix("strategy").replace("-", "_"), BUILT_IN)
        hint = similar or (_hint_of_a_colon(name) if "." in name else "")
        message = (
            f"Cannot use the strategy {name!r}: there is none of that name. "
            f"Give {known}, or an import path such as 'pkg.mod:Strategy'.{hint}"
        )
        raise ValueError(message)
    elif _is_in_standard_library(name.partition(":")[0].partition(".")[0]):
        message = (
            f"Cannot use the strategy {name!r}: it is part of Python's standard library, which has no strategies. "
            f"Give {', '.join(BUILT_IN)}, or the import path of a class, an instance or a function of the configs."
        )
        raise ValueError(message)


def _culprit(name: str, arguments: Mapping[str, Any], problem: str) -> str | None:
    for argument in arguments:
        others = {other: value for other, value in arguments.items() if other != argument}
        try:
            _made(BUILT_IN[name], name, others)
        except StrategyError as error:
            if str(error) == problem.replace(repr(dict(arguments)), repr(others)):
                continue
        return argument
    return None


def _is_in_standard_library(package: str) -> bool:
    """Tell whether a module of the standard library is found by a name, rather than one of the user's that hides it."""
    if package not in sys.stdlib_module_names:
        return False
    try:
        spec = importlib.util.find_spec(package)  # noqa: TID251 - it has no parent
    except (ImportError, ValueError):
        return False
    origin = "" if spec is None else spec.origin or ""
    return origin in ("built-in", "frozen") or Path(origin).is_relative_to(sysconfig.get_path("stdlib"))


def strategy_by_name(name: str, arguments: Mapping[str, Any]) -> Any:
    """Return the strategy of a name, made with its arguments where it has some.

    Args:
        name: A built-in name, or the import path of a class, an instance or a function.
        arguments: Keyword arguments to make it with; without any, it is returned as it is found.

    Raises:
        StrategyError: If it cannot be imported, or made.
    """
    found = BUILT_IN[name] if name in BUILT_IN else import_named(_OF_EXTRAS.get(name, name))
    return _made(found, name, arguments) if arguments else found


def _made(found: Any, name: str, arguments: Mapping[str, Any]) -> Any:
    try:
        return found(**arguments)
    except TypeError as error:
        message = f"Cannot make strategy {name!r} with {dict(arguments)!r}: {error}. {_takes(found, arguments)}"
        raise StrategyError(message) from error


def import_named(path: str) -> Any:
    """Return what an import path such as ``"pkg.mod:Class.attribute"`` names.

    Raises:
        StrategyError: If there is no such module, or it has no such name.
    """
    try:
        return import_object(path)
    except ImportError as error:
        message = f"Cannot import {path!r}: {error}"
        raise StrategyError(message) from error


def _takes(found: Any, arguments: Mapping[str, Any]) -> str:
    try:
        names = list(inspect.signature(found).parameters)
    except (TypeError, ValueError):
        return "Give what it takes."
    hint = next((close for name in arguments if name not in names and (close := did_you_mean(name, names))), "")
    return f"It takes {', '.join(map(repr, names))}.{hint}" if names else "It takes no arguments."


def _hint_of_a_colon(name: str) -> str:
    module, _, last = name.rpartition(".")
    return f" Did you mean '{module}:{last}'?"
