"""How a call reaches the experiments of its plan."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

EdgeKind = Literal["call", "reference", "dynamic"]


class ExperimentRef(Protocol):
    """What a case needs to know of an experiment."""

    @property
    def name(self) -> str:
        """``"module:qualified.name"``."""

    @property
    def function(self) -> Callable[..., Any]:
        """The function, without Spearmint around it."""

    @property
    def is_unreachable(self) -> bool:
        """Whether nobody can call it any more."""


@dataclass(frozen=True, slots=True, eq=False)
class Edge:
    """How one experiment is reached from another.

    Attributes:
        experiment: The one that is reached.
        caller: The experiment whose body, or a plain function that it calls, leads there.
        kind: ``"call"`` where the code calls it by name; ``"reference"`` where it hands it on, to be called by somebody
            else; ``"dynamic"`` where only a running call has told.
        locate: Tells the place of the call.
    """

    experiment: ExperimentRef
    caller: ExperimentRef
    kind: EdgeKind
    locate: Callable[[], str]

    @property
    def place(self) -> str:
        """Where the call stands: ``"module:qualified.name, line 12"``."""
        return self.locate()
