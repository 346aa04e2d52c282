"""The cases of one call: main, and the product of the options of all experiments that it reaches, made one by one."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from spearmint.cases.case import BoundConfig, ExperimentCase
from spearmint.cases.edge import Edge, ExperimentRef
from spearmint.cases.render import PlanNode, plan_nodes, plan_table, plan_tree

Combine = Literal["product", "one_at_a_time"]


@dataclass(frozen=True, slots=True)
class Dimension:
    """The options of one experiment in a plan, main first."""

    experiment: ExperimentRef
    options: tuple[BoundConfig, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """The main case and the variant cases of one call, made when they are asked for.

    Attributes:
        root: The experiment that is called.
        dimensions: One for each experiment that has configs of its own, the root's first.
        combine: ``"product"`` for every combination, ``"one_at_a_time"`` for main plus each variation alone.
        edges: How the experiments beside the root are reached, also those without a dimension.
        discovered: All of these, and the root.
        overflow_message: Why it holds more cases than it may; empty if it does not.
        dropped: How many variants that costs.
        executed_dimensions: How many of the dimensions make cases that have been run before, which are no variants any
            more.
        generation: How often it has grown.
        materialized: The variant cases, where they have been made to serve several calls.
        joined: For each experiment that it does not foresee and that was called in a case of it, its options.
        dynamic_edges: How such experiments were reached, by experiment and caller.
    """

    root: ExperimentRef
    dimensions: tuple[Dimension, ...]
    combine: Combine = "product"
    edges: Sequence[Edge] = ()
    discovered: frozenset[ExperimentRef] = frozenset()
    overflow_message: str = ""
    dropped: int = 0
    executed_dimensions: int = 0
    generation: int = 0
    materialized: "tuple[ExperimentCase, ...]" = ()
    joined: dict[ExperimentRef, tuple[BoundConfig, ...]] = field(default_factory=dict)
    dynamic_edges: dict[tuple[ExperimentRef, ExperimentRef], Edge] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """How many cases the plan holds, main and those run before included."""
        return self._count(self.dimensions)

    def __len__(self) -> int:
        """Return the same, which Python bounds at some 10^19."""
        return self.size

    @property
    def variant_count(self) -> int:
        """How many variants it holds."""
        return self.size - self._count(self.dimensions[: self.executed_dimensions])

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
        if self.materialized:
            return iter(self.materialized)
        combinations = self._product() if self.combine == "product" else self._one_at_a_time()
        return map(self._case, combinations)

    def with_cases(self) -> "Plan":
        """Return this plan with its variant cases made, for calls that choose the same."""
        return replace(self, materialized=tuple(self.variants()))

    def without_variants(self) -> "Plan":
        """Return the plan of main alone."""
        mains = tuple(replace(dimension, options=dimension.options[:1]) for dimension in self.dimensions)
        return replace(self, dimensions=mains, materialized=())

    def extended(self) -> "Plan":
        """Return the plan that foresees what has joined this one's cases; its variants are the cases that this adds."""
        known = {dimension.experiment for dimension in self.dimensions}
        called = [(one, options) for one, options in tuple(self.joined.items()) if one not in known]
        # One that was made for the call that called it cannot be called again.
        joined = [Dimension(one, options) for one, options in called if not one.is_unreachable]
        discovered = self.discovered.union(self.joined)
        dimensions = (*self.dimensions, *joined)
        return replace(
            self,
            dimensions=dimensions,
            discovered=discovered,
            executed_dimensions=len(self.dimensions),
            generation=self.generation + 1,
            materialized=(),
        )

    def position(self, case: ExperimentCase) -> tuple[int, ...]:
        """Return what sorts cases of this plan, and of those that it has grown from, into its order."""
        pairs = ((dimension.options, case.assigned(dimension.experiment)) for dimension in self.dimensions)
        places = tuple(0 if option not in options else options.index(option) for options, option in pairs)
        alone = next(((number, place) for number, place in enumerate(places) if place), ())
        return places if self.combine == "product" else alone

    @property
    def parts(self) -> list[PlanNode]:
        """The experiments of the plan: how each is reached, and the ids of the options that it adds."""
        told = (one for one in self.dimensions if one.options[0].config or len(one.options) > 1)
        ids = {one.experiment: tuple(option.config_id for option in one.options) for one in told}
        return plan_nodes(self.root, (*self.edges, *self.dynamic_edges.values()), ids)

    def __str__(self) -> str:
        """Draw the plan as a tree."""
        return plan_tree(self.parts, self.size)

    def _repr_html_(self) -> str:
        """Return the table that a notebook shows."""
        return plan_table(self.parts, self.size)

    def _product(self) -> Iterator[tuple[BoundConfig, ...]]:
        combinations = itertools.product(*(dimension.options for dimension in self.dimensions))
        if not self.executed_dimensions:
            return itertools.islice(combinations, 1, None)
        mains = tuple(dimension.options[0] for dimension in self.dimensions[self.executed_dimensions :])
        return (one for one in combinations if one[self.executed_dimensions :] != mains)

    def _one_at_a_time(self) -> Iterator[tuple[BoundConfig, ...]]:
        mains = tuple(dimension.options[0] for dimension in self.dimensions)
        for position, dimension in enumerate(self.dimensions[self.executed_dimensions :], self.executed_dimensions):
            for option in dimension.options[1:]:
                yield (*mains[:position], option, *mains[position + 1 :])

    def _case(self, options: tuple[BoundConfig, ...]) -> ExperimentCase:
        experiments = (dimension.experiment for dimension in self.dimensions)
        return ExperimentCase(self, dict(zip(experiments, options, strict=True)))
