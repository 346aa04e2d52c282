"""A plan drawn as a tree and as a table."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from spearmint.cases.edge import Edge, ExperimentRef
from spearmint.render import counted, html_table, tree

_MOST_IDS = 6


@dataclass(frozen=True, slots=True)
class PlanNode:
    """One experiment of a plan.

    Attributes:
        name: Its name, ``"module:qualified.name"``.
        caller: The name of the experiment that leads to it; empty for the one that is called.
        how: ``"call"``, ``"reference"``, ``"read"`` or ``"dynamic"``, as `Edge` has it; ``"root"`` for the one that is
            called.
        place: Where the call stands: ``"module:qualified.name, line 12"``; empty for the one that is called.
        option_ids: The ids of the configs that it adds to the plan, main first; none where it runs under its caller's.
        depth: How many experiments lie above it.
    """

    name: str
    caller: str
    how: Literal["root", "call", "read", "reference", "dynamic"]
    place: str
    option_ids: tuple[str, ...]
    depth: int


def plan_nodes(
    root: ExperimentRef, edges: Iterable[Edge], option_ids: Mapping[ExperimentRef, tuple[str, ...]]
) -> list[PlanNode]:
    """Return the experiments of a plan, each below the one that leads to it; of several edges, the first counts."""
    below: dict[ExperimentRef, list[Edge]] = {}
    seen = {root}
    for edge in edges:
        if edge.experiment not in seen:
            seen.add(edge.experiment)
            below.setdefault(edge.caller, []).append(edge)
    parts = [PlanNode(root.name, "", "root", "", option_ids.get(root, ()), 0)]
    waiting = [(edge, 1) for edge in reversed(below.get(root, ()))]
    while waiting:
        edge, depth = waiting.pop()
        ids = option_ids.get(edge.experiment, ())
        parts.append(PlanNode(edge.experiment.name, edge.caller.name, edge.kind, edge.place, ids, depth))
        waiting.extend((one, depth + 1) for one in reversed(below.get(edge.experiment, ())))
    return parts


def plan_tree(parts: Sequence[PlanNode], count: int) -> str:
    """Draw the parts of a plan as a tree."""
    lines = tree([(part.depth, f"{part.name}{_how(part)}: {_ids(part)}") for part in parts])
    return "\n".join([*lines, counted(count, "case")])


def plan_table(parts: Sequence[PlanNode], count: int) -> str:
    """Write the same as an HTML table, for a notebook."""
    names = tree([(part.depth, part.name) for part in parts])
    rows = [(name, part.how, part.place, _ids(part)) for name, part in zip(names, parts, strict=True)]
    return f"{html_table(('experiment', 'reached by', 'where', 'options'), rows)}<p>{counted(count, 'case')}</p>"


def _how(part: PlanNode) -> str:
    return f" ({part.how} in {part.place})" if part.place else ""


def _ids(part: PlanNode) -> str:
    if not part.option_ids:
        return "no configs" if part.how == "root" else "under a caller's config"
    shown = ", ".join(part.option_ids[:_MOST_IDS])
    more = len(part.option_ids) - _MOST_IDS
    return f"{shown} and {more} more" if more > 0 else shown
