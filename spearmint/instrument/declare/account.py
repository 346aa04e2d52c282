"""What became of the modules and entries of one installation, noted as it happens."""

from collections.abc import Iterator
from types import MappingProxyType

from spearmint.instrument.rewrite.result import ModuleOutcome


class Account:
    """What became of the modules that an installation is about, and which functions its entries made experiments.

    Attributes:
        modules: What became of each module whose code was asked for, or that was wrapped once it had run.
        already_imported: Names of those that had been imported before the installation.
    """

    def __init__(self) -> None:
        self.modules: dict[str, ModuleOutcome] = {}
        self.already_imported: set[str] = set()
        self._functions: dict[tuple[str, int], dict[str, None]] = {}
        self._refused: dict[tuple[str, int], dict[str, str]] = {}

    def add_function(self, keys: tuple[str, int], function: str) -> None:
        """Note that an entry has made an experiment of a function.

        Args:
            keys: Where the entry stands in the settings.
            function: ``"module:qualified.name"``.
        """
        self._functions.setdefault(keys, {})[function] = None

    def refuse_function(self, keys: tuple[str, int], function: str, reason: str) -> None:
        """Note that a function that an entry wants to be an experiment, and may have been noted as one, cannot be."""
        self._functions.get(keys, {}).pop(function, None)
        self._refused.setdefault(keys, {})[function] = reason

    def functions_of(self, keys: tuple[str, int]) -> tuple[str, ...]:
        """Return the functions of an entry, in the order in which they became experiments."""
        return tuple(self._functions.get(keys, ()))

    def refused_of(self, keys: tuple[str, int]) -> MappingProxyType[str, str]:
        """Return the functions of an entry that could not become experiments, each with the reason."""
        return MappingProxyType(self._refused.get(keys, {}))

    def skipped(self) -> Iterator[tuple[str, str]]:
        """Yield the modules whose code is not rewritten, each with the reason."""
        for name, outcome in self.modules.items():
            if outcome.reason:
                yield name, outcome.reason
