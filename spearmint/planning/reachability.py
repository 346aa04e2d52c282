"""What a call of an experiment will reach, as far as its code and earlier calls tell, and whether that still holds."""

from collections.abc import Sequence
from typing import Protocol

from spearmint.cases.case import ExperimentCase
from spearmint.cases.edge import Edge
from spearmint.cases.plan import Plan
from spearmint.registry.experiment import ExperimentFunction
from spearmint.registry.state import epoch


class Validity(Protocol):
    """What an outlook was read from."""

    def holds(self) -> bool:
        """Check the next few readings, and tell whether these are as they were."""

    def all_hold(self) -> bool:
        """Tell whether everything is as it was."""


class Reachability:
    """What a call of an experiment reaches.

    Args:
        ways: How each experiment is reached, in the order in which the calls stand in the code.
        dimensions: The experiments that add a dimension: reached on some way on which no caller passes its config on.
        experiments: All of these, and the root.
        watches: What this was read from.
        changes: The count of the history's changes before it was.

    Attributes:
        is_constant: Whether all dimensions choose the same each time.
        choice: What was chosen for a call, once that is known to be the same each time.
    """

    __slots__ = (
        "_changes",
        "_learned",
        "_lessons",
        "_watches",
        "choice",
        "dimensions",
        "experiments",
        "is_constant",
        "ways",
    )

    def __init__(
        self,
        ways: Sequence[Edge],
        dimensions: Sequence[ExperimentFunction],
        experiments: frozenset[ExperimentFunction],
        watches: Validity,
        changes: int,
    ) -> None:
        self.ways = ways
        self.dimensions = dimensions
        self.experiments = experiments
        self.is_constant = all(one.is_constant for one in dimensions)
        self.choice: tuple[ExperimentCase, Plan | None] | None = None
        self._lessons = [(one, one.lessons) for one in experiments]
        self._learned = [way.experiment for way in ways if way.kind == "learned"]
        self._watches = watches
        self._changes = changes

    def holds(self, *, wholly: bool) -> bool:
        """Tell whether everything is as it was.

        Args:
            wholly: Whether to look at every name that mattered, rather than at some of them in turn.
        """
        changes = epoch.changes
        if changes != self._changes:
            wholly = True
            if any(one.lessons != lessons for one, lessons in self._lessons):
                return False
        if any(one.is_gone for one in self._learned):
            return False
        if not (self._watches.all_hold() if wholly else self._watches.holds()):
            return False
        self._changes = changes
        return True

    @property
    def needs_no_look(self) -> bool:
        """Whether it may serve unseen: it gives one case without variants, which what is missing can still join."""
        return self.choice is not None and self.choice[1] is None and self._changes == epoch.changes
