"""The start of a Python process whose parent is instrumented and wants it to be so too."""

import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType
from typing import Any

from spearmint.instrument.importing.hook import hook
from spearmint.instrument.importing.main_module import code_of, loader_of, no_main
from spearmint.instrument.install import install_for_program


def install_in_child(
    config: Any, packages: Sequence[str], propagate_threads: Any, reload: float | None = None, *, is_start: bool
) -> None:
    """Install what the parent has installed, in its child.

    Args:
        config: As for `spearmint.install`.
        packages: The same.
        propagate_threads: The same.
        reload: The same.
        is_start: Whether the child's main module is still to run.
    """
    with no_main() if is_start else nullcontext():
        install_for_program(config, packages=packages, propagate_threads=propagate_threads, reload=reload)
    # A child of multiprocessing runs the script of its parent anew, without asking any finder.
    is_worker = any("multiprocessing" in argument for argument in sys.orig_argv)
    if is_worker and any("__main__" in one.targets.roots for one in hook.installations):
        _instrument_spawned_main()


def _instrument_spawned_main() -> None:
    from multiprocessing import spawn  # noqa: PLC0415 - only its own children have it open anyway

    run_plainly: Callable[[str], None] = spawn._fixup_main_from_path  # type: ignore[attr-defined] # noqa: SLF001

    def run_main(path: str) -> None:
        current = sys.modules["__main__"]
        if getattr(current, "__file__", None) == path or not Path(path).is_file() or Path(path).stem == "ipython":
            run_plainly(path)
            return
        spawn.old_main_modules.append(current)
        loader = loader_of(path)
        main = ModuleType("__mp_main__")
        main.__dict__.update(__file__=path, __loader__=loader, __package__="")
        sys.modules["__main__"] = sys.modules["__mp_main__"] = main
        exec(code_of(loader, path), main.__dict__)  # noqa: S102 - as multiprocessing does

    spawn._fixup_main_from_path = run_main  # type: ignore[attr-defined] # noqa: SLF001
