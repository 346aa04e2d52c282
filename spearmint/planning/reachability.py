"""What a call of an experiment will reach, as far as its code and earlier calls tell, and whether that still holds."""

from collections.abc import Sequence
from typing import Protocol

from spearmint.cases.case import ExperimentCase
from spearmint.cases.edge import Edge
from spearmint.cases.plan import Plan
from spearmint.registry.experiment import ExperimentFunction
from spearmint.registry.state import epoch


class Validity(Protocol):
    """What a reachability was read from."""

    def spot_check(self) -> bool:
        """Check the next few readings, and tell whether these are as they were."""

    def is_valid(self) -> bool:
        """Tell whether everything is as it was."""


class Reachability:
    """What a call of an experiment reaches.

    Args:
        edges: How each experiment is reached, in the order in which the calls stand in the code.
        dimensions: The experiments that add a dimension: reached on some edge on which no caller passes its config on.
        experiments: All of these, and the root.
        validity: What this was read from.
        changes: The count of the history's changes before it was.

    Attributes:
        is_constant: Whether all dimensions choose the same each time.
        choice: What was chosen for a call, once that is known to be the same each time.
    """

    __slots__ = (
        "_changes",
        "_dynamic_callees",
        "_revisions",
        "_validity",
        "choice",
        "dimensions",
        "edges",
        "experiments",
        "is_constant",
    )

    def __init__(
        self,
        edges: Sequence[Edge],
        dimensions: Sequence[ExperimentFunction],
        experiments: frozenset[ExperimentFunction],
        validity: Validity,
        changes: int,
    ) -> None:
        self.edges = edges
        self.dimensions = dimensions
        self.experiments = experiments
        self._revisions = [(one, one.state.revision) for one in experiments]  # Before what a reload may change.
        self.is_constant = all(one.is_constant for one in dimensions)
        self.choice: tuple[ExperimentCase, Plan | None] | None = None
        self._dynamic_callees = [edge.experiment for edge in edges if edge.kind == "dynamic"]
        self._validity = validity
        self._changes = changes

    def is_valid(self, *, full_check: bool) -> bool:
        """Tell whether everything is as it was; without ``full_check``, look at some of the names in turn."""
        changes = epoch.changes
        if changes != self._changes:
            full_check = True
            if any(one.state.revision != revision for one, revision in self._revisions):
                return False
        if any(one.is_unreachable for one in self._dynamic_callees):
            return False
        if not (self._validity.is_valid() if full_check else self._validity.spot_check()):
            return False
        self._changes = changes
        return True

    @property
    def skips_validation(self) -> bool:
        """Whether it may serve unseen: it gives one case without variants, which what is missing can still join."""
        return self.choice is not None and self.choice[1] is None and self._changes == epoch.changes
