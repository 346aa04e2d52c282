"""What a call learns while it runs: the experiments that join its cases although its plan has not discovered them."""

from collections.abc import Callable, Mapping
from typing import Any

from spearmint.cases.bound_config import BoundConfig
from spearmint.cases.edge import Edge, ExperimentRef
from spearmint.cases.versions import Version, versions

Assignments = Mapping[ExperimentRef, tuple[Any, BoundConfig]]
"""From experiments to what their strategies have assigned a unit to, and the option that this is."""


class JoinLog:
    """The undiscovered experiments that have joined the cases of one call.

    Plans and cases never change; this does, and every case of the call refers to the same one. A call with results has
    a log of its own. Direct calls that run in a cached case share that case's log, until something joins it: then the
    case is taken out of the cache. The calls that are in it at that moment still share it, so what a strategy chose
    from the attributes of one of them goes to a log for calls with these attributes alone.

    Attributes:
        choices: For each experiment that has joined the options that its strategy chose, main first.
        assignments: What those of their strategies that assign units have assigned.
        edges: How each was reached, by experiment and caller.
        extensions: How many times the plan was extended by them.
        is_captured: Whether it is of one call alone, which a `spearmint.capture` block collects.
        trace_id: Of a captured call, the id of main's trace, once that has begun.
        token: Of a captured call, what joins an outcome to its exposure.
        is_shared: Whether calls in a cached case may share it.
        version: What experiments are declared with for the call, also those that join it after a reload.
    """

    __slots__ = (
        "_by_attributes",
        "assignments",
        "choices",
        "edges",
        "extensions",
        "is_captured",
        "is_shared",
        "token",
        "trace_id",
        "version",
    )

    def __init__(self, *, is_captured: bool = False, is_shared: bool = False, version: Version | None = None) -> None:
        self.version = versions.current if version is None else version
        self.is_captured = is_captured
        self.is_shared = is_shared
        self._by_attributes: dict[int, tuple[Any, JoinLog]] = {}
        self.trace_id: str | None = None
        self.token: str | None = None
        self.choices: dict[ExperimentRef, tuple[BoundConfig, ...]] = {}
        self.assignments: dict[ExperimentRef, tuple[Any, BoundConfig]] = {}
        self.edges: dict[tuple[ExperimentRef, ExperimentRef], Edge] = {}
        self.extensions = 0

    def join(self, experiment: ExperimentRef, choose: Callable[[], tuple[BoundConfig, ...]]) -> BoundConfig:
        """Return the main option of an experiment; its strategy is asked once for all cases of the call."""
        if experiment not in self.choices:
            self.choices.setdefault(experiment, choose())
        return self.choices[experiment][0]

    def for_attributes(self, attributes: Any) -> "JoinLog":
        """Return the log of the calls that have just these attributes, which begins with what this one holds."""
        made = JoinLog(version=self.version)
        made.choices.update(self.choices)
        made.assignments.update(self.assignments)
        made.edges = self.edges
        # The attributes are kept, so that no others get their id.
        return self._by_attributes.setdefault(id(attributes), (attributes, made))[1]

    def main_option(self, experiment: ExperimentRef) -> BoundConfig | None:
        """Return the main option of an experiment that has joined, else None."""
        options = self.choices.get(experiment)
        return None if options is None else options[0]

    def record(self, edge: Edge) -> None:
        """Remember how an experiment was reached; the first call from each caller counts."""
        self.edges.setdefault((edge.experiment, edge.caller), edge)
