"""The cases of one call: main, and the product of the options of all experiments that it reaches, made one by one."""

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from spearmint.cases.bound_config import BoundConfig
from spearmint.cases.case import ExperimentCase
from spearmint.cases.edge import Edge, ExperimentRef
from spearmint.cases.join_log import Assignments, JoinLog
from spearmint.cases.render import PlanNode, plan_nodes, plan_table, plan_tree

Combine = Literal["product", "one_at_a_time"]


@dataclass(frozen=True, slots=True)
class Dimension:
    """The options of one experiment in a plan, main first."""

    experiment: ExperimentRef
    options: tuple[BoundConfig, ...]


@dataclass(frozen=True, eq=False)  # Without slots, so that what follows from the fields is computed once.
class Plan:
    """The main case and the variant cases of one call, made on demand. It never changes.

    Attributes:
        root: The experiment that is called.
        dimensions: One for each experiment that has configs of its own, the root's first.
        combine: ``"product"`` for every combination, ``"one_at_a_time"`` for main plus each variation alone.
        edges: How the experiments beside the root are reached, also those without a dimension.
        discovered: All of these, and the root.
        max_cases: How many cases it may hold; None for no bound.
        executed: How many of its dimensions, from the first on, make cases that the call has run already; these are no
            variants any more. Not 0 only in a plan that was extended while its call was running.
        materialized: The variant cases, where they have been made to serve several calls.
        assignments: What strategies that assign units have assigned for the call; None where none was asked.
    """

    root: ExperimentRef
    dimensions: tuple[Dimension, ...]
    combine: Combine = "product"
    edges: Sequence[Edge] = ()
    discovered: frozenset[ExperimentRef] = frozenset()
    max_cases: int | None = None
    executed: int = 0
    materialized: "tuple[ExperimentCase, ...]" = ()
    assignments: Assignments | None = None

    @cached_property
    def size(self) -> int:
        """How many cases the plan holds, main and those run before included."""
        return self._count(self.dimensions)

    def __len__(self) -> int:
        """Return the same, which Python bounds at some 10^19."""
        return self.size

    @cached_property
    def variant_count(self) -> int:
        """How many variants it holds."""
        return self.size - self._count(self.dimensions[: self.executed])

    def _count(self, dimensions: Sequence[Dimension]) -> int:
        sizes = [len(dimension.options) for dimension in dimensions]
        return math.prod(sizes) if self.combine == "product" else 1 + sum(size - 1 for size in sizes)

    @cached_property
    def varying(self) -> frozenset[ExperimentRef]:
        """The experiments that run under several configs in it."""
        return frozenset(one.experiment for one in self.dimensions if len(one.options) > 1)

    @cached_property
    def options(self) -> Mapping[ExperimentRef, Sequence[BoundConfig]]:
        """The options of each experiment with a dimension in it, main first."""
        return {one.experiment: one.options for one in self.dimensions}

    @cached_property
    def overflow(self) -> str:
        """Why its variants cannot run: it holds more cases than ``max_cases``. Empty where it does not."""
        if self.max_cases is None or self.size <= self.max_cases:
            return ""
        sizes = " x ".join(f"{len(one.options)} ({one.experiment.name})" for one in self.dimensions)
        return (
            f"Cannot run {self.root.name} over {self.size} cases: max_cases is {self.max_cases}, and its options are "
            f"{sizes}. Give fewer configs, combine='one_at_a_time', or a larger max_cases."
        )

    @property
    def sizes(self) -> Mapping[str, int]:
        """From the name of each experiment to the number of its options."""
        return {dimension.experiment.name: len(dimension.options) for dimension in self.dimensions}

    @property
    def main(self) -> ExperimentCase:
        """A new main case: every experiment under its main config."""
        return self.main_case(JoinLog())

    def main_case(self, log: JoinLog) -> ExperimentCase:
        """Return a new main case of the call that a log belongs to."""
        return self._case(tuple(dimension.options[0] for dimension in self.dimensions), log, self.assignments)

    def variants(self, log: JoinLog | None = None) -> Iterator[ExperimentCase]:
        """Yield the variant cases one after another, in `itertools.product` order.

        Args:
            log: That of the call that they belong to; None for a new one.
        """
        if self.materialized and log is self.materialized[0].log:
            return iter(self.materialized)
        combinations = self._product() if self.combine == "product" else self._one_at_a_time()
        log = JoinLog() if log is None else log
        return (self._case(options, log) for options in combinations)

    def cases(self) -> Iterator[ExperimentCase]:
        """Yield the cases of one call, main first."""
        log = JoinLog()
        yield self.main_case(log)
        yield from self.variants(log)

    def with_cases(self, log: JoinLog) -> "Plan":
        """Return this plan with its variant cases made, for the calls that share a log."""
        return replace(self, materialized=tuple(self.variants(log)))

    def without_variants(self) -> "Plan":
        """Return the plan of main alone."""
        mains = tuple(replace(dimension, options=dimension.options[:1]) for dimension in self.dimensions)
        return replace(self, dimensions=mains, materialized=())

    def without_assignments(self) -> "Plan":
        """Return the plan for calls that a strategy has been asked for each on its own."""
        return replace(self, assignments={})

    def with_edges(self, edges: Iterable[Edge]) -> "Plan":
        """Return this plan with further edges, as a call has found them."""
        return replace(self, edges=(*self.edges, *edges))

    def extended(self, log: JoinLog) -> "Plan":
        """Return the plan that includes what has joined the cases of a call; its variants are the cases that this adds.

        Args:
            log: That of the call.
        """
        known = {dimension.experiment for dimension in self.dimensions}
        choices = tuple(log.choices.items())
        # An experiment that was made for the call that called it cannot be called again.
        joined = [Dimension(one, options) for one, options in choices if one not in known and not one.is_unreachable]
        return replace(
            self,
            dimensions=(*self.dimensions, *joined),
            discovered=self.discovered.union(log.choices),
            executed=len(self.dimensions),
            materialized=(),
        )

    def position(self, case: ExperimentCase) -> tuple[int, ...]:
        """Return what sorts cases of this plan, and of those that it was extended from, into its order."""
        pairs = ((dimension.options, case.assigned(dimension.experiment)) for dimension in self.dimensions)
        places = tuple(0 if option not in options else options.index(option) for options, option in pairs)
        alone = next(((number, place) for number, place in enumerate(places) if place), ())
        return places if self.combine == "product" else alone

    @property
    def parts(self) -> list[PlanNode]:
        """The experiments of the plan: how each is reached, and the ids of the options that it adds."""
        shown = (one for one in self.dimensions if one.options[0].config or len(one.options) > 1)
        ids = {one.experiment: tuple(option.config_id for option in one.options) for one in shown}
        return plan_nodes(self.root, self.edges, ids)

    def __str__(self) -> str:
        """Draw the plan as a tree."""
        return plan_tree(self.parts, self.size)

    def _repr_html_(self) -> str:
        """Return the table that a notebook shows."""
        return plan_table(self.parts, self.size)

    def _product(self) -> Iterator[tuple[BoundConfig, ...]]:
        combinations = itertools.product(*(dimension.options for dimension in self.dimensions))
        if not self.executed:
            return itertools.islice(combinations, 1, None)
        mains = tuple(dimension.options[0] for dimension in self.dimensions[self.executed :])
        return (one for one in combinations if one[self.executed :] != mains)

    def _one_at_a_time(self) -> Iterator[tuple[BoundConfig, ...]]:
        mains = tuple(dimension.options[0] for dimension in self.dimensions)
        for position, dimension in enumerate(self.dimensions[self.executed :], self.executed):
            for option in dimension.options[1:]:
                yield (*mains[:position], option, *mains[position + 1 :])

    def _case(
        self, options: tuple[BoundConfig, ...], log: JoinLog, assignments: Assignments | None = None
    ) -> ExperimentCase:
        experiments = (dimension.experiment for dimension in self.dimensions)
        return ExperimentCase(self, dict(zip(experiments, options, strict=True)), log, assignments)
