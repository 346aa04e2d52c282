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
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any
from zipimport import ZipImportError, zipimporter

from spearmint.instrument.child_processes.python_command import parse_python_command

CHILD_VARIABLE = "SPEARMINT_CHILDREN"
"""The environment variable that tells a child what to install: as JSON, names of packages, and arguments."""

PROGRAM_VARIABLE = "SPEARMINT_PROGRAM"
"""The environment variable that tells a child which script `spearmint run` runs, by its real path."""

STARTUP_FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "startup")  # noqa: PTH100, PTH118, PTH120
"""The folder on ``PYTHONPATH`` of children, with a ``sitecustomize`` that begins it all."""

_CHILD = "spearmint.instrument.child_bootstrap"
_started: list[str] = []
"""The message that this process has been started with, once that has been read."""


class LazyFinder:
    """A finder that installs as soon as something is imported that the settings are about. It stands first.

    Args:
        roots: Names at the top of the modules that they are about.
        install: Installs, and is called once.
    """

    passes_on = True

    def __init__(self, roots: Iterable[str], install: Callable[[], object]) -> None:
        self._roots = frozenset(roots)
        self._install = install
        self._lock = threading.Lock()
        self._is_waiting = True

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find what the other finders find, with the settings in force; nothing where they are about nothing."""
        if not self._is_waiting or fullname.partition(".")[0] not in self._roots:
            return None
        with self._lock:  # Nothing that is imported to install comes back here: settings are not about Spearmint.
            if self._is_waiting:
                self._is_waiting = False
                self._install()
        # The import system, which asks the finders in turn, has passed the places where the new ones stand.
        for finder in [one for one in sys.meta_path if one is not self]:
            find: Callable[..., Any] | None = getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = None if find is None else find(fullname, path, target)
            if spec is not None:
                return spec
        return None


def install_lazy_finder() -> None:
    """Install at the start of a child what its parent has installed, or wait until there is use for it.

    Both the `sitecustomize` of ours and `spearmint autostart` call it; the second call does nothing.
    """
    if not (message := os.environ.get(CHILD_VARIABLE)) or _started:
        return
    _started.append(message)
    roots, arguments = json.loads(message)

    is_start = "__main__" in roots  # It is about to run.

    def install() -> None:
        importlib.import_module(_CHILD).install_in_child(*arguments, is_start=is_start)

    if is_start:
        _run_again_if_program()
        install()
        return
    if any(root in sys.modules for root in roots):  # A sitecustomize of the user's, or a .pth file, has imported it.
        _report_failure(install)
        return
    sys.meta_path.insert(0, LazyFinder(roots, lambda: _report_failure(install)))


def _run_again_if_program() -> None:
    """Have `spearmint run` run the script of the parent, since Python asks no finder for a script."""
    command = parse_python_command(sys.orig_argv)
    script = command.program[0] if command.program else "-"
    known = os.environ.get(PROGRAM_VARIABLE)
    if script.startswith("-") or os.path.realpath(script) != known or not os.path.isfile(script):  # noqa: PTH113
        return
    try:
        zipimporter(script)  # That one is a module, found as others are.
    except ZipImportError:
        ours = ("-m", "spearmint", "run", "--inherits")
        os.execv(sys.executable, [sys.orig_argv[0], *command.options, *ours, *command.program])  # noqa: S606


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
