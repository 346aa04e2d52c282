"""One assignment of a config to every experiment that a call reaches."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from spearmint.cases.bound_config import BoundConfig
from spearmint.cases.edge import ExperimentRef, PlanRef
from spearmint.cases.join_log import Assignments, JoinLog
from spearmint.cases.parameters import labelled
from spearmint.cases.varying import varying_paths_of
from spearmint.config.model import Config
from spearmint.errors import CaseError
from spearmint.suggest import did_you_mean


class ExperimentCase:
    """One assignment of a config to every experiment that one call reaches.

    It never changes. While an experiment of the case runs, its own view of the case is current: the same assignment,
    seen from there. Views are made on demand and kept in ``known``. An experiment that the plan has not discovered
    takes part from the moment it is first called; the call's `JoinLog` holds what it runs under.

    Args:
        plan: The plan that the case belongs to.
        options: The config of each experiment that adds a dimension to the plan.
        log: Where the call keeps what joins it.
        assignments: From experiments whose strategy assigns units to what it has assigned for this call, with the
            option that this is; None in a variant, and where no strategy was asked.
    """

    __slots__ = (
        "_options",
        "_values_read",
        "assignments",
        "current",
        "known",
        "log",
        "option",
        "parent",
        "plan",
        "root",
        "values",
    )

    _options: Mapping[ExperimentRef, BoundConfig]
    _values_read: dict[ExperimentRef, tuple[Any, Any]]
    assignments: Assignments | None
    current: ExperimentRef
    known: "dict[ExperimentRef, ExperimentCase]"
    log: JoinLog
    option: BoundConfig
    parent: "ExperimentCase | None"
    plan: PlanRef
    root: ExperimentRef
    values: tuple[Callable[[], Any] | None, ...]

    def __init__(
        self,
        plan: PlanRef,
        options: Mapping[ExperimentRef, BoundConfig],
        log: JoinLog,
        assignments: Assignments | None = None,
    ) -> None:
        self._set(plan, options, log, plan.root, option=options[plan.root], parent=None, assignments=assignments)

    def _set(
        self,
        plan: PlanRef,
        options: Mapping[ExperimentRef, BoundConfig],
        log: JoinLog,
        current: ExperimentRef,
        *,
        option: BoundConfig,
        parent: "ExperimentCase | None",
        assignments: Assignments | None,
    ) -> None:
        assign = object.__setattr__
        assign(self, "_options", options)
        assign(self, "plan", plan)
        assign(self, "log", log)
        assign(self, "root", plan.root)
        assign(self, "current", current)
        assign(self, "option", option)
        assign(self, "values", option.values)
        assign(self, "parent", parent)
        assign(self, "assignments", assignments)
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

    def assigned(self, experiment: ExperimentRef) -> BoundConfig | None:
        """Return what an experiment with a config of its own runs under in this case, else None."""
        return self._options.get(experiment) or self.log.main_option(experiment)

    def view(self, experiment: ExperimentRef, option: BoundConfig) -> "ExperimentCase":
        """Return this case as seen from an experiment that is called here, kept for the next call.

        Args:
            experiment: The experiment that is called.
            option: The config it runs under.

        Returns:
            A case with the same assignment, whose current experiment is that one.
        """
        made = object.__new__(ExperimentCase)
        made._set(
            self.plan, self._options, self.log, experiment, option=option, parent=self, assignments=self.assignments
        )
        return self.known.setdefault(experiment, made)

    def with_log(self, log: JoinLog) -> "ExperimentCase":
        """Return this view of a case whose further experiments join another log."""
        if self.parent is not None:
            return self.parent.with_log(log).view(self.current, self.option)
        made = ExperimentCase(self.plan, self._options, log, self.assignments)
        object.__setattr__(made, "_values_read", self.values_read)  # It is the same execution.
        return made

    def assignment_of(self, experiment: ExperimentRef) -> Any:
        """Return what the strategy of an experiment below the one that was called has assigned for this call, or None.

        Args:
            experiment: An experiment whose view this is.
        """
        if self.assignments is None or experiment is self.root:
            return None
        found = self.assignments.get(experiment) or self.log.assignments.get(experiment)
        # It may run under its caller's config instead.
        return None if found is None or found[1] is not self.option else found[0]

    def assignment_of_value(self, value: ExperimentRef, option: BoundConfig) -> Any:
        """Return what the strategy of a value that is read has assigned for this call, or None.

        Args:
            value: The value.
            option: What it is in this case.
        """
        if self.assignments is None:
            return None
        found = self.assignments.get(value) or self.log.assignments.get(value)
        return None if found is None or found[1] is not option else found[0]

    @property
    def values_read(self) -> dict[ExperimentRef, tuple[Any, Any]]:
        """What the reads of values in this execution share, from the first one on, and the exposure that it was."""
        top = self._top
        try:
            return top._values_read  # noqa: SLF001 - another view of this case
        except AttributeError:
            made: dict[ExperimentRef, tuple[Any, Any]] = {}
            object.__setattr__(top, "_values_read", made)
            return made

    def once_more(self) -> "ExperimentCase":
        """Return the same case for an execution of its own."""
        return ExperimentCase(self.plan, self._options, self.log, self.assignments)

    @property
    def config(self) -> Config:
        """The config of the experiment that was called; a copy of its own for each reader."""
        return self._options[self.root].copy()

    @property
    def config_id(self) -> str:
        """The id of the config of the experiment that was called."""
        return self._options[self.root].config_id

    @property
    def case_id(self) -> str:
        """What tells this case from the others: the ids of the configs of all experiments that vary, joined with ``+``.

        An experiment varies that has more than one config, whichever of them its strategy chooses. Where none does, it
        is the id of the config of the experiment that was called. An undiscovered experiment that varies adds its id
        when it joins the call.
        """
        options = dict(self._options)
        for experiment, choice in tuple(self.log.choices.items()):
            options.setdefault(experiment, choice[0])
        ids = [
            option.config_id
            for experiment, option in options.items()
            if len(experiment.options) > 1 or experiment in self.plan.varying
        ]
        return "+".join(ids) or self.config_id

    @property
    def assignment(self) -> Mapping[str, Config]:
        """From the name of each experiment with a config of its own to that config; copies, as of `config`."""
        return {experiment.name: option.copy() for experiment, option in self._bound().items()}

    @property
    def config_ids(self) -> Mapping[str, str]:
        """From the name of each experiment with a config of its own to the id of that config."""
        return {experiment.name: option.config_id for experiment, option in self._bound().items()}

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Every value in the configs of the case by path, those of nested experiments after their name: ``"rank: k"``.

        The name is the function's own; where two experiments share that, it is ``"module:qualified.name"``.
        """
        return {
            f"{label}{path}": value for _, label, values in labelled(self._bound()) for path, value in values.items()
        }

    @property
    def varying_parameters(self) -> Mapping[str, Any]:
        """Those of `parameters` that the configs of their experiment do not all share: what `case_id` stands for."""
        return {
            f"{label}{path}": values[path]
            for experiment, label, values in labelled(self._bound())
            for path in varying_paths_of(experiment, self.plan.options.get(experiment, ()))
            if path in values
        }

    def _bound(self) -> dict[ExperimentRef, BoundConfig]:
        """Return the option of each experiment with a config of its own, of those that have joined only if called."""
        found = dict(self._options)
        choices = tuple(self.log.choices.items())
        used = {id(view.option) for view in _views(self._top)} if choices else ()
        found.update((experiment, options[0]) for experiment, options in choices if id(options[0]) in used)
        return found

    @property
    def _top(self) -> "ExperimentCase":
        """The view of the experiment that was called."""
        view = self
        while view.parent is not None:
            view = view.parent
        return view

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
        while view is not None:  # An experiment that runs under its caller's config stands in a view only.
            if _is(view.current, function):
                return view.option
            view = view.parent
        bound = self._bound()
        for experiment, option in bound.items():
            if _is(experiment, function):
                return option
        below = next((view for view in _views(self._top) if _is(view.current, function)), None)
        if below is not None:
            return below.option
        names = [experiment.name for experiment in bound]
        label = wanted if isinstance(wanted, str) else getattr(function, "__qualname__", None) or repr(wanted)
        part = f"it takes no part in this case, unlike {', '.join(names)}"
        message = f"Cannot tell the config of {label!r}: {part}.{did_you_mean(label, names)}"
        raise CaseError(message)

    def __repr__(self) -> str:
        parts = ", ".join(f"{name}={config_id}" for name, config_id in self.config_ids.items())
        return f"<ExperimentCase {parts}>"


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
