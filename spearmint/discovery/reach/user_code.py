"""Which modules are the user's own code, seen from one of them."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from spearmint.discovery.reach.static_lookup import namespace_of
from spearmint.discovery.reach.table_store import table_store

IsFollowed = Callable[[str], bool]

_OURS = __name__.partition(".")[0]
_LIBRARIES = frozenset({"site-packages", "dist-packages"})
_STANDARD_LIBRARY = Path(os.__file__).parent


def same_project_filter(module: str) -> IsFollowed:
    """Return what tells whether a module belongs to the code around another one.

    Args:
        module: Name of a module.

    Returns:
        A predicate that holds for modules of the same top-level package; for those that lie beside that package, as a
        script's modules lie beside the script, unless that is where libraries are installed; for modules of
        instrumented packages; and for ``__main__``.
    """
    package = _package(module)
    home = _home(package)

    def is_followed(other: str) -> bool:
        top = other.partition(".")[0]
        if top in (package, "__main__") or table_store.is_instrumented(other):
            return True
        return home is not None and top != _OURS and _home(top) == home

    return is_followed


def _package(module: str) -> str:
    """Return the top-level package of a module, also of one that runs as ``__main__``."""
    top = module.partition(".")[0]
    if top != "__main__":
        return top
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    return top if spec is None else str(spec.name).partition(".")[0]


def _home(package: str) -> Path | None:
    """Return the folder in which a top-level package or module lies; None for libraries, and where nothing is known."""
    found = sys.modules.get(package)
    if type(found) is not ModuleType:
        return None
    file = namespace_of(found).get("__file__")
    if not isinstance(file, str):
        return None
    folder = Path(file).absolute().parent
    if "__path__" in namespace_of(found):
        folder = folder.parent
    is_library = folder.is_relative_to(_STANDARD_LIBRARY) or not _LIBRARIES.isdisjoint(folder.parts)
    return None if is_library else folder
