"""What a search chooses from: the parameters of a plan's configs, of nested experiments too, one axis each."""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spearmint.cases.bound_config import BoundConfig
from spearmint.cases.case import ExperimentCase
from spearmint.cases.plan import Dimension, Plan
from spearmint.config.flatten import differing_paths, flatten
from spearmint.config.model import ATOMS, Config, assign_id, generate_config_id, ranges_of
from spearmint.config.sweep import Range
from spearmint.errors import EvaluationError

_WIDTHS = 0.03, 0.15  # of steps from a number in a range to those beside it, as shares of the range

Coordinates = tuple[float, ...]
"""For each axis the number of the value, or of a range how far along it a number stands, from 0 to 1."""


@dataclass(frozen=True, slots=True)
class SearchAxis:
    """One parameter that a search varies.

    Attributes:
        name: Its path; of a nested experiment, after the function's name.
        values: The values; numbers in their order.
        range: The range that it is chosen from; None where there are values.
        is_ordered: Whether values that stand side by side are alike.
        start: What main has, as a `Coordinates` says it.
    """

    name: str
    values: Sequence[Any]
    range: Range | None
    is_ordered: bool
    start: float

    def place(self, number: float) -> float:
        """Return where a choice stands among the others: of ordered ones from 0 to 1, of others its number."""
        return number / (len(self.values) - 1) if self.range is None and self.is_ordered else number

    def draw(self, rng: np.random.Generator) -> float:
        """Choose by chance."""
        if self.range is not None:
            return self.range.share_of(self.range.at(float(rng.random())))  # as a storage gives it back
        return float(rng.integers(len(self.values)))

    def near(self, number: float, rng: np.random.Generator) -> Iterator[float]:
        """Yield choices beside one: of a range two by chance, else every other value."""
        if self.range is not None:
            for width in _WIDTHS:
                beside = min(1.0, max(0.0, number + float(rng.normal(0, width))))
                yield self.range.share_of(self.range.at(beside))
        else:
            yield from (float(other) for other in range(len(self.values)) if other != number)


