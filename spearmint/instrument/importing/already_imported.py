"""Modules that were imported before `install`, and that it would have instrumented."""

import importlib.util
import sys
from collections.abc import Callable, Iterator
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from spearmint.instrument.importing.installation import Installation
from spearmint.instrument.rewrite.result import ModuleOutcome
from spearmint.warn import warn

_LazyModule: type = importlib.util._LazyModule  # type: ignore[attr-defined]  # noqa: SLF001 - to be asked nothing
_SHOWN = 10

EARLIER = "it was imported before install()"
PAST = "another hook has loaded it and asked no finder behind it"


def wrap_imported_modules(
    installation: Installation, swap: Callable[[str, ModuleSpec], None], *, sees_cells: bool, is_reload: bool = False
) -> None:
    """Wrap in place what the settings want of modules that have run already, and name them in one warning.

    Args:
        installation: The settings in force, and what keeps account.
        swap: Swaps the loader of a module that is still to run, as those of `importlib.util.LazyLoader`.
        sees_cells: Whether what the main module defines from now on is rewritten, as in a notebook.
        is_reload: Whether they were instrumented already, by settings that these replace: nothing is said then.

    Raises:
        SettingsError: If the settings name something in such a module that is not there, or say ``on_missed: error``
            and there is such a module.
    """
    on_missed = installation.loaded.settings.on_missed
    imported = []
    for name, module, is_pending in covered_modules(installation):
        if is_pending:
            swap(name, object.__getattribute__(module, "__spec__"))
            continue
        if not is_reload:
            installation.account.already_imported.add(name)
        if not (sees_cells and name == "__main__"):
            imported.append(name)
        found = installation.targets.of(name)
        if found is not None and found.rules:
            # What a module that still runs has not defined yet may come.
            changes = installation.wrap_in_place(module, name, is_whole=not _is_running(module))
            if changes.wrapped and not is_reload:
                installation.account.modules[name] = ModuleOutcome("wrapped_after", EARLIER)
        if found is not None and found.defines_values and not _is_running(module):
            known = installation.account.modules.get(name)
            installation.values.declare(module, name, () if known is None else known.reads, leaves_literals=True)
    if not imported or is_reload or on_missed == "ignore":
        return
    imported.sort()
    more = f" and {len(imported) - _SHOWN} more" if len(imported) > _SHOWN else ""
    names = f"{', '.join(imported[:_SHOWN])}{more}"
    if on_missed == "error":
        message = (
            f"Cannot instrument what was imported before spearmint.install(): {names}. Call install() first, or leave "
            "'on_missed: error' out: functions that the settings name are then wrapped where they stand."
        )
        raise installation.loaded.origin.error(message, ("on_missed",))
    message = (
        f"Modules were imported before spearmint.install(): {names}. Functions in "
        "them that the settings name are wrapped where they stand; what others imported from them by then, what "
        "decorators have kept, and functions inside functions, stay as they are. Call install() first."
    )
    warn(message)


def wrap_missed_modules(installation: Installation) -> None:
    """Wrap in place what the settings want of modules that another hook has loaded past our finders.

    Args:
        installation: The settings in force, and what keeps account.
    """
    account = installation.account
    for name, module, is_pending in covered_modules(installation):
        known = (
            is_pending or name in installation.modules or name in account.modules or name in account.already_imported
        )
        found = installation.targets.of(name)
        if known or name == "__main__" or _is_running(module) or found is None or not found.rules:
            continue
        if installation.wrap_in_place(module, name, is_whole=False).wrapped:
            account.modules[name] = ModuleOutcome("wrapped_after", PAST)


def covered_modules(installation: Installation) -> Iterator[tuple[str, ModuleType, bool]]:
    """Yield the imported modules that an installation is about: name, module, and whether it is still to run.

    Nothing is asked of a module that would make it run.
    """
    for key, module in sys.modules.copy().items():
        if not issubclass(type(module), ModuleType):  # Objects that only say that they are modules have no names.
            continue
        if type(module) is _LazyModule:
            if installation.targets.of(key) is not None:
                yield key, module, True
            continue
        namespace: dict[str, Any] = object.__getattribute__(module, "__dict__")
        spec = namespace.get("__spec__")
        # `python -m shop.app` is known by the name of its spec; a namespace package holds nothing.
        name = spec.name if key == "__main__" and spec is not None else key
        has_run = namespace.get("__file__") is not None or namespace.get("__path__") is None
        if has_run and installation.targets.of(name) is not None:
            yield name, module, False


def _is_running(module: ModuleType) -> bool:
    return vars(module).get("__name__") == "__main__" or bool(
        getattr(vars(module).get("__spec__"), "_initializing", False)
    )
