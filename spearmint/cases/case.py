"""One assignment of a config to every experiment that a call reaches."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Protocol

from spearmint.cases.edge import Edge, ExperimentRef
from spearmint.config.model import Config
from spearmint.errors import CaseError


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class BoundConfig:
    """One config as one experiment uses it.

    Attributes:
        config: The config itself; nobody outside gets it, only copies of it.
        config_id: Its id.
        copy: Makes a copy that an execution, or a reader, may do anything to.
        values: For each slot of the experiment's binder a callable that gives its value, or None for the default.
    """

    config: Config
    config_id: str
    copy: Callable[[], Config]
    values: tuple[Callable[[], Any] | None, ...]


class PlanRef(Protocol):
    """What a case is one of: a `spearmint.cases.plan.Plan`."""

    @property
    def root(self) -> ExperimentRef:
        """The experiment that is called."""

    @property
    def discovered(self) -> frozenset[ExperimentRef]:
        """The experiments that it knows of."""

    @property
    def joined(self) -> dict[ExperimentRef, tuple[BoundConfig, ...]]:
        """For each experiment that was not discovered and was called in a case of the plan, its options."""

    @property
    def dynamic_edges(self) -> dict[tuple[ExperimentRef, ExperimentRef], Edge]:
        """How such experiments were reached, by experiment and caller."""


class ExperimentCase:
    """One assignment of a config to every experiment that one call reaches.

    It cannot be changed. An experiment that no plan foresaw takes part from the moment it is first called.

    While an experiment of the case runs, its own view of the case is current: the same assignment, seen from there.
    """

    __slots__ = ("_plan_options", "current", "known", "option", "parent", "plan", "root", "values")

    _plan_options: dict[ExperimentRef, BoundConfig]
    current: ExperimentRef
    known: "dict[ExperimentRef, ExperimentCase]"
    option: BoundConfig
    parent: "ExperimentCase | None"
    plan: PlanRef
    root: ExperimentRef
    values: tuple[Callable[[], Any] | None, ...]

    def __init__(self, plan: PlanRef, options: dict[ExperimentRef, BoundConfig]) -> None:
        self._set(plan, options, plan.root, options[plan.root], None)

    def _set(
        self,
        plan: PlanRef,
        options: dict[ExperimentRef, BoundConfig],
        current: ExperimentRef,
        option: BoundConfig,
        parent: "ExperimentCase | None",
    ) -> None:
        assign = object.__setattr__
        assign(self, "_plan_options", options)
        assign(self, "plan", plan)
        assign(self, "root", plan.root)
        assign(self, "current", current)
        assign(self, "option", option)
        assign(self, "values", option.values)
        assign(self, "parent", parent)
        assign(self, "known", {current: self})

    def __setattr__(self, name: str, value: Any) -> None:
        message = f"Cannot set {name!r} of an ExperimentCase: it cannot be changed. Run another config to get another."
        raise AttributeError(message)

    def __delattr__(self, name: str) -> None:
        message = f"Cannot delete {name!r} of an ExperimentCase: it cannot be changed."
        raise AttributeError(message)

    def __copy__(self) -> "ExperimentCase":
        return self

    def __deepcopy__(self, memo: Mapping[int, Any]) -> "ExperimentCase":
        return self

    def assign(self, experiment: ExperimentRef, option: BoundConfig) -> BoundConfig:
        """Let an undiscovered experiment take part; the first option it is given stays.

        Args:
            experiment: The experiment that was called.
            option: Its config.

        Returns:
            The option that stands in the case.
        """
        return self._plan_options.setdefault(experiment, option)

    def assigned(self, experiment: ExperimentRef) -> BoundConfig | None:
        """Return the option of an experiment that has one of its own in this case, else None."""
        return self._plan_options.get(experiment)

    def view(self, experiment: ExperimentRef, option: BoundConfig) -> "ExperimentCase":
        """Return this case as seen from an experiment that is called here, kept for the next call.

        Args:
            experiment: The experiment that is called.
            option: The config it runs under.

        Returns:
            A case with the same assignment, whose current experiment is that one.
        """
        made = object.__new__(ExperimentCase)
        made._set(self.plan, self._plan_options, experiment, option, self)
        return self.known.setdefault(experiment, made)

    @property
    def config(self) -> Config:
        """The config of the experiment that was called; a copy of its own for each reader."""
        return self._plan_options[self.root].copy()

    @property
    def config_id(self) -> str:
        """The id of the config of the experiment that was called."""
        return self._plan_options[self.root].config_id

    @property
    def assignment(self) -> Mapping[str, str]:
        """From the name of each experiment with a config of its own to the id of that config."""
        return {experiment.name: option.config_id for experiment, option in self._plan_options.items()}

    def get_config(self, experiment: Callable[..., Any] | str) -> Config:
        """Return the config of any experiment in the case.

        Args:
            experiment: The function, or its name ``"module:qualified.name"``.

        Returns:
            A copy of its config.

        Raises:
            CaseError: If it takes no part in this case.
        """
        return self._find(experiment).copy()

    def get_config_id(self, experiment: Callable[..., Any] | str) -> str:
        """Return the id of the config of any experiment in the case.

        Args:
            experiment: The function, or its name ``"module:qualified.name"``.

        Returns:
            The id.

        Raises:
            CaseError: If it takes no part in this case.
        """
        return self._find(experiment).config_id

    def _find(self, wanted: Callable[..., Any] | str) -> BoundConfig:
        function = getattr(wanted, "__func__", wanted)
        view: ExperimentCase | None = self
        top = self
        while view is not None:  # An experiment that runs under its caller's config stands in a view only.
            if _is(view.current, function):
                return view.option
            top, view = view, view.parent
        for experiment, option in tuple(self._plan_options.items()):
            if _is(experiment, function):
                return option
        below = next((view for view in _views(top) if _is(view.current, function)), None)
        if below is not None:
            return below.option
        names = [experiment.name for experiment in self._plan_options]
        label = wanted if isinstance(wanted, str) else getattr(function, "__qualname__", None) or repr(wanted)
        close = get_close_matches(label, names, n=1)
        suggestion = f" Did you mean {close[0]!r}?" if close else ""
        part = f"it takes no part in this case, unlike {', '.join(names)}"
        message = f"Cannot tell the config of {label!r}: {part}.{suggestion}"
        raise CaseError(message)

    def __repr__(self) -> str:
        parts = ", ".join(f"{name}={config_id}" for name, config_id in self.assignment.items())
        return f"<ExperimentCase {parts}>"


class DetachedCase(ExperimentCase):
    """A case on a thread that was started in it and does not keep it. Experiments that are called there are outside."""

    __slots__ = ()

    @classmethod
    def of(cls, case: ExperimentCase) -> "DetachedCase":
        """Return a case that tells the same, and that no experiment joins."""
        made = object.__new__(cls)
        made._set(case.plan, case._plan_options, case.current, case.option, case.parent)  # noqa: SLF001 - of its base
        made.known.clear()
        return made


def _views(top: ExperimentCase) -> Iterator[ExperimentCase]:
    """Yield the views below a case, those of nearer callers first."""
    waiting = deque([top])
    while waiting:
        above = waiting.popleft()
        views = [view for view in tuple(above.known.values()) if view is not above]
        yield from views
        waiting.extend(views)


def _is(experiment: ExperimentRef, wanted: Callable[..., Any] | str) -> bool:
    if isinstance(wanted, str):
        return experiment.name == wanted
    return experiment.function == wanted  # A proxy equals the function that it wraps.
