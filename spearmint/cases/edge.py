"""How a call reaches the experiments of its plan."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from spearmint.cases.bound_config import BoundConfig

EdgeKind = Literal["call", "read", "reference", "dynamic"]


class ExperimentRef(Protocol):
    """What a case needs to know of an experiment."""

    @property
    def name(self) -> str:
        """``"module:qualified.name"``."""

    @property
    def function(self) -> Callable[..., Any]:
        """The function, without Spearmint around it."""

    @property
    def options(self) -> Sequence[BoundConfig]:
        """Its configs, as it uses them."""

    @property
    def is_called(self) -> bool:
        """Whether it is a function; else a value, which code reads."""

    @property
    def is_unreachable(self) -> bool:
        """Whether no proxy of it is alive, so that it cannot be called."""


class PlanRef(Protocol):
    """The plan that a case belongs to: a `spearmint.cases.plan.Plan`."""

    @property
    def root(self) -> ExperimentRef:
        """The experiment that is called."""

    @property
    def discovered(self) -> frozenset[ExperimentRef]:
        """The experiments that it has discovered, the root included."""

    @property
    def varying(self) -> frozenset[ExperimentRef]:
        """The experiments that run under several configs in it."""

    @property
    def options(self) -> Mapping[ExperimentRef, Sequence[BoundConfig]]:
        """The configs of each experiment with a dimension in it, main first."""


@dataclass(frozen=True, slots=True, eq=False)
class Edge:
    """How one experiment is reached from another.

    Attributes:
        experiment: The experiment that is reached.
        caller: The experiment whose body, or a plain function that it calls, leads there.
        kind: ``"call"`` where the code calls it by name; ``"reference"`` where it passes it as an argument, to be
            called by other code; ``"read"`` where it is a value that the code reads; ``"dynamic"`` where only a running
            call has shown it.
        locate: Gives the place of the call.
    """

    experiment: ExperimentRef
    caller: ExperimentRef
    kind: EdgeKind
    locate: Callable[[], str]

    @property
    def place(self) -> str:
        """Where the call stands: ``"module:qualified.name, line 12"``."""
        return self.locate()
