"""The start of a Python process whose parent is instrumented and wants it to be so too."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from spearmint.instrument.children import VARIABLE
from spearmint.instrument.hook import hook
from spearmint.instrument.install import install
from spearmint.instrument.scripts import code_of, loader_of, no_main


def install_in_child() -> None:
    """Install what the parent has installed, at the start of its child."""
    if not (told := os.environ.get(VARIABLE)):
        return
    config, packages, propagate_threads = json.loads(told)
    with no_main():
        install(config, packages=packages, propagate_threads=propagate_threads)
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
