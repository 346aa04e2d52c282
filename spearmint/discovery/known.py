"""What import time leaves for later: which packages are instrumented, and the call tables of their modules."""

from collections.abc import Iterable, Mapping
from types import FunctionType

from spearmint.discovery.calls import CallTable


class KnownCode:
    """The instrumented packages of the process, and the call tables of the modules that were loaded from them."""

    def __init__(self) -> None:
        self._packages: dict[str, int] = {}
        self._tables: dict[str, Mapping[str, CallTable]] = {}

    def add_packages(self, names: Iterable[str]) -> None:
        """Count packages as instrumented; their submodules are too. Each `add_packages` wants its `drop_packages`."""
        for name in names:
            self._packages[name] = self._packages.get(name, 0) + 1

    def drop_packages(self, names: Iterable[str]) -> None:
        """Take back what `add_packages` said."""
        for name in names:
            left = self._packages.pop(name, 0) - 1
            if left > 0:
                self._packages[name] = left

    def is_instrumented(self, module: str) -> bool:
        """Tell whether a module belongs to an instrumented package."""
        return any(module == package or module.startswith(f"{package}.") for package in self._packages)

    def leave_tables(self, module: str, tables: Mapping[str, CallTable]) -> None:
        """Keep the call tables of a module that is about to run; those of an earlier load are replaced."""
        self._tables[module] = tables

    def forget_tables(self, module: str) -> None:
        """Drop the call tables of a module."""
        self._tables.pop(module, None)

    def table_of(self, function: FunctionType) -> CallTable | None:
        """Return the call table that import time left for a function.

        Args:
            function: A plain function.

        Returns:
            The table of the definition on the function's line; None where import time has left none.
        """
        tables = self._tables.get(function.__module__)
        if tables is None:
            return None
        code = function.__code__
        table = tables.get(code.co_qualname)
        if table is not None and table.first_line == code.co_firstlineno:
            return table
        numbered = (table for name, table in tables.items() if name.partition("#")[0] == code.co_qualname)
        return next((table for table in numbered if table.first_line == code.co_firstlineno), None)


known_code = KnownCode()
