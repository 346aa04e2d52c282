"""Loaders that load a module as the stock ones do, and rewrite its code on the way."""

import importlib.util
import marshal
import os
import sys
from collections.abc import Callable, Mapping
from importlib.machinery import BYTECODE_SUFFIXES, ModuleSpec, SourceFileLoader, SourcelessFileLoader
from types import CodeType, ModuleType
from typing import Any
from zipimport import zipimporter

from spearmint.instrument.cache import HEADER, Stamp, Stored, cached_path, seal, unseal
from spearmint.instrument.collector import paused
from spearmint.instrument.rewriting import ModuleRewriter

_BYTECODE = tuple(BYTECODE_SUFFIXES)


class InstrumentedSourceLoader(SourceFileLoader):
    """Loads a module from its source, rewritten, or from the rewritten code of an earlier load.

    It overrides nothing that runs while the module does, so that no frame of ours stands in the module's tracebacks.

    Args:
        fullname: Name of the module.
        path: Its source file.
        rewriter: Rewrites it.
    """

    def __init__(self, fullname: str, path: str, rewriter: ModuleRewriter) -> None:
        super().__init__(fullname, path)
        self._rewriter = rewriter

    def get_code(self, fullname: str) -> CodeType | None:
        """Return the rewritten code of the module, and leave its call tables."""
        reading = _Reading(self.name, self.path, self._rewriter)
        code = reading.get_code(fullname)
        self._rewriter.leave(reading.stored)
        return code

    def source_to_code(  # type: ignore[override] # typeshed has one static method for all loaders
        self, data: Any, path: Any, *args: Any, **options: Any
    ) -> CodeType:
        """Compile a source to rewritten code."""
        return _Reading(self.name, self.path, self._rewriter).source_to_code(data, path, *args, **options)


class _Reading(SourceFileLoader):
    """One reading of one module. Each has its own, since threads may read one module at the same time."""

    def __init__(self, fullname: str, path: str, rewriter: ModuleRewriter) -> None:
        super().__init__(fullname, path)
        self._rewriter = rewriter
        self._stamp = Stamp(0, 0)
        self._source_hash = b""
        self.stored: Stored | None = None

    def path_stats(self, path: str) -> Mapping[str, Any]:
        found = os.stat(path)  # noqa: PTH116 - as importlib does, for every module
        self._stamp = Stamp.of(found)
        return {"mtime": found.st_mtime, "size": found.st_size}

    def get_data(self, path: str) -> bytes:
        if not path.endswith(_BYTECODE):
            return super().get_data(path)
        data = super().get_data(cached_path(path))
        self.stored = unseal(data, self._stamp, self._rewriter.key, lambda: super(_Reading, self).get_data(self.path))
        if self.stored is None:
            message = f"{path} was made from something else"
            raise OSError(message)  # To importlib: there is no bytecode yet.
        return data

    def source_to_code(  # type: ignore[override] # typeshed has one static method for all loaders
        self, data: Any, path: Any, *args: Any, **options: Any
    ) -> CodeType:
        self.stored = None
        with paused():
            shaped = self._rewriter.from_source(data, path, options.get("_optimize", -1))
            try:
                code = super().source_to_code(shaped.tree if shaped else data, path, *args, **options)
            except Exception as error:
                if shaped is None:
                    raise
                code = super().source_to_code(data, path, *args, **options)  # An error of the user's is raised here.
                self._rewriter.report(error, path)
                return code
        if shaped is not None:
            self._source_hash = importlib.util.source_hash(data)
            self.stored = shaped.stored
        return code

    def set_data(self, path: str, data: Any, *, _mode: int = 0o666) -> None:
        if self.stored is not None:
            sealed = seal(bytes(data), self.stored, self._source_hash, self._stamp, self._rewriter.key)
            super().set_data(cached_path(path), sealed, _mode=_mode)


