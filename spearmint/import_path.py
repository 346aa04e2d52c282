"""Import paths such as ``"pkg.mod:Class.attribute"``: what they name, imported."""

import importlib
from typing import Any

from spearmint.suggest import did_you_mean


def import_object(path: str) -> Any:
    """Import what an import path names.

    Args:
        path: ``"module:name"``; the name may have dots.

    Returns:
        The object.

    Raises:
        ImportError: If the path is written otherwise, or leads nowhere. The message says why, and what to do.
    """
    module, _, name = path.partition(":")
    if not module or not name:
        package, _, last = path.replace(":", ".").rpartition(".")
        hint = f" Did you mean {f'{package}:{last}'!r}?" if package and last else ""
        message = f"it is not written 'module:name'. Write it so.{hint}"
        raise ImportError(message)
    try:
        found: Any = importlib.import_module(module)
    except ImportError as error:
        message = f"{error}. Correct the module, or go to where it can be imported."
        raise ImportError(message) from error
    for part in name.split("."):
        try:
            found = getattr(found, part)
        except AttributeError as error:
            message = f"{error}. Correct the name.{did_you_mean(part, dir(found))}"
            raise ImportError(message) from error
    return found
