"""What is said of a module that is not there."""

import pkgutil
import sys

from spearmint.instrument.naming.static_modules import find_module
from spearmint.suggest import did_you_mean


def missing_module_message(module: str, owner: str) -> str:
    """Return what is said of a module that is not there, with what stands in its place.

    Args:
        module: Its name.
        owner: What names it, for the message.
    """
    above, _, _ = module.rpartition(".")
    real = getattr(sys.modules.get(module), "__name__", module)
    if real != module:
        return f"Cannot find the module {module!r} of {owner}: that is another name of {real!r}. Write {real!r}."
    spec = find_module(above) if above else None
    if above and spec is None:
        return missing_module_message(above, owner)
    path = spec.submodule_search_locations if spec is not None else None
    siblings = [found.name for found in pkgutil.iter_modules(None if spec is None else path or ())]
    full = [f"{above}.{name}" if above else name for name in siblings]
    where = f"in package {above!r}" if above else "on sys.path, in the working directory or beside the settings"
    return (
        f"Cannot find the module {module!r} of {owner}: there is none {where}. "
        f"Correct the name, or install what has it.{did_you_mean(module, full)}"
    )
