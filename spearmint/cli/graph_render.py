"""What a function reaches and reads, as a drawing: nodes and edges, and the four forms in which these are written."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from types import FunctionType
from typing import Any

from spearmint.discovery.reach.call_graph import CallEdge, Node, Reach, reach
from spearmint.discovery.reach.function_body import has_tables
from spearmint.discovery.reach.static_lookup import MISSING, Instance
from spearmint.planning.value_slots import ValueSlot, line_of_read, values_read_in
from spearmint.proxy.proxy import ExperimentProxy, experiment_of
from spearmint.registry.experiment import ExperimentFunction
from spearmint.registry.value import ValueExperiment
from spearmint.render import tree

_VERBS = {"call": "calls", "read": "reads", "reference": "passes", "wraps": "wraps"}


@dataclass(frozen=True, slots=True)
class Box:
    """A function, or a value under experiment, in the drawing.

    Attributes:
        id: Its number, counted from 0, which is the root.
        name: ``"module:qualified.name"``.
        experiment: What is said of it as an experiment; empty for a plain function. A value begins with ``"value"``.
    """

    id: int
    name: str
    experiment: str


@dataclass(frozen=True, slots=True)
class Arrow:
    """A way from one function to another, or to a value.

    Attributes:
        caller: Number of the one.
        callee: Number of the other.
        kind: ``"call"``, ``"reference"`` (passed as an argument, to be called elsewhere), ``"wraps"`` or ``"read"``.
        target: The dotted name that the code uses; empty for ``"wraps"``. Of a value, its name in its module.
        line: Line of the first such call, counted from 1; 0 where it is not known.
        found: What it was read from: ``"call table"``, left at import time, or ``"bytecode"``.
    """

    caller: int
    callee: int
    kind: str
    target: str
    line: int
    found: str

    @property
    def label(self) -> str:
        """How it was found, in words."""
        place = f", line {self.line}" if self.line else ""
        return f"{_VERBS[self.kind]} {self.target}{place}, {self.found}" if self.target else _VERBS[self.kind]


@dataclass(frozen=True, slots=True)
class Drawing:
    """The functions that one reaches, itself first, and the ways between them."""

    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]

    def tree(self) -> str:
        """Draw a tree; what has been drawn above is not drawn again."""
        return "\n".join(tree(list(self._branches(self.boxes[0], None, 0, set()))))

    def _branches(self, box: Box, arrow: Arrow | None, depth: int, drawn: set[int]) -> Iterator[tuple[int, str]]:
        below = [one for one in self.arrows if one.caller == box.id]
        how = f"  ({arrow.label})" if arrow is not None else ""
        experiment = f"  [{box.experiment}]" if box.experiment else ""
        is_drawn = box.id in drawn
        yield depth, f"{box.name}{experiment}{how}{' ...' if is_drawn and below else ''}"
        if not is_drawn:
            drawn.add(box.id)
            for one in below:
                yield from self._branches(self.boxes[one.callee], one, depth + 1, drawn)

    def mermaid(self) -> str:
        """Write a Mermaid flowchart."""
        lines = ["flowchart TD"]
        for box in self.boxes:
            label = f"{_entities(box.name)}<br/>{_entities(box.experiment)}" if box.experiment else _entities(box.name)
            lines.append(f'    n{box.id}["{label}"]{":::experiment" if box.experiment else ""}')
        for arrow in self.arrows:
            line = "-->" if arrow.kind == "call" else "-.->"
            lines.append(f'    n{arrow.caller} {line}|"{_entities(arrow.label)}"| n{arrow.callee}')
        return "\n".join([*lines, "    classDef experiment stroke-width:3px"])

    def dot(self) -> str:
        """Write a graph in Graphviz's language."""
        lines = ["digraph spearmint {", "    node [shape=box];"]
        for box in self.boxes:
            label = f"{box.name}\n{box.experiment}" if box.experiment else box.name
            lines.append(f"    n{box.id} [label={_quoted(label)}{', penwidth=3' if box.experiment else ''}];")
        for arrow in self.arrows:
            style = "" if arrow.kind == "call" else ", style=dashed"
            lines.append(f"    n{arrow.caller} -> n{arrow.callee} [label={_quoted(arrow.label)}{style}];")
        return "\n".join([*lines, "}"])

    def json(self) -> str:
        """Write nodes and edges as JSON."""
        data: Mapping[str, Any] = {
            "nodes": [asdict(box) for box in self.boxes],
            "edges": [asdict(arrow) for arrow in self.arrows],
        }
        return json.dumps(data, indent=2, ensure_ascii=False)


def draw(function: Callable[..., Any], owner: type | None = None) -> Drawing:
    """Find what a function, or a method of ``owner``, reaches. An experiment and the function inside it are one box."""
    receiver = MISSING if owner is None else Instance(owner)
    found = reach(function, receiver, is_kept=lambda one: isinstance(one, ExperimentProxy))
    inside = _unwrapped_nodes(found)
    keys: dict[int, int] = {}
    boxes: list[Box] = []
    for node in found.nodes:
        inner = inside.get(node, node)
        number = keys.setdefault(id(inner.function), len(keys))
        if number == len(boxes):
            boxes.append(Box(number, inner.name, ""))
        if isinstance(node.function, ExperimentProxy):
            boxes[number] = Box(number, inner.name, _about(node.function))
    arrows = dict.fromkeys(
        _arrow(edge, *(keys[id(inside.get(end, end).function)] for end in (edge.caller, edge.callee)))
        for edge in found.edges
        if inside.get(edge.caller) is not edge.callee
    )
    for node in found.nodes:
        for slot, value in _values_read_by(node):
            number = keys.setdefault(id(slot), len(keys))
            if number == len(boxes):
                boxes.append(Box(number, slot.name, f"value{_choice(value)}"))
            reader: Any = node.function
            line, name = line_of_read(reader.__code__, slot), slot.name.partition(":")[2]
            arrows[Arrow(keys[id(reader)], number, "read", name, line, "bytecode")] = None
    return Drawing(tuple(boxes), tuple(arrows))


def _values_read_by(node: Node) -> Iterator[tuple[ValueSlot, ValueExperiment]]:
    """Yield the values under experiment that a function reads; nothing for what stands around one."""
    if type(node.function) is FunctionType:
        for slot in values_read_in(node.function.__code__):
            if (value := slot.value) is not None:
                yield slot, value


def _unwrapped_nodes(found: Reach) -> dict[Node, Node]:
    """Return for each experiment's proxy the node of the function inside."""
    return {
        edge.caller: edge.callee
        for edge in found.edges
        if edge.kind == "wraps" and isinstance(edge.caller.function, ExperimentProxy)
    }


def _arrow(edge: CallEdge, caller: int, callee: int) -> Arrow:
    function = edge.caller.function
    is_left = hasattr(function, "__code__") and has_tables(function)
    return Arrow(caller, callee, edge.kind, edge.target, edge.line, "call table" if is_left else "bytecode")


def _about(proxy: Any) -> str:
    experiment, _, _ = experiment_of(proxy)
    return f"experiment{_choice(experiment)}" if experiment.options else "experiment under its caller's config"


def _choice(experiment: ExperimentFunction) -> str:
    count = len(experiment.options)
    return f", {count} config{'s' * (count != 1)}, {type(experiment.strategy).__name__}"


def _entities(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
