"""Imports that have begun and not ended, here or in the parent of a fork, where they never end."""

import importlib
import sys
from time import monotonic

from spearmint.native import Waiter, get_ident

_POLL_SECONDS = 0.02


def is_half_imported(module: str) -> bool:
    """Tell whether an import of a module has begun and not ended."""
    spec = getattr(sys.modules.get(module), "__spec__", None)
    return bool(getattr(spec, "_initializing", False))


def wait_for_import(module: str, seconds: float) -> None:
    """Wait while another thread imports a module, which the child of a fork could neither use nor import again."""
    end = monotonic() + seconds
    while is_half_imported(module) and _is_imported_elsewhere(module) and monotonic() < end:
        Waiter().wait(_POLL_SECONDS)  # gevent's `sleep` would switch to another greenlet amid the fork.


def _is_imported_elsewhere(module: str) -> bool:
    """Tell whether a thread that is alive, and not this one, is at the import."""
    locks = importlib._bootstrap._module_locks  # type: ignore[attr-defined]  # noqa: SLF001 - no public name has it
    owner = getattr(locks.get(module, bool)(), "owner", None)
    return owner != get_ident() and owner in sys._current_frames()  # noqa: SLF001 - after a fork, the owner is gone
