"""Where the experiments of the process are found by name."""

import weakref
from collections.abc import Iterator

from spearmint.errors import DeclarationError
from spearmint.registry.experiment import ExperimentFunction
from spearmint.registry.forced import forced_by_environment
from spearmint.registry.later import Later
from spearmint.registry.plain_calls import plain_calls
from spearmint.registry.state import epoch
from spearmint.registry.switches import switches
from spearmint.suggest import did_you_mean


class ExperimentFunctionRegistry:
    """Where the experiments of the process are found by name. It keeps none of them alive."""

    def __init__(self) -> None:
        self._by_name: weakref.WeakValueDictionary[str, ExperimentFunction] = weakref.WeakValueDictionary()
        self._later: weakref.WeakSet[Later] = weakref.WeakSet()

    def add(self, experiment: ExperimentFunction) -> None:
        """Register an experiment; a later one of the same name, as after a reload, takes its place."""
        self._by_name[experiment.name] = experiment
        forced_by_environment.register(experiment)
        switches.register(experiment)
        if experiment.options:
            plain_calls.note_configs(experiment)
        epoch.invalidate_all()  # Any other may reach it now.

    def add_later(self, later: Later) -> None:
        """Register experiments that are to be made at the first look at the registry, or at one of them."""
        self._later.add(later)
        switches.settle = self._settle_all
        plain_calls.note_configs(later)
        epoch.invalidate_all()

    def _settle_all(self) -> None:
        while self._later:
            later = next(iter(self._later), None)
            if later is not None:
                later.settle()
                self._later.discard(later)

    def forget(self, prefix: str) -> None:
        """Take the experiments out whose names begin so; for tests that declare some inside a function."""
        for experiment in self:
            if experiment.name.startswith(prefix):
                self._by_name.pop(experiment.name, None)

    def get(self, name: str) -> ExperimentFunction:
        """Return the experiment of a name.

        Args:
            name: ``"module:qualified.name"``.

        Returns:
            The experiment that was declared last under that name.

        Raises:
            DeclarationError: If there is none; the message names close ones.
        """
        self._settle_all()
        found = self._by_name.get(name)
        if found is None:
            suggestion = did_you_mean(name, list(self._by_name)) or " Import its module first."
            message = f"Cannot find experiment {name!r}: none of that name is declared.{suggestion}"
            raise DeclarationError(message)
        return found

    def __contains__(self, name: object) -> bool:
        self._settle_all()
        return name in self._by_name

    def __iter__(self) -> Iterator[ExperimentFunction]:
        self._settle_all()
        references = self._by_name.valuerefs()  # A list, which other threads do not lengthen meanwhile.
        return iter([found for reference in references if (found := reference()) is not None])

    def __len__(self) -> int:
        self._settle_all()
        return len(self._by_name)


registry = ExperimentFunctionRegistry()
