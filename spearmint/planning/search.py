"""From an experiment to the experiments that it reaches, by its code and by the calls recorded before."""

import logging
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from functools import partial
from types import FunctionType
from typing import Any

from spearmint.cases.edge import Edge, EdgeKind
from spearmint.discovery.reach.call_graph import CallEdge, Explorer, Node, Reach
from spearmint.discovery.reach.dependencies import Dependencies
from spearmint.discovery.reach.function_body import line_of
from spearmint.discovery.reach.name_resolution import Receiver, seen_from_outside
from spearmint.discovery.reach.static_lookup import MISSING, Instance, is_class, own_attributes, unwrapped
from spearmint.discovery.reach.table_store import module_of
from spearmint.discovery.reach.user_code import same_project_filter
from spearmint.planning.reachability import Reachability
from spearmint.planning.value_slots import ValueSlot, line_of_read, value_in, values_read_in
from spearmint.registry.experiment import ExperimentFunction, ProxyBase
from spearmint.registry.state import epoch
from spearmint.registry.value import ValueExperiment

logger = logging.getLogger("spearmint")

_MANY_REACHABILITIES = 64  # for one experiment, by what matters of its receivers


def find_reachable(experiment: ExperimentFunction, args: tuple[Any, ...]) -> Reachability:
    """Find what a call reaches, and keep it with the experiment; the first argument may be a receiver."""
    receiver = _receiver(experiment, args)
    found = _Search(experiment, receiver).reachability()
    state = experiment.state
    if receiver is not None and receiver.is_used:
        names = state.receiver_names | receiver.own_names
        if state.key_of is None or names != state.receiver_names:
            state.receiver_names = names
            state.key_of = _key_of(tuple(sorted(names)))
            state.reachabilities.clear()
    if len(state.reachabilities) >= _MANY_REACHABILITIES:
        state.reachabilities.clear()
    key = None if state.key_of is None or not args else state.key_of(args[0])
    state.reachabilities[key] = found
    return found


def _receiver(experiment: ExperimentFunction, args: tuple[Any, ...]) -> Receiver | None:
    """Return the first argument, if the function stands in its class."""
    owner, _, _ = experiment.name.partition(":")[2].rpartition(".")
    if not args or not owner or owner.endswith("<locals>"):
        return None
    kind = args[0] if is_class(args[0]) else type(args[0])
    return Receiver(args[0]) if any(base.__qualname__ == owner for base in kind.__mro__) else None


def _key_of(names: tuple[str, ...]) -> Callable[[Any], Hashable]:
    """Return what tells receivers apart: by their class, and by what they hold under some names."""

    def key_of(receiver: Any) -> Hashable:
        if is_class(receiver):
            return id(receiver)
        if not names:
            return id(type(receiver))
        own = own_attributes(receiver) or {}
        return (id(type(receiver)), *(_identity(seen_from_outside(own.get(name, MISSING))) for name in names))

    return key_of


def _identity(value: Any) -> tuple[bool, int]:
    return (True, id(value.of)) if type(value) is Instance else (False, id(value))


@dataclass(frozen=True, slots=True)
class _Step:
    """A place in the search: an experiment, what its receiver is, and whose configs its callers pass on."""

    experiment: ExperimentFunction
    receiver: Any
    passing: frozenset[int]


