"""From a function to the functions it reaches, by globals, aliases, attributes, methods, closures and references."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from types import FunctionType
from typing import Any, Literal

from spearmint.discovery.reach.dependencies import Dependencies
from spearmint.discovery.reach.function_body import line_of
from spearmint.discovery.reach.name_resolution import Called, Receiver, Resolver
from spearmint.discovery.reach.static_lookup import (
    MISSING,
    Bound,
    Instance,
    callables_in,
    cell_contents,
    unwrapped,
    wrapped_in,
)
from spearmint.discovery.reach.table_store import module_of
from spearmint.discovery.reach.user_code import IsFollowed, same_project_filter

CallEdgeKind = Literal["call", "reference", "wraps"]


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """A function that is reached, or a wrapper or proxy of one.

    Attributes:
        function: The object itself; its identity is what counts, never its name.
        receiver: What its first parameter stands for: an instance, a class, an `Instance` of a class if it is not known
            which, or `MISSING` where nothing is known of it. One function reached with two receivers is two nodes.
    """

    function: Any
    receiver: Any

    @property
    def name(self) -> str:
        """``"module:qualified.name"``."""
        function = unwrapped(self.function)
        if type(function) is FunctionType:
            return f"{module_of(function)}:{function.__qualname__}"
        return f"{type(function).__module__}:{type(function).__qualname__}"


@dataclass(frozen=True, slots=True, eq=False)
class CallEdge:
    """One way from a function to another.

    Attributes:
        caller: Whose body names the callee.
        callee: What is called.
        kind: ``"call"``; ``"reference"`` where it is passed as an argument; ``"wraps"`` from a decorated function to
            the one inside.
        target: The dotted name that the body uses; empty for ``"wraps"``.
    """

    caller: Node
    callee: Node
    kind: CallEdgeKind
    target: str

    @property
    def line(self) -> int:
        """The line of the first such call, counted from 1; that of the definition for ``"wraps"``; 0 if unknown."""
        function = self.caller.function
        return line_of(function, self.target) if type(function) is FunctionType else 0


@dataclass(frozen=True, slots=True, eq=False)
class Reach:
    """What a function reaches.

    Attributes:
        root: The function.
        nodes: What it reaches, itself first, in the order in which the calls stand in the code.
        edges: The ways between them, those from one node in the order of its code.
        dependencies: What all of this was read from.
        receiver: The receiver of the root, and which of its attributes mattered; None where it did not matter at all.
    """

    root: Node
    nodes: tuple[Node, ...]
    edges: tuple[CallEdge, ...]
    dependencies: Dependencies
    receiver: Receiver | None


IsKept = Callable[[Any], bool]


def reach(
    function: Callable[..., Any],
    receiver: Any = MISSING,
    *,
    is_followed: IsFollowed | None = None,
    is_kept: IsKept = lambda _: False,
    is_end: IsKept = lambda _: False,
) -> Reach:
    """Find the functions that a function reaches, without running or reading any of them.

    Names are resolved as they stand at the moment of the call. What no name leads to is not found: what lies in a dict
    or list, what a call returns, what a parameter or local variable holds.

    Args:
        function: The function; a method is taken with its receiver.
        receiver: What the first parameter stands for; a `Receiver` is not kept alive by the result.
        is_followed: Tells of which modules, by name, the functions are looked into. By default those that
            `same_project_filter`
            the function's. Others are in the result only where something that is leads on from them.
        is_kept: Tells which wrappers and proxies are in the result whatever is inside.
        is_end: Tells which of these are in it and are not looked into.

    Returns:
        The nodes, the edges, and what they were read from.
    """
    (inner, bound, _), *_ = [*callables_in(function), (function, MISSING, False)]
    if receiver is MISSING and bound is not MISSING:
        receiver = Receiver(bound)
    tracked = receiver if type(receiver) is Receiver else None
    if is_followed is None:
        plain = unwrapped(inner)
        is_followed = same_project_filter(module_of(plain) if type(plain) is FunctionType else "")
    explorer = Explorer(is_followed, is_kept=is_kept, is_end=is_end, receiver=tracked)
    return explorer.reach(inner, receiver if tracked is None else tracked.stands_for)


class Explorer:
    """Searches depth first, so that the order is that of the code, and reads each body once for all its searches.

    Args:
        is_followed: As for `reach`.
        is_kept: As for `reach`.
        is_end: As for `reach`.
        receiver: The receiver of which to note what mattered.
        dependencies: Where to note what the results were read from; by default a new one.
    """

    def __init__(
        self,
        is_followed: IsFollowed,
        *,
        is_kept: IsKept = lambda _: False,
        is_end: IsKept = lambda _: False,
        receiver: Receiver | None = None,
        dependencies: Dependencies | None = None,
    ) -> None:
        self._is_followed = lru_cache(is_followed)
        self._is_kept = is_kept
        self._is_end = is_end
        self._receiver = receiver
        self._dependencies = Dependencies() if dependencies is None else dependencies
        self._resolver = Resolver(self._dependencies, receiver, self._is_followed)
        self._nodes: dict[tuple[Any, ...], Node] = {}
        self._ways: dict[Node, list[CallEdge]] = {}

    def reach(self, function: Any, receiver: Any) -> Reach:
        """Find what a function or wrapper reaches; with `MISSING` nothing is known of its receiver."""
        root = self._node(function, receiver)
        edges: list[CallEdge] = []
        passed = {root}
        waiting = [iter(self._find_ways(root, is_root=True))]
        while waiting:
            edge = next(waiting[-1], None)
            if edge is None:
                waiting.pop()
                continue
            edges.append(edge)
            if edge.callee not in passed:
                passed.add(edge.callee)
                waiting.append(iter(self._ways_from(edge.callee)))
        nodes, kept = self._pruned(root, edges)
        used = self._receiver if self._receiver is not None and self._receiver.is_used else None
        return Reach(root, nodes, kept, self._dependencies, used)

    def _node(self, function: Any, receiver: Any) -> Node:
        kind = type(receiver)
        key = (id(function), id(receiver.of) if kind is Instance else id(receiver), kind is Instance)
        found = self._nodes.get(key)
        if found is None:
            found = self._nodes[key] = Node(function, receiver)
        return found

    def _ways_from(self, node: Node) -> list[CallEdge]:
        found = self._ways.get(node)
        if found is None:
            found = self._ways[node] = list(self._find_ways(node))
        return found

    def _find_ways(self, node: Node, *, is_root: bool = False) -> Iterator[CallEdge]:
        function = node.function
        if not is_root and self._is_end(function):
            return
        inner = wrapped_in(function)
        if inner is not MISSING:
            for one, receiver, _ in callables_in(inner):
                yield CallEdge(node, self._node(one, node.receiver if receiver is MISSING else receiver), "wraps", "")
        if type(function) is not FunctionType:
            return
        seen: set[tuple[Node, bool]] = set()
        is_open = is_root or self._is_followed(module_of(function))
        calls = self._resolver.calls_of(function, node.receiver) if is_open else _held(function)
        for value, target, is_handed_on in calls:
            for one, receiver, is_reference in _plain(value) or callables_in(value):
                if not self._resolver.leads_on(one):
                    continue
                is_call = not (is_reference or is_handed_on)
                callee = self._node(one, receiver)
                if (callee, is_call) not in seen:
                    seen.add((callee, is_call))
                    yield CallEdge(node, callee, "call" if is_call else "reference", target)

    def _pruned(self, root: Node, edges: list[CallEdge]) -> tuple[tuple[Node, ...], tuple[CallEdge, ...]]:
        """Leave out what is neither followed nor kept and from which nothing of that kind is reached."""
        callers: dict[Node, list[Node]] = {}
        for edge in edges:
            callers.setdefault(edge.callee, []).append(edge.caller)
        nodes = dict.fromkeys([root, *(edge.callee for edge in edges)])
        wanted = {root}
        waiting = [node for node in nodes if self._is_wanted(node.function)]
        while waiting:
            node = waiting.pop()
            if node not in wanted:
                wanted.add(node)
                waiting.extend(callers.get(node, ()))
        kept = tuple(edge for edge in edges if edge.callee in wanted and edge.caller in wanted)
        return tuple(node for node in nodes if node in wanted), kept

    def _is_wanted(self, function: Any) -> bool:
        if type(function) is FunctionType:
            return self._is_followed(module_of(function))
        return self._is_kept(function) or self._is_end(function)


def _plain(value: Any) -> tuple[tuple[Any, Any, bool], ...]:
    """Do what `callables_in` does for the two kinds of values that nearly all are; empty for others."""
    kind = type(value)
    if kind is FunctionType:
        return ((value, MISSING, False),)
    if kind is Bound and type(value.function) is FunctionType:
        return ((value.function, value.receiver, False),)
    return ()


def _held(function: FunctionType) -> Iterator[Called]:
    """Yield what a function that is not looked into holds in its closure, as a decorator's does."""
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        value = cell_contents(cell)
        if type(value) is FunctionType or (value is not MISSING and wrapped_in(value) is not MISSING):
            yield Called(value, name, is_reference=True)
