"""A child of an instrumented program before it has imported anything that the settings are about.

Reading settings takes many times as long as the start of Python does, and most children, such as a call of pip, have no
use for them. So they are read when something is imported that they are about.
"""

import importlib
import json
import os
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

CHILD_VARIABLE = "SPEARMINT_CHILDREN"
"""The environment variable that tells a child what to install: as JSON, names of packages, and arguments."""

_CHILD = "spearmint.instrument.child_bootstrap"


class LazyFinder:
    """A finder that installs as soon as something is imported that the settings are about.

    Args:
        roots: Names at the top of the modules that they are about.
        install: Installs, and is called once.
    """

    def __init__(self, roots: Iterable[str], install: Callable[[], object]) -> None:
        self._roots = frozenset(roots)
        self._install = install
        self._lock = threading.Lock()
        self._is_waiting = True

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find what the finders behind it find, with the settings in force; nothing where they are about nothing."""
        if fullname.partition(".")[0] not in self._roots:
            return None
        with self._lock:  # Nothing that is imported to install comes back here: settings are not about Spearmint.
            if self._is_waiting:
                self._is_waiting = False
                self._install()
        # The import system, which asks the finders in turn, has passed the place where the new one stands.
        behind = sys.meta_path[sys.meta_path.index(self) + 1 :] if self in sys.meta_path else []
        for finder in behind:
            find: Callable[..., Any] | None = getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = None if find is None else find(fullname, path, target)
            if spec is not None:
                return spec
        return None


def install_lazy_finder() -> None:
    """Install at the start of a child what its parent has installed, or wait until there is use for it."""
    if not (message := os.environ.get(CHILD_VARIABLE)):
        return
    roots, arguments = json.loads(message)

    is_start = "__main__" in roots  # It is about to run.

    def install() -> None:
        importlib.import_module(_CHILD).install_in_child(*arguments, is_start=is_start)

    if is_start:
        install()
        return
    position = next((index for index, one in enumerate(sys.meta_path) if one is PathFinder), len(sys.meta_path))
    sys.meta_path.insert(position, LazyFinder(roots, lambda: _report_failure(install)))


def remove_lazy_finder() -> None:
    """Take back what `install_lazy_finder` has put in place."""
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, LazyFinder)]


def _report_failure(install: Callable[[], None]) -> None:
    try:
        install()
    except Exception as error:  # noqa: BLE001 - the child runs on, as Python does when sitecustomize fails
        sys.stderr.write(
            "Cannot instrument this process as its parent is; it runs as if that were not:\n"
            f"{type(error).__name__}: {error}\n"
        )