class InstrumentedSourcelessLoader(SourcelessFileLoader):
    """Loads a module that is there as bytecode only, rewritten.

    Args:
        fullname: Name of the module.
        path: Its bytecode file.
        rewriter: Rewrites it.
    """

    def __init__(self, fullname: str, path: str, rewriter: ModuleRewriter) -> None:
        super().__init__(fullname, path)
        self._rewriter = rewriter

    def get_code(self, fullname: str) -> CodeType | None:
        """Return the rewritten code of the module, and leave its call tables."""
        cache = self._cache()
        stamp = Stamp.of(os.stat(self.path))  # noqa: PTH116
        code, stored = self._kept(cache, stamp) if cache else (None, None)
        if code is None:
            original = super().get_code(fullname)
            if original is None:  # Types allow for it; bytecode that cannot be read is an ImportError.
                return None
            code, stored = self._rewriter.from_code(original)
            if cache and stored and stored.wrapped and not sys.dont_write_bytecode:
                self._keep(cache, stamp, code, stored)
        self._rewriter.leave(stored)
        return code

    def _cache(self) -> str | None:
        """Return where the rewritten code may be kept: where it would be if the source were there."""
        try:
            found = importlib.util.cache_from_source(self.path[: -len("c")])
        except NotImplementedError:
            return None
        return cached_path(found) if self._rewriter.has_targets else None

    def _kept(self, cache: str, stamp: Stamp) -> tuple[CodeType | None, Stored | None]:
        try:
            data = self.get_data(cache)
            stored = unseal(data, stamp, self._rewriter.key, lambda: self.get_data(self.path))
        except OSError:
            return None, None
        return (marshal.loads(memoryview(data)[HEADER:]), stored) if stored else (None, None)  # noqa: S302

    def _keep(self, cache: str, stamp: Stamp, code: CodeType, stored: Stored) -> None:
        original = self.get_data(self.path)
        pyc = original[:HEADER] + marshal.dumps(code)
        sealed = seal(pyc, stored, importlib.util.source_hash(original), stamp, self._rewriter.key)
        SourceFileLoader(self.name, self.path).set_data(cache, sealed)


class InstrumentedZipLoader(zipimporter):
    """Loads a module from a zip file, rewritten. As from any zip file, nothing is cached.

    Args:
        path: The zip file, with the folder in it where there is one.
        rewriter: Rewrites the module.
    """

    def __init__(self, path: str, rewriter: ModuleRewriter) -> None:
        super().__init__(path)
        self.whole_path = path
        self._rewriter = rewriter

    def get_code(self, fullname: str) -> CodeType:
        """Return the rewritten code of the module, and leave its call tables."""
        code, stored = self._rewriter.from_code(super().get_code(fullname))
        self._rewriter.leave(stored)
        return code


class AfterLoader:
    """Lets another loader do its work, then hands the module on. The module keeps the other loader as its own.

    Args:
        loader: The other loader.
        then: Called with the module once it has run.
    """

    def __init__(self, loader: Any, then: Callable[[ModuleType], object]) -> None:
        self._loader = loader
        self._then = then

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Let the other loader make the module."""
        create = getattr(self._loader, "create_module", None)
        made: ModuleType | None = None if create is None else create(spec)
        return made

    def exec_module(self, module: ModuleType) -> None:
        """Let the other loader run the module."""
        spec = module.__spec__
        if spec is not None and spec.loader is self:  # type: ignore[comparison-overlap]
            spec.loader = self._loader
        if module.__loader__ is self:
            module.__loader__ = self._loader
        self._loader.exec_module(module)
        self._then(module)


def restore_loader(module: ModuleType) -> None:
    """Give a module the stock loader that would have loaded it without us."""
    loader = getattr(module, "__loader__", None)
    stock: Any = None
    if isinstance(loader, InstrumentedSourceLoader):
        stock = SourceFileLoader(loader.name, loader.path)
    elif isinstance(loader, InstrumentedSourcelessLoader):
        stock = SourcelessFileLoader(loader.name, loader.path)
    elif isinstance(loader, InstrumentedZipLoader):
        stock = zipimporter(loader.whole_path)
    if stock is None:
        return
    module.__loader__ = stock
    if module.__spec__ is not None:
        module.__spec__.loader = stock
