"""The finders on `sys.meta_path`: filter by name, ask the finders behind, swap the loader."""

import sys
import threading
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any, Protocol

from spearmint.registry.plain_calls import plain_calls


class Chooser(Protocol):
    """What decides about a module that has been found."""

    def swap(self, name: str, spec: ModuleSpec) -> None:
        """Replace the loader of a spec, or leave it alone.

        Args:
            name: Name of the module.
            spec: What another finder has found.
        """

    def catch_up(self) -> None:
        """See to what was found by finders in front of ours."""


class SpearmintFinder:
    """Finds what the finders behind it find, for the packages that it is told of.

    It stands directly before `PathFinder`: hooks in front of it see ordinary specs, and editable installs, whose
    finders come last, are seen by it. It imports nothing and holds no lock, so that it cannot come upon itself.

    Args:
        chooser: Swaps the loaders.
    """

    passes_on = True

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


class FrontFinder:
    """Sees what finders in front of `SpearmintFinder` find: editable installs', frozen modules', other hooks'.

    It stands first, and moves there again when another finder has been put in front of it. A finder that asks all
    others comes back here; it is given nothing then, so that it finds what it would find without us.

    Args:
        inner: The finder directly before `PathFinder`, which knows the roots.
        chooser: Swaps the loaders.
    """

    passes_on = True

    def __init__(self, inner: SpearmintFinder, chooser: Chooser) -> None:
        self._inner = inner
        self._chooser = chooser
        self._asking = threading.local()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find a module, as `importlib.abc.MetaPathFinder` documents it."""
        position = 0
        if sys.meta_path[0] is not self:
            if self not in sys.meta_path:  # It has been taken off while an import was under way.
                return None
            position = sys.meta_path.index(self)  # Those in front have been asked, or ask just now.
            move_to_front(self)
            self._chooser.catch_up()
            if "mlflow" in sys.modules:
                plain_calls.end()
        root = fullname.partition(".")[0]
        if root == "mlflow":  # From now on, calls may be traced.
            plain_calls.end()
        if root not in self._inner.roots:
            return None
        behind = sys.meta_path[position + 1 :]
        asked: set[str] = vars(self._asking).setdefault("names", set())
        if fullname in asked:
            return None
        asked.add(fullname)
        try:
            return self._find(behind, fullname, path, target)
        finally:
            asked.discard(fullname)

    def _find(
        self, behind: Sequence[Any], fullname: str, path: Sequence[str] | None, target: ModuleType | None
    ) -> ModuleSpec | None:
        for finder in behind:
            find: Callable[..., Any] | None = getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = None if find is None else find(fullname, path, target)
            if finder is self._inner:
                return spec  # It has asked all that stand behind it.
            if spec is not None:
                self._chooser.swap(fullname, spec)
                return spec
        return None


def insert(finder: SpearmintFinder, front: FrontFinder) -> None:
    """Put a finder on `sys.meta_path`, directly before `PathFinder`, and another one first."""
    path = sys.meta_path
    if finder not in path:
        path.insert(next((index for index, one in enumerate(path) if one is PathFinder), 0), finder)
    move_to_front(front)


def move_to_front(front: FrontFinder) -> None:
    """Put a finder first, in one step, so that an import under way on another thread passes none over."""
    sys.meta_path[:] = [front, *(one for one in sys.meta_path if one is not front)]


def remove(*finders: object) -> None:
    """Take finders off `sys.meta_path`, those that are there."""
    sys.meta_path[:] = [one for one in sys.meta_path if one not in finders]
