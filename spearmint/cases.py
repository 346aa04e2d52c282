"""One assignment of a config to every experiment that a call reaches, and the plan made of such cases."""

import itertools
import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Any, Literal

from spearmint.config.model import Config
from spearmint.errors import CaseError
from spearmint.ways import Part, Reached, Way, parts_of, table, tree

Combine = Literal["product", "one_at_a_time"]


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

    __slots__ = ("_plan_options", "current", "known", "option", "parent", "plan", "root", "values")

    _plan_options: dict[Reached, Option]
    current: Reached
    known: "dict[Reached, ExperimentCase]"
    option: Option
    parent: "ExperimentCase | None"
    plan: "Plan"
    root: Reached
    values: tuple[Callable[[], Any] | None, ...]

    def __init__(self, plan: "Plan", options: dict[Reached, Option]) -> None:
        self._set(plan, options, plan.root, options[plan.root], None)

    def _set(
        self,
        plan: "Plan",
        options: dict[Reached, Option],
        current: Reached,
        option: Option,
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


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """The main case and the variant cases of one call, made when they are asked for.

    Attributes:
        root: The experiment that is called.
        dimensions: One for each experiment that has configs of its own, the root's first.
        combine: ``"product"`` for every combination, ``"one_at_a_time"`` for main plus each variation alone.
        ways: How the experiments beside the root are reached, also those without a dimension.
        excess: Why it holds more cases than it may; empty if it does not.
        since: How many of the dimensions make cases that have been run before; none of those is a variant any more.
        made: The variant cases, where they have been made to serve several calls.
        joined: For each experiment that no plan foresaw and that was called in a case of this one, its options.
    """

    root: Reached
    dimensions: tuple[Dimension, ...]
    combine: Combine = "product"
    ways: Sequence[Way] = ()
    excess: str = ""
    since: int = 0
    made: "tuple[ExperimentCase, ...]" = ()
    joined: dict[Reached, tuple[Option, ...]] = field(default_factory=dict)

    def __len__(self) -> int:
        """Return how many cases the plan holds, main and those run before included."""
        return self._count(self.dimensions)

    @property
    def variant_count(self) -> int:
        """How many variants it holds."""
        return len(self) - self._count(self.dimensions[: self.since])

    def _count(self, dimensions: Sequence[Dimension]) -> int:
        sizes = [len(dimension.options) for dimension in dimensions]
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

    def without_variants(self) -> "Plan":
        """Return the plan of main alone."""
        mains = tuple(replace(dimension, options=dimension.options[:1]) for dimension in self.dimensions)
        return replace(self, dimensions=mains, made=())

    def extended(self) -> "Plan":
        """Return the plan that foresees what has joined this one's cases; its variants are the cases that this adds."""
        foreseen = {dimension.experiment for dimension in self.dimensions}
        joined = [Dimension(one, options) for one, options in tuple(self.joined.items()) if one not in foreseen]
        return replace(self, dimensions=(*self.dimensions, *joined), since=len(self.dimensions), made=())

    def position(self, case: ExperimentCase) -> tuple[int, ...]:
        """Return what sorts cases of this plan, and of those that it has grown from, into its order."""
        pairs = ((dimension.options, case.assigned(dimension.experiment)) for dimension in self.dimensions)
        places = tuple(0 if option not in options else options.index(option) for options, option in pairs)
        alone = next(((number, place) for number, place in enumerate(places) if place), ())
        return places if self.combine == "product" else alone

    @property
    def parts(self) -> list[Part]:
        """The experiments of the plan: how each is reached, and the ids of the options that it adds."""
        ids = {one.experiment: tuple(option.config_id for option in one.options) for one in self.dimensions}
        return parts_of(self.root, self.ways, ids)

    def __str__(self) -> str:
        """Draw the plan as a tree."""
        return tree(self.parts, len(self))

    def _repr_html_(self) -> str:
        """Return the table that a notebook shows."""
        return table(self.parts, len(self))

    def _product(self) -> Iterator[tuple[Option, ...]]:
        combinations = itertools.product(*(dimension.options for dimension in self.dimensions))
        if not self.since:
            return itertools.islice(combinations, 1, None)
        mains = tuple(dimension.options[0] for dimension in self.dimensions[self.since :])
        return (one for one in combinations if one[self.since :] != mains)

    def _one_at_a_time(self) -> Iterator[tuple[Option, ...]]:
        mains = tuple(dimension.options[0] for dimension in self.dimensions)
        for position, dimension in enumerate(self.dimensions[self.since :], self.since):
            for option in dimension.options[1:]:
                yield (*mains[:position], option, *mains[position + 1 :])

    def _case(self, options: tuple[Option, ...]) -> ExperimentCase:
        experiments = (dimension.experiment for dimension in self.dimensions)
        return ExperimentCase(self, dict(zip(experiments, options, strict=True)))
