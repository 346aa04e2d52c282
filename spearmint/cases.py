"""One assignment of a config to every experiment that a call reaches, and the plan made of such cases."""

import itertools
import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any, Literal, Protocol

from spearmint.config.model import Config
from spearmint.errors import CaseError

Combine = Literal["product", "one_at_a_time"]


class Reached(Protocol):
    """What a case needs to know of an experiment."""

    @property
    def name(self) -> str:
        """``"module:qualified.name"``."""

    @property
    def function(self) -> Callable[..., Any]:
        """The function, without Spearmint around it."""


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class Option:
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


class ExperimentCase:
    """One assignment of a config to every experiment that one call reaches.

    It cannot be changed. An experiment that no plan foresaw takes part from the moment it is first called.

    While an experiment of the case runs, its own view of the case is current: the same assignment, seen from there.
    """

    __slots__ = ("_plan_options", "current", "known", "option", "parent", "root", "values")

    _plan_options: dict[Reached, Option]
    current: Reached
    known: "dict[Reached, ExperimentCase]"
    option: Option
    parent: "ExperimentCase | None"
    root: Reached
    values: tuple[Callable[[], Any] | None, ...]

    def __init__(self, root: Reached, options: dict[Reached, Option]) -> None:
        self._set(root, options, root, options[root], None)

    def _set(
        self,
        root: Reached,
        options: dict[Reached, Option],
        current: Reached,
        option: Option,
        parent: "ExperimentCase | None",
    ) -> None:
        assign = object.__setattr__
        assign(self, "_plan_options", options)
        assign(self, "root", root)
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

    def assign(self, experiment: Reached, option: Option) -> Option:
        """Let an unforeseen experiment take part; the first option it is given stays.

        Args:
            experiment: The experiment that was called.
            option: Its config.

        Returns:
            The option that stands in the case.
        """
        return self._plan_options.setdefault(experiment, option)

    def assigned(self, experiment: Reached) -> Option | None:
        """Return the option of an experiment that has one of its own in this case, else None."""
        return self._plan_options.get(experiment)

    def view(self, experiment: Reached, option: Option) -> "ExperimentCase":
        """Return this case as seen from an experiment that is called here, kept for the next call.

        Args:
            experiment: The experiment that is called.
            option: The config it runs under.

        Returns:
            A case with the same assignment, whose current experiment is that one.
        """
        made = object.__new__(ExperimentCase)
        made._set(self.root, self._plan_options, experiment, option, self)
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

    def _find(self, wanted: Callable[..., Any] | str) -> Option:
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


def _views(top: ExperimentCase) -> Iterator[ExperimentCase]:
    """Yield the views below a case, those of nearer callers first."""
    waiting = deque([top])
    while waiting:
        above = waiting.popleft()
        views = [view for view in tuple(above.known.values()) if view is not above]
        yield from views
        waiting.extend(views)


def _is(experiment: Reached, wanted: Callable[..., Any] | str) -> bool:
    if isinstance(wanted, str):
        return experiment.name == wanted
    return experiment.function == wanted  # A proxy equals the function that it wraps.


@dataclass(frozen=True, slots=True)
class Dimension:
    """The options of one experiment in a plan, main first."""

    experiment: Reached
    options: tuple[Option, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """The main case and the variant cases of one call, made when they are asked for.

    Attributes:
        root: The experiment that is called.
        dimensions: One for each experiment that has configs of its own, the root's first.
        combine: ``"product"`` for every combination, ``"one_at_a_time"`` for main plus each variation alone.
        made: The variant cases, where they have been made to serve several calls.
    """

    root: Reached
    dimensions: tuple[Dimension, ...]
    combine: Combine = "product"
    made: "tuple[ExperimentCase, ...]" = ()

    def __len__(self) -> int:
        """Return how many cases the plan holds, main included."""
        sizes = [len(dimension.options) for dimension in self.dimensions]
        return math.prod(sizes) if self.combine == "product" else 1 + sum(size - 1 for size in sizes)

    @property
    def main(self) -> ExperimentCase:
        """A new main case: every experiment under its main config."""
        return self._case(tuple(dimension.options[0] for dimension in self.dimensions))

    @property
    def sizes(self) -> Mapping[str, int]:
        """From the name of each experiment to the number of its options."""
        return {dimension.experiment.name: len(dimension.options) for dimension in self.dimensions}

    def variants(self) -> Iterator[ExperimentCase]:
        """Yield the variant cases one after another, in `itertools.product` order."""
        if self.made:
            return iter(self.made)
        combinations = self._product() if self.combine == "product" else self._one_at_a_time()
        return map(self._case, combinations)

    def with_cases(self) -> "Plan":
        """Return this plan with its variant cases made, for calls that choose the same."""
        return replace(self, made=tuple(self.variants()))

    def _product(self) -> Iterator[tuple[Option, ...]]:
        return itertools.islice(itertools.product(*(dimension.options for dimension in self.dimensions)), 1, None)

    def _one_at_a_time(self) -> Iterator[tuple[Option, ...]]:
        mains = tuple(dimension.options[0] for dimension in self.dimensions)
        for position, dimension in enumerate(self.dimensions):
            for option in dimension.options[1:]:
                yield (*mains[:position], option, *mains[position + 1 :])

    def _case(self, options: tuple[Option, ...]) -> ExperimentCase:
        experiments = (dimension.experiment for dimension in self.dimensions)
        return ExperimentCase(self.root, dict(zip(experiments, options, strict=True)))
