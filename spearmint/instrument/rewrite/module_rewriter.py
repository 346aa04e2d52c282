"""One module on its way from what was read to what will run."""

import ast
import os
from collections.abc import Callable, Collection, Iterable, Sequence
from types import CodeType
from typing import Any

from spearmint.discovery import calls_in_code
from spearmint.discovery.reach.table_store import table_store
from spearmint.instrument.rewrite.ast_rewrite import rewrite_tree
from spearmint.instrument.rewrite.cache import CachedModule, StoredTables, key_of
from spearmint.instrument.rewrite.read_marks import marks_in
from spearmint.instrument.rewrite.result import (
    OUTERMOST,
    ModuleOutcome,
    ReadSite,
    Refused,
    RewrittenTree,
)
from spearmint.instrument.settings.matching import ModuleTargets, Rule
from spearmint.instrument.settings.value_target import ValueTargets
from spearmint.warn import warn_at

VerifyTargets = Callable[[str, Iterable[str], Iterable[str]], object]
RecordOutcome = Callable[[str, ModuleOutcome], object]

_REWRITTEN = ModuleOutcome("rewritten")
_CACHED = ModuleOutcome("cached")

TOO_DEEP = Refused("its source is nested too deeply")


class ModuleRewriter:
    """Rewrites one module as the settings say. What goes wrong with that is warned of, and the module stays as it is.

    Args:
        targets: What the settings in force say of the module; several, where `install` was called with several.
        verify_targets: Called with the module's name, its wrapped definitions and all its definitions before it runs,
            if the settings name functions of it; what it raises goes to the code that imports the module.
        record_outcome: Called with the module's name and what became of it when its loader has asked for its code.
        is_package: Whether the module is a package, from which its relative imports start.

    Attributes:
        name: Name of the module.
        key: 16 bytes that stand for the settings and the rewriter.
        is_published: Whether the module's code has been asked for.
        wrapped: Names of the wrapped definitions in that code.
        reads: The reads of values in it.
    """

    __slots__ = (
        "_is_package",
        "_record_outcome",
        "_refusal",
        "_rules",
        "_targets",
        "_values",
        "_verify_targets",
        "is_published",
        "key",
        "name",
        "reads",
        "wrapped",
    )

    def __init__(
        self,
        targets: Sequence[ModuleTargets],
        verify_targets: VerifyTargets,
        record_outcome: RecordOutcome,
        *,
        is_package: bool = False,
    ) -> None:
        self.name = targets[0].module
        self.key = key_of(*[one.digest for one in targets])
        self._targets = targets
        self._rules = targets[0].rules if len(targets) == 1 else tuple(rule for one in targets for rule in one.rules)
        self._values = targets[0].values
        if len(targets) > 1:
            self._values = ValueTargets(dict.fromkeys(value for one in targets for value in one.values))
        self._is_package = is_package
        self._verify_targets = verify_targets
        self._record_outcome = record_outcome
        self._refusal = ""
        self.is_published = False
        self.wrapped: tuple[str, ...] = ()
        self.reads: tuple[ReadSite, ...] = ()

    @property
    def has_targets(self) -> bool:
        """Whether the settings want any function of the module to be an experiment, or values that it may read."""
        return bool(self._rules or self._values)

    @property
    def has_values(self) -> bool:
        """Whether the settings name values that it may read."""
        return bool(self._values)

    @property
    def has_late_targets(self) -> bool:
        """Whether something that they want is there only when the module has run."""
        return any(rule.is_late for rule in self._rules) or any(one.defines_values for one in self._targets)

    def is_target(self, name: str, parameters: Collection[str]) -> bool | str:
        """Tell whether a definition is to be wrapped, and where, as `IsTarget` says."""
        for one in self._targets:
            rule = one.find(name, parameters)
            if rule is not None:
                return OUTERMOST if rule.is_outermost else True
        return False

    def from_source(self, data: Any, path: Any, optimize: int) -> RewrittenTree | Refused | None:
        """Parse and rewrite a source.

        Args:
            data: What `compile` takes as a source.
            path: The file, for messages.
            optimize: Optimisation level as for `compile`.

        Returns:
            The rewritten module; a refusal when its code can be rewritten instead; None when it is to be compiled as
            it is, be it that it has a syntax error.
        """
        try:
            tree = ast.parse(data, path)
        except RecursionError:
            return TOO_DEEP
        except Exception:  # noqa: BLE001 - whatever it is, the compiler says it better
            return None
        try:
            return rewrite_tree(tree, self.is_target, optimize=optimize)
        except RecursionError:
            return TOO_DEEP
        except Exception as error:  # noqa: BLE001 - importing goes on
            self.report(error, path)
            return None

    def with_reads(self, code: CodeType, path: Any) -> tuple[CodeType, tuple[ReadSite, ...]]:
        """Return the code of a module with what the settings vary read by way of the running case.

        Args:
            code: The code, in which functions may be wrapped.
            path: The file, for messages.

        Returns:
            The code, to be passed to `linked` before it runs, and the reads in it.
        """
        if not self._values:
            return code, ()
        # Opened for the first module that may read a value.
        from spearmint.instrument.rewrite import value_rewrite  # noqa: PLC0415

        try:
            return value_rewrite.rewrite_reads(code, self.name, is_package=self._is_package, values=self._values)
        except Exception as error:  # noqa: BLE001 - importing goes on
            self.report(error, path)
            return code, ()

    def linked(self, cached: CachedModule) -> CodeType:
        """Return the code of a module as it is to run."""
        if not cached.reads:
            return cached.code
        from spearmint.instrument.rewrite.value_links import ValueLinks  # noqa: PLC0415 - as above

        return ValueLinks(self._values).linked(cached.code, cached.marks)

    def from_code(self, code: CodeType) -> CachedModule | None:
        """Rewrite the code of a module that has no source.

        Args:
            code: The code of the module.

        Returns:
            The rewritten code and what goes with it; None when it cannot be rewritten.
        """
        tables = StoredTables(calls_in_code, code)
        if not self.has_targets:
            return CachedModule(code, (), tables)
        # Opened for the first module without source: it takes a while to import.
        from spearmint.instrument.rewrite import bytecode_rewrite  # noqa: PLC0415

        try:
            rewritten = bytecode_rewrite.rewrite_code(code, self.is_target)
        except Exception as error:  # noqa: BLE001 - importing goes on
            self.report(error, code.co_filename)
            return None
        if isinstance(rewritten, Refused):
            self.report(rewritten.reason, code.co_filename)
            return None
        made, reads = self.with_reads(rewritten.code, code.co_filename)
        return CachedModule(made, rewritten.wrapped, tables, reads, marks_in(made) if reads else ())

    def rewrite_and_publish(self, code: CodeType) -> CodeType:
        """Return the rewritten code of a module that is about to run, and make its call tables known.

        Args:
            code: The code of the module, which stays as it is when it cannot be rewritten.
        """
        cached = self.from_code(code)
        self.publish_tables(cached)
        return self.linked(cached) if cached else code

    def publish_tables(self, cached: CachedModule | None, *, is_from_cache: bool = False) -> None:
        """Make the call tables of the module known, and check that what the settings name is in it.

        Args:
            cached: Its code and what goes with it; None when the module stays as it is.
            is_from_cache: Whether an earlier import has made the code.
        """
        self.is_published = True
        self.wrapped = cached.wrapped if cached else ()
        self.reads = cached.reads if cached else ()
        if cached is None:
            table_store.forget_tables(self.name)
            self._record_outcome(self.name, ModuleOutcome("left", self._refusal))
            return
        outcome = _CACHED if is_from_cache else _REWRITTEN
        self._record_outcome(self.name, ModuleOutcome(outcome.state, "", self.reads) if self.reads else outcome)
        table_store.put(self.name, cached.tables)
        if self._rules and any(self._is_unmatched(rule, cached.wrapped) for rule in self._rules):
            self._verify_targets(self.name, cached.wrapped, cached.tables)

    @staticmethod
    def _is_unmatched(rule: Rule, wrapped: Iterable[str]) -> bool:
        target = rule.target
        if target is None or rule.is_late or target.has_module_glob:
            return False
        return not any(map(target.matches, wrapped))

    def report(self, reason: object, path: Any) -> None:
        """Warn that the module stays as it is.

        Args:
            reason: The reason, or what was raised.
            path: The module's file, where the warning points to.
        """
        cause = str(reason)
        if isinstance(reason, BaseException):
            cause = f"{type(reason).__name__}: {reason}".removesuffix(": ")  # A failed assertion says nothing.
        self._refusal = cause
        message = (
            f"Cannot instrument module {self.name!r}: {cause}. It runs as if Spearmint were not there; "
            "decorate its functions with @experiment, or report this."
        )
        warn_at(os.fsdecode(path), message)
