"""Scripts: the one kind of module that no finder is asked for."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, SourceFileLoader, SourcelessFileLoader
from types import CodeType
from typing import Any

from spearmint.instrument.importing.hook import hook
from spearmint.instrument.importing.loaders import InstrumentedSourceLoader, MainLoader


@contextmanager
def no_main() -> Iterator[None]:
    """Hide the main module, which is still to become the program's."""
    ours = sys.modules.pop("__main__", None)
    try:
        yield
    finally:
        if ours is not None:
            sys.modules["__main__"] = ours


def loader_of(path: str) -> Any:
    """Return what loads a script, or bytecode, as the module ``__main__``, with what the settings want of it."""
    kind = SourcelessFileLoader if path.endswith(".pyc") else SourceFileLoader
    spec = ModuleSpec("__main__", kind("__main__", path), origin=path)
    hook.swap("__main__", spec)
    return spec.loader


def code_of(loader: Any, path: str) -> CodeType:
    """Return the code of a script, from what `loader_of` has returned."""
    if type(loader) is SourceFileLoader:
        return loader.source_to_code(loader.get_data(path), path)
    writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True  # Python caches no script.
    try:
        code: CodeType = loader.get_code("__main__")
    finally:
        sys.dont_write_bytecode = writes
    return code


def code_of_text(source: bytes, name: str) -> CodeType:
    """Return the code of a program in no file, as the module ``__main__``, with what the settings want of it."""
    loader = loader_of(name)
    if isinstance(loader, InstrumentedSourceLoader | MainLoader):
        return loader.code_of_source(source, name)
    code: CodeType = loader.source_to_code(source, name)
    return code