class _Search:
    """A search from experiment to experiment, depth first."""

    def __init__(self, root: ExperimentFunction, receiver: Receiver | None) -> None:
        self._root = root
        self._receiver = receiver
        self._dependencies = Dependencies()
        self._explorers: dict[str, Explorer] = {}
        self._edges: dict[tuple[Hashable, ...], list[tuple[Edge, Any]]] = {}

    def reachability(self) -> Reachability:
        changes = epoch.changes
        dimensions: dict[ExperimentFunction, None] = {}
        experiments = {self._root}
        passed: set[tuple[Hashable, ...]] = set()
        receiver = MISSING if self._receiver is None else self._receiver.stands_for
        waiting = [_Step(self._root, receiver, frozenset())]
        while waiting:
            step = waiting.pop()
            key = (step.experiment, _identity(step.receiver), step.passing)
            if key in passed:
                continue
            passed.add(key)
            experiments.add(step.experiment)
            if step.experiment is not self._root and _adds_dimension(step):
                dimensions[step.experiment] = None
            passing = step.passing | _passed_on(step.experiment)
            following = reversed(self._edges_from(step))
            waiting.extend(_Step(edge.experiment, receiver, passing) for edge, receiver in following)
        edges = [edge for found in self._edges.values() for edge, _ in found]
        return Reachability(edges, tuple(dimensions), frozenset(experiments), self._dependencies, changes)

    def _edges_from(self, step: _Step) -> list[tuple[Any, Any]]:
        """Return how an experiment leads to others, each with what its receiver will be."""
        key = (step.experiment, _identity(step.receiver))
        if key not in self._edges:
            is_called = step.experiment.is_called
            self._edges[key] = [*self._static_edges(step), *_dynamic_edges(step.experiment)] if is_called else []
        return self._edges[key]

    def _static_edges(self, step: _Step) -> Iterator[tuple[Edge, Any]]:
        try:
            reached = self._explorer_for(step.experiment).reach(step.experiment.function, step.receiver)
        except Exception as error:  # A call goes on, whatever odd thing stands in user code.  # noqa: BLE001
            logger.warning("Cannot find what %s calls: %s: %s.", step.experiment.name, type(error).__name__, error)
            return
        called = _called(reached)
        best: dict[Node, CallEdge] = {}
        for edge in reached.edges:
            is_call = edge.kind == "call" and edge.caller in called
            if _is_proxy(edge.callee.function) and (edge.callee not in best or is_call):
                best[edge.callee] = edge
        for node, edge in best.items():
            kind: EdgeKind = "call" if node in called else "reference"
            reached_one: ExperimentFunction = node.function._self_experiment.canonical  # noqa: SLF001 - a proxy's
            place = partial(_place, edge.caller, edge.target)
            yield Edge(reached_one, step.experiment, kind, place), node.receiver
        yield from self._values_read_by(step.experiment, reached)

    def _values_read_by(self, experiment: ExperimentFunction, reached: Reach) -> Iterator[tuple[Edge, Any]]:
        """Yield the values that an experiment, and the plain functions that it reaches, read."""
        found: dict[ValueExperiment, tuple[Node, ValueSlot]] = {}
        for node in reached.nodes:
            function = unwrapped(node.function)
            if type(function) is not FunctionType or (_is_proxy(node.function) and node is not reached.root):
                continue
            for slot in values_read_in(function.__code__):
                value = slot.value
                self._dependencies.add_read(value_in, (slot,), value)
                if value is not None:
                    found.setdefault(value, (node, slot))
        for value, (node, slot) in found.items():
            yield Edge(value, experiment, "read", partial(_place_of_read, node, slot)), MISSING

    def _explorer_for(self, experiment: ExperimentFunction) -> Explorer:
        """Return what searches the code around an experiment, for all experiments of one package."""
        function = unwrapped(experiment.function)
        module = module_of(function) if type(function) is FunctionType else experiment.name.partition(":")[0]
        package = module.partition(".")[0]
        found = self._explorers.get(package)
        if found is None:
            found = self._explorers[package] = Explorer(
                same_project_filter(module), is_end=_is_proxy, receiver=self._receiver, dependencies=self._dependencies
            )
        return found


def _dynamic_edges(experiment: ExperimentFunction) -> Iterator[tuple[Edge, Any]]:
    canonical = experiment.canonical
    # `keyrefs` gives a list, which other threads do not lengthen meanwhile.
    for reference in canonical.state.dynamic_callees.keyrefs():
        other = reference()
        if isinstance(other, ExperimentFunction) and not other.is_unreachable:
            yield Edge(other, experiment, "dynamic", partial(_place_dynamic, canonical, other)), MISSING


def _place_dynamic(experiment: ExperimentFunction, other: ExperimentFunction) -> str:
    return experiment.state.dynamic_callees.get(other, "")


def _called(reached: Reach) -> set[Node]:
    """Return the nodes that calls alone lead to."""
    below: dict[Node, list[Node]] = {}
    for edge in reached.edges:
        if edge.kind != "reference":
            below.setdefault(edge.caller, []).append(edge.callee)
    found = {reached.root}
    waiting = [reached.root]
    while waiting:
        new = [node for node in below.get(waiting.pop(), ()) if node not in found]
        found.update(new)
        waiting.extend(new)
    return found


def _place(caller: Node, target: str) -> str:
    # Not of the edge, which holds the callee: what is called no more is not to be kept.
    line = line_of(caller.function, target) if type(caller.function) is FunctionType else 0
    return f"{caller.name}, line {line}"


def _place_of_read(reader: Node, slot: ValueSlot) -> str:
    code = unwrapped(reader.function).__code__
    return f"{reader.name}, line {line_of_read(code, slot)}"


def _adds_dimension(step: _Step) -> bool:
    experiment = step.experiment
    is_own = experiment.has_own_configs or experiment.is_pinned
    return bool(experiment.options) and (is_own or id(experiment.family) not in step.passing)


def _passed_on(experiment: ExperimentFunction) -> frozenset[int]:
    """Return whose configs an experiment passes on to those that share them."""
    shares = experiment.options and not experiment.has_own_configs
    return frozenset({id(experiment.family)} if shares else ())


def _is_proxy(value: Any) -> bool:
    return issubclass(type(value), ProxyBase)
