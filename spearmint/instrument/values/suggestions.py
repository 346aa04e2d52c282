"""A settings file of what could vary, with modest sweeps, all commented out but the likeliest."""

import json
import math
from collections.abc import Iterator, Sequence
from typing import Any

from spearmint.instrument.values.candidates import Candidate

_HEADER = """\
# What could vary in {target}, the likeliest first, by `spearmint init`.
# Only the first is in force. Take the '# ' away from others, and edit them:
# the configs of all that are in force are combined.
packages: [{packages}]
experiments:
"""
_WIDTH = 60
_SUFFIX = "\n\nAnswer in one sentence."


def alternatives(candidate: Candidate) -> list[Any]:
    """Return what else a candidate may be: halves and doubles, the other truth value, the members of its type."""
    value = candidate.value
    if candidate.choices:
        return [one for one in candidate.choices if one != value]
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int | float):
        both = (value // 2, value * 2) if isinstance(value, int) else filter(math.isfinite, (value / 2, value * 2))
        return [one for one in both if one != value]
    return [value + _SUFFIX] if candidate.is_prompt else []


def settings_text(target: str, packages: Sequence[str], found: Sequence[Candidate], *, in_force: int = 1) -> str:
    """Return the text of a settings file.

    Args:
        target: The function that was looked into.
        packages: The packages whose code is to be instrumented.
        found: What could vary.
        in_force: How many of them are not commented out.
    """
    blocks = [_HEADER.format(target=target, packages=", ".join(packages))]
    for position, group in enumerate(grouped(found)):
        mark = "  " if position < in_force else "  # "
        lines = [f"- {line}" if not number else f"  {line}" for number, line in enumerate(_entry(target, group))]
        blocks += [f"  # {one.kind}, {one.place}: {shown(one.value)}\n" for one in group]
        blocks.append("".join(f"{mark}{line}\n" for line in lines))
    return "".join(blocks)


def grouped(found: Sequence[Candidate]) -> list[list[Candidate]]:
    """Return what could vary by the entries that it makes: all parameters of a function make one."""
    groups: dict[tuple[str, bool], list[Candidate]] = {}
    for one in found:
        if alternatives(one):
            groups.setdefault((one.name, bool(one.parameter)), []).append(one)
    return list(groups.values())


def entry_of(target: str, group: Sequence[Candidate]) -> dict[str, Any]:
    """Return the entry of a settings file for a group, of parameters with their values of now as the first config."""
    first = group[0]
    if not first.parameter:
        configs = [{"value": one} for one in alternatives(first)]
        return {"value": first.name, "within": [target], "configs": configs, "path": "value"}
    now = {one.parameter: one.value for one in group}
    return {
        "target": first.name,
        "configs": [now, *({**now, one.parameter: other} for one in group for other in alternatives(one))],
        "bindings": {one.parameter: {"path": one.parameter, "override": True} for one in group},
    }


def _entry(target: str, group: Sequence[Candidate]) -> Iterator[str]:
    # JSON is YAML, and quotes what has to be.
    for key, value in entry_of(target, group).items():
        yield f"{key}: {json.dumps(value, ensure_ascii=False)}"


def shown(value: Any) -> str:
    """Return a value as one short line."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 3]}..."
