"""A case as a shared step sees it: what the step looks at beyond its arguments is noted."""

from collections.abc import Callable, Hashable, Iterator, Mapping
from itertools import count
from typing import Any

from spearmint.cases.bound_config import BoundConfig
from spearmint.cases.case import ExperimentCase
from spearmint.cases.edge import ExperimentRef
from spearmint.cases.join_log import JoinLog
from spearmint.config.model import Config
from spearmint.registry.value import ValueExperiment


class Execution:
    """One run of a step, or of the function that is evaluated.

    Args:
        caller: The run that called it; None for the function that is evaluated.
        entry: Where its result goes, if it is shared.

    Attributes:
        caller: The run that called it.
        entry: Where its result goes.
        options: The configs that experiments called in it run under, by experiment.
        reason: Why its result is not to be shared; empty as long as it may be.
        calls: How many calls of steps were made in it, those within reused ones included.
    """

    __slots__ = ("_seen", "caller", "calls", "entry", "options", "reason")

    def __init__(self, caller: "Execution | None" = None, entry: Any = None) -> None:
        self.caller = caller
        self.entry = entry
        self.options: dict[tuple[ExperimentRef, int], BoundConfig] = {}
        self.reason = ""
        self.calls = 0
        self._seen: dict[Hashable, Iterator[int]] = {}

    def number(self, key: Hashable) -> int:
        """Return how many calls with the same key it has made before: the n-th takes the result of the n-th."""
        return next(self._seen.setdefault(key, count()))

    def note_option(self, experiment: ExperimentRef, option: BoundConfig) -> None:
        """Note what an experiment runs under that was called in it."""
        self.options[experiment, id(option.config)] = option

    def refuse(self, reason: str) -> None:
        """Note why results of it, and of what called it, are not to be shared."""
        execution: Execution | None = self
        while execution is not None:
            execution.reason = execution.reason or reason
            execution = execution.caller

    def finish(self) -> None:
        """Tell the run that called it what it has looked at."""
        if self.caller is not None:
            self.caller.options.update(self.options)


class _ReadOptions(Mapping[ExperimentRef, BoundConfig]):
    """The options of a case, of which values are read straight from rewritten code: which ones is noted."""

    __slots__ = ("_execution", "options")

    def __init__(self, options: Mapping[ExperimentRef, BoundConfig], execution: Execution) -> None:
        self.options: Mapping[ExperimentRef, BoundConfig] = (
            options.options if isinstance(options, _ReadOptions) else options
        )
        self._execution = execution

    def __getitem__(self, experiment: ExperimentRef) -> BoundConfig:
        option = self.options[experiment]
        if isinstance(experiment, ValueExperiment):
            self._execution.note_option(experiment, option)
        return option

    def __iter__(self) -> Iterator[ExperimentRef]:
        return iter(self.options)

    def __len__(self) -> int:
        return len(self.options)


class StepCase(ExperimentCase):
    """A view of a case in a shared step, and in what the step calls."""

    __slots__ = ("execution",)

    execution: Execution

    @classmethod
    def of(cls, view: ExperimentCase, execution: Execution) -> "StepCase":
        """Return the view of an experiment for one run of it."""
        made = object.__new__(cls)
        options = _ReadOptions(view._options, execution)  # noqa: SLF001 - its base
        fields = view.plan, options, view.log, view.current
        made._set(*fields, option=view.option, parent=view.parent, assignments=view.assignments)
        made.known.clear()  # An experiment that calls itself is noted too.
        object.__setattr__(made, "execution", execution)
        return made

    def view(self, experiment: ExperimentRef, option: BoundConfig) -> ExperimentCase:
        """Return the case as seen from an experiment that is called in the step."""
        self.execution.note_option(experiment, option)
        made = object.__new__(StepCase)
        made._set(
            self.plan, self._options, self.log, experiment, option=option, parent=self, assignments=self.assignments
        )
        made.known.clear()
        object.__setattr__(made, "execution", self.execution)
        return self.known.setdefault(experiment, made)

    def assigned(self, experiment: ExperimentRef) -> BoundConfig | None:
        """Return what an experiment with a config of its own runs under; a value is read by that."""
        option = super().assigned(experiment)
        if option is not None and isinstance(experiment, ValueExperiment):
            self.execution.note_option(experiment, option)
        return option

    def with_log(self, log: JoinLog) -> ExperimentCase:
        """Return this view with another log, which depends on the attributes around the call."""
        self.execution.refuse("it reads the attributes around the call")
        return super().with_log(log)

    def _read(self) -> None:
        self.execution.refuse("it reads the case that is running")

    @property
    def config(self) -> Config:
        """The config of the experiment that was called."""
        self._read()
        return super().config

    @property
    def config_id(self) -> str:
        """The id of the config of the experiment that was called."""
        self._read()
        return super().config_id

    @property
    def case_id(self) -> str:
        """What tells this case from the others."""
        self._read()
        return super().case_id

    @property
    def assignment(self) -> Mapping[str, Config]:
        """From the name of each experiment with a config of its own to that config."""
        self._read()
        return super().assignment

    @property
    def config_ids(self) -> Mapping[str, str]:
        """From the name of each experiment with a config of its own to the id of that config."""
        self._read()
        return super().config_ids

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Every value in the configs of the case by path."""
        self._read()
        return super().parameters

    @property
    def varying_parameters(self) -> Mapping[str, Any]:
        """Those of `parameters` that the configs of their experiment do not all share."""
        self._read()
        return super().varying_parameters

    def get_config(self, experiment: Callable[..., Any] | str) -> Config:
        """Return the config of any experiment in the case."""
        self._read()
        return super().get_config(experiment)

    def get_config_id(self, experiment: Callable[..., Any] | str) -> str:
        """Return the id of the config of any experiment in the case."""
        self._read()
        return super().get_config_id(experiment)
