"""The finder on `sys.meta_path`: filter by name, ask the finders behind it, swap the loader."""

import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any, Protocol


class Chooser(Protocol):
    """What decides about a module that has been found."""

    def swap(self, name: str, spec: ModuleSpec) -> None:
        """Replace the loader of a spec, or leave it alone.

        Args:
            name: Name of the module.
            spec: What another finder has found.
        """


class SpearmintFinder:
    """Finds what the finders behind it find, for the packages that it is told of.

    It stands directly before `PathFinder`: hooks in front of it see ordinary specs, and editable installs, whose
    finders come last, are seen by it. It imports nothing and holds no lock, so that it cannot come upon itself.

    Args:
        chooser: Swaps the loaders.
    """

    def __init__(self, chooser: Chooser) -> None:
        self.roots: frozenset[str] = frozenset()
        self._swap = chooser.swap

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find a module, as `importlib.abc.MetaPathFinder` documents it."""
        if fullname.partition(".")[0] not in self.roots:
            return None
        is_behind = False
        for finder in sys.meta_path:
            if is_behind:
                find: Callable[..., Any] | None = getattr(finder, "find_spec", None)
                spec: ModuleSpec | None = None if find is None else find(fullname, path, target)
                if spec is not None:
                    self._swap(fullname, spec)
                    return spec
            elif finder is self:
                is_behind = True
        return None


def insert(finder: SpearmintFinder) -> None:
    """Put a finder on `sys.meta_path`, directly before `PathFinder`; first, where that is missing."""
    path = sys.meta_path
    if finder not in path:
        path.insert(next((index for index, one in enumerate(path) if one is PathFinder), 0), finder)


def remove(finder: SpearmintFinder) -> None:
    """Take a finder off `sys.meta_path`, if it is there."""
    if finder in sys.meta_path:
        sys.meta_path.remove(finder)
