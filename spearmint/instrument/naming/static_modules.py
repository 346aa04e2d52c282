"""Modules as they are found and compiled, and what they define, without running any of them."""

import inspect
import os
import pkgutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, SourceFileLoader
from types import CodeType
from typing import Any

from spearmint.discovery.table_builder import MODULE, is_hidden, scope_name
from spearmint.instrument.rewrite.cache import load_for_reading
from spearmint.signatures import parameter_names_in_code

UNREADABLE = (SyntaxError, OSError, ImportError, ValueError, EOFError)
"""What reading a module raises where its source, its bytecode or its file is no good."""


@dataclass(frozen=True, slots=True)
class StaticDefinition:
    """A function that a module defines.

    Attributes:
        name: Its qualified name; from the second of that name on with ``#2``, ``#3``... appended.
        parameters: Names of its parameters, without ``*args`` and ``**kwargs``.
        takes_any: Whether it has ``**kwargs``.
    """

    name: str
    parameters: tuple[str, ...]
    takes_any: bool


@dataclass(frozen=True, slots=True)
class ModuleDefinitions:
    """What a module defines.

    Attributes:
        functions: Its functions, in the order of the source.
        names: Names of these, and of its classes.
    """

    functions: tuple[StaticDefinition, ...]
    names: tuple[str, ...]


def find_module(name: str) -> ModuleSpec | None:
    """Find a module through the finders of the process; its parents are not imported for it.

    Finders that say that they pass on what others find are not asked: ours is one, and may be what asks.

    Args:
        name: Its whole name.

    Returns:
        Its spec; None if there is none, or if a parent only tells when it runs where its modules are.
    """
    path: Any = None
    spec: ModuleSpec | None = None
    parts = name.split(".")
    for length in range(1, len(parts) + 1):
        spec = _found(".".join(parts[:length]), path)
        if spec is None or (length < len(parts) and spec.submodule_search_locations is None):
            return None
        path = _locations(spec)
    return spec


def _found(name: str, path: Any) -> ModuleSpec | None:
    for finder in sys.meta_path:
        if getattr(finder, "passes_on", False):
            continue
        find: Callable[..., ModuleSpec | None] | None = getattr(finder, "find_spec", None)
        try:
            spec = find(name, path, None) if find is not None else None
        except (KeyError, ModuleNotFoundError):  # The latter since CPython 3.15.
            # It found a namespace package, which asks for its parent: that has not been imported.
            spec = _namespace(name, path or [])
        if spec is not None:
            return spec
    return None


def _namespace(name: str, path: list[str]) -> ModuleSpec:
    spec = ModuleSpec(name, None, is_package=True)
    last = name.rpartition(".")[2]
    spec.submodule_search_locations = [found for entry in path if os.path.isdir(found := os.path.join(entry, last))]  # noqa: PTH112, PTH118
    return spec


def _locations(spec: ModuleSpec) -> list[str] | None:
    # The path of a namespace package asks its parent anew, which has not been imported.
    found = getattr(spec.submodule_search_locations, "_path", spec.submodule_search_locations)
    return None if found is None else list(found)


def matching_modules(package: str) -> Iterator[str]:
    """Yield a package's name and those of all modules below it, without importing any; nothing if there is none."""
    spec = find_module(package)
    if spec is None:
        return
    yield package
    folders = _locations(spec) or []
    names = [found.name for found in pkgutil.iter_modules(folders)]
    for name in sorted({*names, *_namespaces_in(folders)}):
        yield from matching_modules(f"{package}.{name}")


def _namespaces_in(folders: list[str]) -> Iterator[str]:
    """Yield the names of folders that may be packages without an ``__init__``, which `pkgutil` passes over."""
    for folder in filter(os.path.isdir, folders):
        for entry in os.scandir(folder):
            if entry.is_dir() and entry.name.isidentifier() and entry.name != "__pycache__":
                yield entry.name


def compiled_code(spec: ModuleSpec) -> CodeType | None:
    """Return the code of a module, read from where its loader has it; None for one without, as an extension module.

    Raises:
        Exception: One of `UNREADABLE`.
    """
    get: Callable[[str], CodeType | None] | None = getattr(spec.loader, "get_code", None)
    return None if get is None else get(spec.name)


def code_for_reading(spec: ModuleSpec) -> CodeType | None:
    """Do the same, but write no bytecode, and take that which the import hook has left where Python has left none.

    Raises:
        Exception: One of `UNREADABLE`.
    """
    loader = spec.loader
    if type(loader) is SourceFileLoader:
        return _ReadingLoader(loader.name, loader.path).get_code(spec.name)
    return compiled_code(spec)


class _ReadingLoader(SourceFileLoader):
    """Reads the code of a module that is not about to run."""

    def set_data(self, path: str, data: Any, *, _mode: int = 0) -> None:
        """Leave no bytecode: the module may be imported with other code than this."""

    def source_to_code(  # type: ignore[override] # typeshed has one static method for all loaders
        self, data: Any, path: Any, *args: Any, **options: Any
    ) -> CodeType:
        """Compile a source for which there is no bytecode of Python's own."""
        return load_for_reading(path) or super().source_to_code(data, path, *args, **options)


def definitions_in(code: CodeType) -> ModuleDefinitions:
    """Find what the code of a module defines.

    Args:
        code: The module's code.

    Returns:
        Its functions and classes, under the names that `spearmint.discovery.calls_in_code` gives them.
    """
    found: list[tuple[int, str, CodeType]] = []
    pending: list[tuple[CodeType, str, bool]] = [(code, MODULE, True)]
    while pending:
        running, owner, is_class = pending.pop()
        for child in running.co_consts:
            if not isinstance(child, CodeType):
                continue
            if is_hidden(child.co_name):
                pending.append((child, owner, is_class))
                continue
            name = scope_name(owner, child.co_name, owner_is_class=is_class)
            found.append((child.co_firstlineno, name, child))
            pending.append((child, name, not child.co_flags & inspect.CO_OPTIMIZED))
    counts: dict[str, int] = {}
    names, functions = [], []
    for _, name, child in sorted(found, key=lambda item: item[0]):
        count = counts[name] = counts.get(name, 0) + 1
        numbered = name if count == 1 else f"{name}#{count}"
        names.append(numbered)
        if child.co_flags & inspect.CO_OPTIMIZED and child.co_name != "<lambda>":
            takes_any = bool(child.co_flags & inspect.CO_VARKEYWORDS)
            functions.append(StaticDefinition(numbered, parameter_names_in_code(child), takes_any))
    return ModuleDefinitions(tuple(functions), tuple(names))