class Space:
    """All cases that a search may try.

    Args:
        plan: The plan of the function with every config of all that it reaches.

    Attributes:
        axes: The parameters that vary.

    Raises:
        EvaluationError: If nothing varies, or the configs of an experiment have different ranges.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._parts = [_Part(dimension, is_root=number == 0) for number, dimension in enumerate(plan.dimensions)]
        self.axes: list[SearchAxis] = [axis for part in self._parts for axis in part.axes]
        if not self.axes:
            cause = f"{plan.root.name} and what it reaches have one config each, and no Range in them"
            raise EvaluationError(f"Cannot search: {cause}. Give configs with a sweep or a Range.")

    @property
    def start(self) -> Coordinates:
        """What main has."""
        return tuple(axis.start for axis in self.axes)

    @cached_property
    def size(self) -> float:
        """How many cases there are; infinite with a range."""
        return math.prod(math.inf if axis.range is not None else len(axis.values) for axis in self.axes)

    def case(self, choice: Coordinates) -> ExperimentCase:
        """Return the case of a choice."""
        dimensions, first = [], 0
        for part in self._parts:
            option = part.option(choice[first : first + len(part.axes)])
            dimensions.append(Dimension(part.dimension.experiment, (option,)))
            first += len(part.axes)
        return replace(self._plan, dimensions=tuple(dimensions)).main

    def case_id(self, case: ExperimentCase) -> str:
        """Return what names a case: the ids of the configs that vary in the search, joined with ``+``."""
        varying = [part.dimension.experiment for part in self._parts if part.axes]
        return "+".join(case.config_ids[experiment.name] for experiment in varying)

    def points(self, choices: Sequence[Coordinates]) -> NDArray[np.float64]:
        """Return where choices stand, as `spearmint.statistics.surrogate.Surrogate` takes it."""
        rows = [[axis.place(one) for axis, one in zip(self.axes, choice, strict=True)] for choice in choices]
        return np.array(rows, dtype=np.float64).reshape(len(rows), len(self.axes))

    def draw(self, rng: np.random.Generator) -> Coordinates:
        """Choose by chance."""
        return tuple(axis.draw(rng) for axis in self.axes)

    def every(self) -> Iterator[Coordinates]:
        """Yield every choice; only where there is no range."""
        return itertools.product(*([float(number) for number in range(len(axis.values))] for axis in self.axes))

    def near(self, choice: Coordinates, rng: np.random.Generator) -> Iterator[Coordinates]:
        """Yield choices that differ in one parameter."""
        for position, axis in enumerate(self.axes):
            for number in axis.near(choice[position], rng):
                yield (*choice[:position], number, *choice[position + 1 :])


class _Part:
    """The axes of one experiment's configs, and the way back from choices to a config."""

    def __init__(self, dimension: Dimension, *, is_root: bool) -> None:
        self.dimension = dimension
        prefix = "" if is_root else f"{dimension.experiment.name.rpartition('.')[2].rpartition(':')[2]}: "
        flat = [flatten(option.config) for option in dimension.options]
        self._ranges = _common_ranges(dimension)
        paths = [path for path in differing_paths(flat) if path]
        columns = [_sorted(list({repr(one.get(path)): one.get(path) for one in flat}.values())) for path in paths]
        numbers = [
            tuple(
                [repr(value) for value in column].index(repr(one.get(path)))
                for path, column in zip(paths, columns, strict=True)
            )
            for one in flat
        ]
        self._options = dict(zip(numbers, dimension.options, strict=True))
        if len(self._options) != len(flat) or math.prod(map(len, columns)) != len(flat):  # They are no product.
            labels = [option.config_id for option in dimension.options]
            paths, columns = ["config"], [labels]
            numbers = [(number,) for number in range(len(labels))]
            self._options = dict(zip(numbers, dimension.options, strict=True))
        self._finite = len(paths) if len(flat) > 1 else 0
        self.axes = [
            SearchAxis(f"{prefix}{path}", column, None, is_ordered=all(map(_is_number, column)), start=float(start))
            for path, column, start in zip(paths, columns, numbers[0], strict=True)
        ][: self._finite]
        self.axes += [
            SearchAxis(f"{prefix}{'.'.join(path)}", (), one, is_ordered=True, start=0.0)
            for path, one in self._ranges.items()
        ]

    def option(self, choice: Coordinates) -> BoundConfig:
        numbers = tuple(int(number) for number in choice[: self._finite]) or next(iter(self._options))
        chosen = self._options[numbers]
        if not self._ranges:
            return chosen
        config = chosen.copy()
        for (path, one), share in zip(self._ranges.items(), choice[self._finite :], strict=True):
            _put(config, path, one.at(share))
        assign_id(config, generate_config_id(dict(config)))
        experiment: Any = self.dimension.experiment
        made: BoundConfig = experiment.compile_option(config)
        return made


def _common_ranges(dimension: Dimension) -> dict[tuple[str, ...], Range]:
    """Return the ranges that all configs of an experiment have, by path."""
    first, *others = dimension.options
    ranges = dict(ranges_of(first.config))
    for other in others:
        if dict(ranges_of(other.config)) != ranges:
            name, ids = dimension.experiment.name, f"{first.config_id!r} and {other.config_id!r}"
            advice = "Give each config the same ones at the same paths, or search the configs one by one"
            raise EvaluationError(f"Cannot search {name!r}: its configs {ids} have different ranges. {advice}.")
    return ranges


def _sorted(values: list[Any]) -> list[Any]:
    """Return values, numbers in their order."""
    return sorted(values) if all(map(_is_number, values)) else values


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)


def _put(config: Config, path: tuple[str, ...], value: float) -> None:
    place: Any = config
    for part in path[:-1]:
        place = place[int(part) if isinstance(place, list) else part]
    place[int(path[-1]) if isinstance(place, list) else path[-1]] = value


def label_of(value: Any) -> Any:
    """Return a value as Optuna's storages take it: as it is, or as text."""
    return value if type(value) in ATOMS else repr(value)
