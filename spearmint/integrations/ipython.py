"""Cells of IPython and notebooks: rewritten as modules are, under the name ``__main__``."""

import ast
from typing import Any

from spearmint.discovery import is_supported
from spearmint.instrument.importing.hook import hook
from spearmint.instrument.importing.main_module import no_main
from spearmint.instrument.install import Handle, install
from spearmint.instrument.rewrite.ast_rewrite import rewrite_tree
from spearmint.instrument.rewrite.module_rewriter import ModuleRewriter
from spearmint.instrument.settings.load import find_settings
from spearmint.warn import warn, warn_once


class CellTransformer(ast.NodeTransformer):
    """Puts the wrapper on what the settings want of the functions that a cell defines.

    The calls of such functions are read from their bytecode: cells have no lines in common that a table could go by.

    Args:
        handle: What was installed when it was loaded; None if no settings were found.
    """

    def __init__(self, handle: Handle | None) -> None:
        super().__init__()
        self.handle = handle

    def visit(self, node: ast.AST) -> Any:
        """Rewrite a cell; one that cannot be is left as it is."""
        found = [targets for one in hook.installations if (targets := one.targets.of("__main__")) is not None]
        if not found or not isinstance(node, ast.Module) or not is_supported():
            return node
        for targets in found:
            for value in targets.values:
                if value.module == targets.module:
                    _tell_of_value(value.text)
        rewriter = ModuleRewriter(found, lambda *_: None, lambda *_: None)
        try:
            return rewrite_tree(node, rewriter.is_target).tree
        except Exception as error:  # noqa: BLE001 - the cell runs all the same
            message = (
                f"Cannot instrument a cell: {type(error).__name__}: {error}. It runs as if Spearmint were not there."
            )
            warn(message)
            return node


def _tell_of_value(text: str) -> None:
    warn_once(
        (_tell_of_value, text),
        f"Cannot vary {text!r}: values that stand in cells are not followed, and it stays as it is. Move it into a "
        "module, and name it there.",
    )


def load_extension(shell: Any) -> None:
    """Install the settings that are found, if any, and have every cell from now on rewritten."""
    unload_extension(shell)
    handle = None
    if find_settings() is not None:
        with no_main():  # It is still to be defined, cell by cell.
            handle = install()
    shell.ast_transformers.append(CellTransformer(handle))
    hook.sees_cells = True


def unload_extension(shell: Any) -> None:
    """Take back what `load_extension` has done; without that, do nothing."""
    hook.sees_cells = False
    for transformer in [one for one in shell.ast_transformers if isinstance(one, CellTransformer)]:
        shell.ast_transformers.remove(transformer)
        if transformer.handle is not None:
            transformer.handle.uninstall()
