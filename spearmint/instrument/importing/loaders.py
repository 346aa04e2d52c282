"""Loaders that load a module as the stock ones do, and rewrite its code on the way."""

import os
import stat
import sys
from collections.abc import Callable
from importlib.abc import FileLoader
from importlib.machinery import ModuleSpec, SourceFileLoader, SourcelessFileLoader
from types import CodeType, ModuleType
from typing import Any, Self
from zipimport import zipimporter

from spearmint.context.current import experiment_case_var
from spearmint.instrument.rewrite.cache import CachedModule, SourceStat, cached_path, dump, load
from spearmint.instrument.rewrite.gc_pause import gc_paused
from spearmint.instrument.rewrite.module_rewriter import ModuleRewriter
from spearmint.instrument.rewrite.read_marks import marks_in
from spearmint.instrument.rewrite.result import Refused


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
        """Return the rewritten code of the module, and publish its call tables."""
        path = self.get_filename(fullname)
        cache = _Cache.of(path, self._rewriter.key)
        cached = cache.load() if cache else None
        # Bytecode does not say where its source is; a folder that was moved is compiled anew.
        is_from_cache = cached is not None and cached.code.co_filename == path
        if cached is None or not is_from_cache:
            source = self.get_data(path)
            code, cached = self._compiled(source, path)
            if cached is None:
                self._rewriter.publish_tables(None)
                return code
            if cache:
                cache.store(self, cached, source)
        self._rewriter.publish_tables(cached, is_from_cache=is_from_cache)
        return self._rewriter.linked(cached)

    def code_of_source(self, data: Any, path: str) -> CodeType:
        """Return the rewritten code of a source that is not read from the file, and publish its call tables."""
        code, cached = self._compiled(data, path)
        self._rewriter.publish_tables(cached)
        return code if cached is None else self._rewriter.linked(cached)

    def source_to_code(  # type: ignore[override] # typeshed has one static method for all loaders
        self, data: Any, path: Any, *args: Any, **options: Any
    ) -> CodeType:
        """Compile a source to rewritten code."""
        code, cached = self._compiled(data, path, *args, **options)
        return code if cached is None else self._rewriter.linked(cached)

    def _compiled(self, data: Any, path: Any, *args: Any, **options: Any) -> tuple[CodeType, CachedModule | None]:
        """Return the rewritten code of a source and what goes with it, or its code as it is and None."""
        compiled = super().source_to_code
        with gc_paused():
            rewritten = self._rewriter.from_source(data, path, options.get("_optimize", -1))
            if rewritten is None:
                return compiled(data, path, *args, **options), None
            if isinstance(rewritten, Refused):
                return self._from_code(compiled(data, path, *args, **options))
            try:
                code = compiled(rewritten.tree, path, *args, **options)
            except RecursionError:  # The compiler takes deeper sources than trees.
                return self._from_code(compiled(data, path, *args, **options))
            except Exception as error:  # noqa: BLE001 - an error of the user's is raised again, from the source
                code = compiled(data, path, *args, **options)
                self._rewriter.report(error, path)
                return code, None
            code, reads = self._rewriter.with_reads(code, path)
        marks = marks_in(code) if reads else ()
        return code, CachedModule(code, rewritten.wrapped, rewritten.tables, reads, marks)

    def _from_code(self, code: CodeType) -> tuple[CodeType, CachedModule | None]:
        cached = self._rewriter.from_code(code)
        return (cached.code if cached else code), cached


class InstrumentedSourcelessLoader(SourcelessFileLoader):
    """Loads a module that is there as bytecode only, rewritten, or from the rewritten code of an earlier load.

    Args:
        fullname: Name of the module.
        path: Its bytecode file.
        rewriter: Rewrites it.
    """

    def __init__(self, fullname: str, path: str, rewriter: ModuleRewriter) -> None:
        super().__init__(fullname, path)
        self._rewriter = rewriter

    def get_code(self, fullname: str) -> CodeType | None:
        """Return the rewritten code of the module, and publish its call tables."""
        path = self.get_filename(fullname)
        cache = _Cache.of(path, self._rewriter.key) if self._rewriter.has_targets else None
        cached = cache.load() if cache else None
        is_from_cache = cached is not None
        if cached is None:
            code = super().get_code(fullname)
            if code is None:  # Types allow for it; bytecode that cannot be read is an ImportError.
                return None
            cached = self._rewriter.from_code(code)
            if cached is None:
                self._rewriter.publish_tables(None)
                return code
            if cache and (cached.wrapped or cached.reads):
                cache.store(self, cached, self.get_data(path))
        self._rewriter.publish_tables(cached, is_from_cache=is_from_cache)
        return self._rewriter.linked(cached)


class _Cache:
    """The file that holds the rewritten code of one module, and the state that the file was in at first."""

    __slots__ = ("_key", "_mode", "_origin", "_path", "_source_stat")

    def __init__(self, path: str, origin: str, found: os.stat_result, key: bytes) -> None:
        self._path = path
        self._origin = origin
        self._source_stat = SourceStat(found.st_mtime_ns, found.st_size)
        self._mode = found.st_mode
        self._key = key

    @classmethod
    def of(cls, origin: str, key: bytes) -> Self | None:
        """Return the place for a file; None where there is none."""
        path = cached_path(origin)
        try:
            return path and cls(path, origin, os.stat(origin), key)  # type: ignore[return-value]  # noqa: PTH116
        except OSError:
            return None

    def load(self) -> CachedModule | None:
        """Return what is stored for the file as it is."""
        return load(self._path, self._source_stat, self._key, self._origin)

    def store(self, loader: FileLoader, cached: CachedModule, source: bytes) -> None:
        """Write the file, unless that is impossible or forbidden: the next import then makes the code anew."""
        if not sys.dont_write_bytecode:
            # The stock loader writes in one step, makes folders, and says nothing if it cannot.
            writer = SourceFileLoader(loader.name, loader.path)
            writer.set_data(
                self._path, dump(cached, source, self._source_stat, self._key), _mode=self._mode | stat.S_IWUSR
            )


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
        """Return the rewritten code of the module, and publish its call tables."""
        return self._rewriter.rewrite_and_publish(super().get_code(fullname))


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


class OutsideCaseLoader(AfterLoader):
    """Lets another loader run a module outside the case that imports it: what it makes of values serves all cases.

    Args:
        loader: As for `AfterLoader`.
    """

    def __init__(self, loader: Any) -> None:
        super().__init__(loader, lambda _: None)

    def exec_module(self, module: ModuleType) -> None:
        """Let the other loader run the module."""
        token = experiment_case_var.set(None)
        try:
            super().exec_module(module)
        finally:
            experiment_case_var.reset(token)


class MainLoader(AfterLoader):
    """Does the same for a module that may be run as the main one: then its code is asked for, and the module not made.

    Args:
        loader: As for `AfterLoader`.
        then: The same.
        as_main: Given its code, returns the code that does as it runs what ``then`` does once it has.
    """

    def __init__(
        self, loader: Any, then: Callable[[ModuleType], object], as_main: Callable[[CodeType], CodeType]
    ) -> None:
        super().__init__(loader, then)
        self._as_main = as_main

    def get_code(self, fullname: str) -> CodeType | None:
        """Return the code of the module for running it otherwise than by `exec_module`."""
        code: CodeType | None = self._loader.get_code(fullname)
        return None if code is None else self._as_main(code)

    def code_of_source(self, data: Any, path: str) -> CodeType:
        """Return the same of a source that is not read from the file."""
        return self._as_main(self._loader.code_of_source(data, path))
