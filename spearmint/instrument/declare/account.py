"""What became of the modules and entries of one installation, noted as it happens."""

from collections.abc import Iterable, Iterator
from types import MappingProxyType

from spearmint.instrument.rewrite.result import ModuleOutcome
from spearmint.registry.binding_watch import BindingWatch


class Account:
    """What became of the modules that an installation is about, and which functions its entries made experiments.

    Attributes:
        modules: What became of each module whose code was asked for, or that was wrapped once it had run.
        already_imported: Names of those that had been imported before the installation.
    """

    def __init__(self) -> None:
        self.modules: dict[str, ModuleOutcome] = {}
        self.already_imported: set[str] = set()
        self._functions: dict[tuple[str, int], dict[str, BindingWatch | None]] = {}
        self._refused: dict[tuple[str, int], dict[str, str]] = {}

    def add_function(self, keys: tuple[str, int], function: str, watch: BindingWatch | None) -> None:
        """Note that an entry has made an experiment of a function.

        Args:
            keys: Where the entry stands in the settings.
            function: ``"module:qualified.name"``.
            watch: Tells which of its parameters configs have filled.
        """
        self._functions.setdefault(keys, {})[function] = watch

    def refuse_function(self, keys: tuple[str, int], function: str, reason: str) -> None:
        """Note that a function that an entry wants to be an experiment, and may have been noted as one, cannot be."""
        self._functions.get(keys, {}).pop(function, None)
        self._refused.setdefault(keys, {})[function] = reason

    def functions_of(self, keys: tuple[str, int]) -> tuple[str, ...]:
        """Return the functions of an entry, in the order in which they became experiments."""
        return tuple(self._functions.get(keys, ()))

    def idle_bindings_of(self, keys: tuple[str, int], bindings: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Yield the bindings of an entry that have taken no effect in any call, each with the reason; none uncalled.

        Args:
            keys: Where the entry stands in the settings.
            bindings: The parameters that it binds and that callers may pass.
        """
        watches = [watch for watch in self._functions.get(keys, {}).values() if watch is not None]
        for name in bindings:
            bound = [watch for watch in watches if name in watch.parameters]
            called = [watch for watch in bound or watches if watch.called[0]]
            if called and not bound:
                yield name, "none of the functions has such a parameter"
            elif called and all(name in watch.idle() for watch in called):
                yield name, "callers pass it in every call"

    def refused_of(self, keys: tuple[str, int]) -> MappingProxyType[str, str]:
        """Return the functions of an entry that could not become experiments, each with the reason."""
        return MappingProxyType(self._refused.get(keys, {}))

    def skipped(self) -> Iterator[tuple[str, str]]:
        """Yield the modules whose code is not rewritten, each with the reason."""
        for name, outcome in self.modules.items():
            if outcome.reason:
                yield name, outcome.reason
