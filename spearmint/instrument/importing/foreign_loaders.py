"""Loaders that are none of the stock ones: their code is rewritten where they let us at it, before the module runs."""

import functools
import os
from collections.abc import Callable
from importlib.machinery import (
    BuiltinImporter,
    ExtensionFileLoader,
    FrozenImporter,
    ModuleSpec,
    SourceFileLoader,
    SourcelessFileLoader,
)
from types import CodeType, ModuleType
from typing import Any
from zipimport import zipimporter

from spearmint.instrument.importing.loaders import (
    AfterLoader,
    InstrumentedSourcelessLoader,
    InstrumentedSourceLoader,
    InstrumentedZipLoader,
)
from spearmint.instrument.rewrite.module_rewriter import ModuleRewriter

_STOCK_EXEC: Any = SourceFileLoader.exec_module  # Every stock loader of code has this one; it asks for `get_code`.
_REWRITERS = "_spearmint_rewriters"
_IN_PLACE: dict[type, type] = {
    SourceFileLoader: InstrumentedSourceLoader,
    SourcelessFileLoader: InstrumentedSourcelessLoader,
}


class InstrumentedFrozenLoader:
    """Loads a module that is frozen into the interpreter, rewritten.

    Args:
        rewriter: Rewrites it.
    """

    exec_module = _STOCK_EXEC
    get_source = FrozenImporter.get_source
    is_package = FrozenImporter.is_package

    def __init__(self, rewriter: ModuleRewriter) -> None:
        self._rewriter = rewriter

    @staticmethod
    def create_module(spec: ModuleSpec) -> ModuleType | None:
        """Let the stock loader make the module."""
        return FrozenImporter.create_module(spec)

    def get_code(self, fullname: str) -> CodeType:
        """Return the rewritten code of the module, and publish its call tables."""
        code: Any = FrozenImporter.get_code(fullname)  # Types have it return nothing.
        return self._rewriter.rewrite_and_publish(code)


OWN_LOADERS = (
    InstrumentedSourceLoader,
    InstrumentedSourcelessLoader,
    InstrumentedZipLoader,
    InstrumentedFrozenLoader,
    AfterLoader,
)


def rewriting_loader(loader: Any, rewriter: ModuleRewriter) -> Any:
    """Return the loader of ours that stands for a stock one; None if it is no stock loader of Python code."""
    kind = type(loader)
    if kind is SourceFileLoader:
        return InstrumentedSourceLoader(loader.name, loader.path, rewriter)
    if kind is SourcelessFileLoader:
        return InstrumentedSourcelessLoader(loader.name, loader.path, rewriter)
    if kind is zipimporter:
        return InstrumentedZipLoader(os.path.join(loader.archive, loader.prefix).rstrip(os.sep), rewriter)  # noqa: PTH118
    return InstrumentedFrozenLoader(rewriter) if loader is FrozenImporter else None


def has_code(loader: Any) -> bool:
    """Tell whether what a loader loads is Python code, for all that can be seen; extension modules are not."""
    return loader is not BuiltinImporter and not isinstance(_code_source(loader) or loader, ExtensionFileLoader)


def rewrite_code_of(loader: Any, name: str, rewriter: ModuleRewriter) -> bool:
    """Have a loader give rewritten code of a module.

    The object that gives the code is looked for behind wrappers that delegate to it. It keeps its identity and state:
    only its class becomes a subclass, with a `get_code` of ours.

    Args:
        loader: The loader.
        name: Name of the module.
        rewriter: Rewrites it.

    Returns:
        Whether that was possible. Unless it `asks_for_code`, the end of the import tells whether that code has run.
    """
    source = _code_source(loader)
    kind: Any = type(source)
    # A class serves every module and is not ours to change; so does the loader of a zip file for what is in it.
    if source is None or isinstance(source, type | ModuleType | ExtensionFileLoader) or kind is zipimporter:
        return False
    try:
        if kind in _IN_PLACE or kind in _IN_PLACE.values():
            source.__class__ = _IN_PLACE.get(kind, kind)
            source._rewriter = rewriter  # noqa: SLF001 - as its constructor does
        elif "get_code" in vars(source):
            source.get_code = functools.partial(_rewritten_code, source.get_code, {name: rewriter})
        else:
            vars(source).setdefault(_REWRITERS, {})[name] = rewriter
            if not _is_made(kind):
                source.__class__ = _subclass(kind)
    except (TypeError, AttributeError):  # One with slots, or that refuses attributes.
        return False
    return True


def asks_for_code(loader: Any) -> bool:
    """Tell whether a loader is sure to run the code that its `get_code` gives."""
    run = getattr(loader, "exec_module", None)
    is_stock = getattr(run, "__func__", None) is _STOCK_EXEC
    return is_stock and getattr(run, "__self__", None) is _code_source(loader)


def _restore_class(loader: Any) -> None:
    """Let a loader that `rewrite_code_of` has changed be what it was."""
    source = _code_source(loader)
    if _is_made(type(source)):
        vars(source).pop(_REWRITERS, None)
        source.__class__ = type(source).__bases__[0]
    elif isinstance(found := getattr(source, "get_code", None), functools.partial) and found.func is _rewritten_code:
        source.get_code = found.args[0]
    elif source is not loader and type(source) in _IN_PLACE.values():
        source.__class__ = type(source).__bases__[0]


def _code_source(loader: Any) -> Any:
    """Return the object whose `get_code` a call of the loader's comes down to; None if there is none."""
    get_code = getattr(loader, "get_code", None)
    if not callable(get_code) or not callable(getattr(loader, "exec_module", None)):
        return None
    return getattr(get_code, "__self__", loader)


@functools.cache
def _subclass(kind: Any) -> Any:
    """Return a subclass of a loader's class that rewrites the code of modules that it has a rewriter for."""

    def get_code(self: Any, *args: Any, **kwargs: Any) -> CodeType | None:
        # Frozen loaders and such may be shared by many modules, so that the name decides.
        return _rewritten_code(super(made, self).get_code, vars(self).get(_REWRITERS, {}), *args, **kwargs)

    names = {"__slots__": (), "__module__": kind.__module__, "__qualname__": kind.__qualname__, _REWRITERS: None}
    made: Any = type(kind.__name__, (kind,), {**names, "get_code": get_code})
    return made


def _is_made(kind: type) -> bool:
    return _REWRITERS in vars(kind)


def _rewritten_code(
    get_code: Callable[..., CodeType | None], rewriters: dict[str, ModuleRewriter], *args: Any, **kwargs: Any
) -> CodeType | None:
    code = get_code(*args, **kwargs)
    asked = args[0] if args else kwargs.get("fullname")
    rewriter = rewriters.get(asked) if isinstance(asked, str) else next(iter(rewriters.values()), None)
    return code if rewriter is None or code is None else rewriter.rewrite_and_publish(code)


def restore_loader(module: ModuleType) -> None:
    """Give a module the loader that would have loaded it without us."""
    loader = getattr(module, "__loader__", None)
    stock: Any = None
    if isinstance(loader, InstrumentedSourceLoader):
        stock = SourceFileLoader(loader.name, loader.path)
    elif isinstance(loader, InstrumentedSourcelessLoader):
        stock = SourcelessFileLoader(loader.name, loader.path)
    elif isinstance(loader, InstrumentedZipLoader):
        stock = zipimporter(loader.whole_path)
    elif isinstance(loader, InstrumentedFrozenLoader):
        stock = FrozenImporter
    if stock is None:
        _restore_class(loader)
        return
    module.__loader__ = stock
    if module.__spec__ is not None:
        module.__spec__.loader = stock
