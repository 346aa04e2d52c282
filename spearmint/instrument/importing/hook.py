"""The one hook of the process: which installations it serves, and what it does with a module that has been found."""

import threading
from collections.abc import Callable, Iterable
from importlib.machinery import ModuleSpec, NamespaceLoader
from importlib.util import LazyLoader
from types import CodeType, ModuleType
from typing import Any

from spearmint.context.current import experiment_case_var
from spearmint.discovery import is_supported
from spearmint.instrument.importing.already_imported import wrap_missed_modules
from spearmint.instrument.importing.finder import FrontFinder, SpearmintFinder, insert, remove
from spearmint.instrument.importing.foreign_loaders import (
    OWN_LOADERS,
    asks_for_code,
    has_code,
    rewrite_code_of,
    rewriting_loader,
)
from spearmint.instrument.importing.installation import Installation
from spearmint.instrument.importing.loaders import AfterLoader, MainLoader, OutsideCaseLoader
from spearmint.instrument.importing.refusals import explaining
from spearmint.instrument.rewrite.injected import entry
from spearmint.instrument.rewrite.module_rewriter import ModuleRewriter
from spearmint.instrument.rewrite.result import ModuleOutcome
from spearmint.registry.plain_calls import plain_calls
from spearmint.warn import warn


class Hook:
    """Swaps the loaders of the modules that some installation is about.

    Attributes:
        installations: What is installed, in the order in which it was. Never changed in place, so that imports, which
            hold no lock of ours, see one state or the other.
        sees_cells: Whether cells of a notebook are rewritten.
    """

    def __init__(self) -> None:
        self.installations: tuple[Installation, ...] = ()
        self.lock = threading.RLock()
        self.sees_cells = False
        self._verify = self.verify_targets  # Bound once: every module's rewriter holds it, and the next one.
        self._record = self.record_outcome
        self._can_rewrite = False
        self._finder = SpearmintFinder(self)
        self._front = FrontFinder(self._finder, self)

    def add(self, installation: Installation) -> None:
        """Serve an installation."""
        self._serve((*self.installations, installation))

    def drop(self, installation: Installation) -> None:
        """Serve an installation no longer."""
        self._serve(tuple(one for one in self.installations if one is not installation))

    def _serve(self, installations: tuple[Installation, ...]) -> None:
        self.installations = installations
        self._can_rewrite = is_supported()
        self._finder.roots = frozenset().union(*(one.targets.roots for one in installations))
        if installations:
            entry.on_function = self.dispatch
            insert(self._finder, self._front)
            plain_calls.sees_imports = True
        else:
            plain_calls.sees_imports = False
            plain_calls.end()
            remove(self._finder, self._front)
            entry.on_function = None

    def dispatch(self, function: Callable[..., Any], module: str, name: str) -> Any:
        """Make an experiment of a function, as the latest installation says that says anything of it."""
        for installation in reversed(self.installations):
            made = installation.declare_tracked(function, module, name)
            if made is not function:
                return made
        return function

    def swap(self, name: str, spec: ModuleSpec) -> None:
        """Replace the loader of a spec where the settings match the module. It never fails: importing goes on."""
        matched = []
        targets = []
        for one in self.installations:
            found = one.targets.of(name)
            if found is not None:
                matched.append(one)
                targets.append(found)
            if not one.targets.roots <= self._finder.roots:  # Targets have been followed further.
                self._finder.roots |= one.targets.roots
                one.reach_packages()
        if not matched:
            return
        is_package = spec.submodule_search_locations is not None
        rewriter = ModuleRewriter(targets, self._verify, self._record, is_package=is_package)
        try:
            loader = self._loader(name, spec.loader, matched, rewriter)
            if rewriter.has_values:
                loader = _outside_case(loader)
        except Exception as error:  # noqa: BLE001 - importing goes on
            message = f"Cannot instrument module {name!r}: {type(error).__name__}: {error}. It is imported as it is."
            warn(message)
            return
        if loader is not None:
            spec.loader = loader
            for one in matched:
                one.modules.add(name)

    def _loader(self, name: str, loader: Any, matched: list[Installation], rewriter: ModuleRewriter) -> Any:
        kind = type(loader)
        if loader is None or kind is NamespaceLoader or isinstance(loader, OWN_LOADERS):
            return None  # A namespace package has no code; what is in it is found on its own.
        if kind is LazyLoader:
            loader.loader = self._loader(name, loader.loader, matched, rewriter) or loader.loader
            return loader
        if self._can_rewrite and (made := rewriting_loader(loader, rewriter)) is not None:
            if rewriter.has_targets:
                explaining(made, rewriter)
            return self._with_late_targets(made, rewriter)
        is_hooked = self._can_rewrite and rewrite_code_of(loader, name, rewriter)
        if is_hooked and asks_for_code(loader):
            return self._with_late_targets(loader, rewriter)
        named = loader if isinstance(loader, type) else kind
        reason = f"its loader is a {named.__module__}.{named.__qualname__}"
        if not rewriter.has_targets or not hasattr(loader, "exec_module"):
            for one in matched:  # Where its code is asked for, that is noted later.
                one.account.modules[name] = ModuleOutcome("left", reason)
            return loader if is_hooked else None
        return AfterLoader(loader, lambda module: self._wrap_after(module, rewriter, reason, has_code=has_code(loader)))

    def _with_late_targets(self, loader: Any, rewriter: ModuleRewriter) -> Any:
        if not rewriter.has_late_targets:
            return loader
        return MainLoader(
            loader, lambda module: self.finish(module, rewriter), lambda code: self._as_main(code, rewriter)
        )

    def _as_main(self, code: CodeType, rewriter: ModuleRewriter) -> CodeType:
        """Return the code of a module that puts the values that stand in it under experiment as it binds them.

        Functions of a program run before its main module has ended.
        """
        names: set[str] = set()
        about = [one for one in self.installations if one.targets.of(rewriter.name) is not None]
        for installation in about:
            names |= installation.values.expect(code, rewriter.name, rewriter.reads)
        if not names:
            return code
        from spearmint.instrument.rewrite.binding_calls import with_binding_calls  # noqa: PLC0415 - for such alone

        def on_bound(name: str, value: Any) -> None:
            for installation in about:
                installation.values.declare_bound(rewriter.name, name, value, rewriter.reads)

        return with_binding_calls(code, names, on_bound)

    def _wrap_after(self, module: ModuleType, rewriter: ModuleRewriter, reason: str, *, has_code: bool) -> None:
        """Wrap what the settings want of a module that has run, unless its own loader has run rewritten code."""
        if rewriter.is_published:
            self.finish(module, rewriter)
            return
        if self._can_rewrite and has_code:
            message = (
                f"Cannot rewrite module {rewriter.name!r}: {reason}. Its functions are wrapped once it has run; what "
                "decorators have kept of them by then, and functions inside functions, are not."
            )
            warn(message)
        self.wrap_in_place(module, rewriter.name, reason)

    def catch_up(self) -> None:
        """Wrap what the settings want of modules that a hook has loaded which came in front of ours."""
        for installation in self.installations:
            try:
                wrap_missed_modules(installation)
            except Exception as error:  # noqa: BLE001 - the import that is under way has nothing to do with it
                warn(f"Cannot wrap what another hook has loaded: {error}")

    def verify_targets(self, module: str, wrapped: Iterable[str], defined: Iterable[str]) -> None:
        """Raise an error if the settings in force name something in a module that is not there."""
        for installation in self.installations:
            installation.verify_targets(module, wrapped, defined)

    def record_outcome(self, module: str, outcome: ModuleOutcome) -> None:
        """Note what has become of a module whose code its loader has asked for."""
        for installation in self.installations:
            if installation.targets.of(module) is not None:
                installation.account.modules[module] = outcome

    def wrap_in_place(self, module: ModuleType, name: str, reason: str) -> None:
        """Wrap what the settings in force want of a module that has run.

        Args:
            module: The module.
            name: The name by which the settings know it.
            reason: Why its code was not rewritten.
        """
        for installation in self.installations:
            if installation.targets.of(name) is not None:
                installation.account.modules[name] = ModuleOutcome("wrapped_after", reason)
                installation.wrap_in_place(module, name)
                installation.values.declare(module, name, (), leaves_literals=True)

    def finish(self, module: ModuleType, rewriter: ModuleRewriter) -> None:
        """Wrap what a module has made only now that it has run, and put the values that stand in it under experiment.

        Args:
            module: The module.
            rewriter: What has rewritten it.
        """
        for installation in self.installations:
            if installation.targets.of(rewriter.name) is not None:
                installation.wrap_late(module, rewriter.name)
                installation.values.declare(module, rewriter.name, rewriter.reads)


def _outside_case(loader: Any) -> Any:
    """Return a loader that runs its module outside the case that imports it, if one may do that."""
    kind = type(loader)
    if kind is LazyLoader:
        loader.loader = OutsideCaseLoader(loader.loader)
        return loader
    is_in_case = experiment_case_var.get() is not None
    return OutsideCaseLoader(loader) if is_in_case and hasattr(loader, "exec_module") else loader


hook = Hook()
