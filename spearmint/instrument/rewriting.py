"""One module on its way from what was read to what will run."""

import ast
import os
import warnings
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from types import CodeType
from typing import Any

from spearmint.discovery import calls_in_code
from spearmint.discovery.known import known_code
from spearmint.errors import SpearmintWarning
from spearmint.instrument.ast_rewrite import rewrite_tree
from spearmint.instrument.bytecode_rewrite import rewrite_code
from spearmint.instrument.cache import Stored, StoredTables, key_of
from spearmint.instrument.rewritten import Refused
from spearmint.instrument.targets import ModuleTargets

Check = Callable[[str, Iterable[str], Iterable[str]], object]


@dataclass(frozen=True, slots=True)
class ShapedTree:
    """A module's tree, rewritten, and what goes with its code.

    Attributes:
        tree: The tree.
        stored: The wrapped definitions and the call tables.
    """

    tree: ast.Module
    stored: Stored


class ModuleRewriter:
    """Rewrites one module as the settings say. What goes wrong with that is warned of, and the module stays as it is.

    Args:
        targets: What the settings in force say of the module; several, where `install` was called with several.
        check: Called with the module's name, its wrapped definitions and all its definitions before it runs, if the
            settings name functions of it; what it raises is for who imports the module.

    Attributes:
        name: Name of the module.
        key: 16 bytes that stand for the settings and the rewriter.
    """

    def __init__(self, targets: Sequence[ModuleTargets], check: Check) -> None:
        self.name = targets[0].module
        self.key = key_of(*(one.digest for one in targets))
        self.has_targets = any(one.rules for one in targets)
        self._targets = targets
        named = [rule.target for one in targets for rule in one.rules]
        self._named = [target for target in named if target is not None and not target.has_module_glob]
        self._check = check

    def is_target(self, name: str, parameters: Collection[str]) -> bool:
        """Tell whether a definition is to be wrapped."""
        return any(one.find(name, parameters) is not None for one in self._targets)

    def from_source(self, data: Any, path: Any, optimize: int) -> ShapedTree | None:
        """Parse and rewrite a source.

        Args:
            data: What `compile` takes as a source.
            path: The file, for messages.
            optimize: Optimisation level as for `compile`.

        Returns:
            The rewritten module; None when it is to be compiled as it is, be it that it has a syntax error.
        """
        try:
            tree = ast.parse(data, path)
        except Exception:  # noqa: BLE001 - whatever it is, the compiler says it better
            return None
        try:
            rewritten = rewrite_tree(tree, self.is_target, optimize=optimize)
        except Exception as error:  # noqa: BLE001 - importing goes on
            self.report(error, path)
            return None
        return ShapedTree(rewritten.tree, Stored(rewritten.wrapped, rewritten.tables))

    def from_code(self, code: CodeType) -> tuple[CodeType, Stored | None]:
        """Rewrite the code of a module that has no source.

        Args:
            code: The code of the module.

        Returns:
            The rewritten code and what goes with it; the code as it was and None when it cannot be rewritten.
        """
        tables = StoredTables(lambda: calls_in_code(code))
        if not self.has_targets:
            return code, Stored((), tables)
        try:
            rewritten = rewrite_code(code, self.is_target)
        except Exception as error:  # noqa: BLE001 - importing goes on
            self.report(error, code.co_filename)
            return code, None
        if isinstance(rewritten, Refused):
            self.report(rewritten.reason, code.co_filename)
            return code, None
        return rewritten.code, Stored(rewritten.wrapped, tables)

    def leave(self, stored: Stored | None) -> None:
        """Leave the call tables of the module, and check that what the settings name is in it.

        Args:
            stored: What went with its code; None when the module stays as it is.
        """
        if stored is None:
            known_code.forget_tables(self.name)
            return
        known_code.leave_tables(self.name, stored.tables)
        if any(not any(map(target.matches, stored.wrapped)) for target in self._named):
            self._check(self.name, stored.wrapped, stored.tables)

    def report(self, reason: object, path: Any) -> None:
        """Warn that the module stays as it is.

        Args:
            reason: The reason, or what was raised.
            path: The module's file, where the warning points to.
        """
        cause = f"{type(reason).__name__}: {reason}" if isinstance(reason, BaseException) else reason
        message = (
            f"Cannot instrument module {self.name!r}: {cause}. It runs as if Spearmint were not there; "
            "decorate its functions with @experiment, or report this."
        )
        warnings.warn_explicit(message, SpearmintWarning, os.fsdecode(path), 1)
