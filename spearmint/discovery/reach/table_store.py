"""What import time leaves for later: which packages are instrumented, and the call tables of their modules."""

from collections.abc import Iterable, Mapping, Sequence
from types import CodeType, FunctionType

from spearmint.discovery.call_table import CallTable


class TableStore:
    """The instrumented packages of the process, and the call tables of the modules that were loaded from them."""

    def __init__(self) -> None:
        self._packages: dict[str, int] = {}
        self._tables: dict[str, Mapping[str, CallTable]] = {}
        # The same by own name and line, made when it is first asked for.
        self._places: dict[str, dict[tuple[str, int], list[CallTable]]] = {}

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

    def put(self, module: str, tables: Mapping[str, CallTable]) -> None:
        """Keep the call tables of a module that is about to run; those of an earlier load are replaced."""
        self._tables[module] = tables
        self._places.pop(module, None)

    def forget_tables(self, module: str) -> None:
        """Drop the call tables of a module."""
        self._tables.pop(module, None)
        self._places.pop(module, None)

    def get(self, module: str, code: CodeType) -> Sequence[CallTable]:
        """Return the call tables that import time left for a code object: several only for lambdas on one line."""
        tables = self._tables.get(module)
        if tables is None:
            return ()
        places = self._places.get(module)
        if places is None:
            places = {}
            for scope, table in tables.items():
                own_name = scope.partition("#")[0].rpartition(".")[2]
                places.setdefault((own_name, table.first_line), []).append(table)
            self._places[module] = places
        return places.get((code.co_name, code.co_firstlineno), ())


def module_of(function: FunctionType) -> str:
    """Return the name of the module in which a function was compiled, whatever `functools.wraps` says of it."""
    name = function.__globals__.get("__name__")
    return name if isinstance(name, str) else ""


table_store = TableStore()
