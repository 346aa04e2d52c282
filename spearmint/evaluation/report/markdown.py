"""Which parameter matters, as Markdown for the description of an MLflow run."""

import re
from collections.abc import Iterator, Mapping, Sequence

from spearmint.evaluation.report.charts import interval_text
from spearmint.evaluation.report.effects import Effect, by_importance
from spearmint.evaluation.report.labels import text_of
from spearmint.evaluation.report.scales import number

_LONGEST = 5000  # characters, which MLflow takes for a tag
_LONGEST_CELL = 60
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~!])")


def effects_markdown(effects: Mapping[str, Sequence[Effect]]) -> str:
    """Return a table for each metric, the parameter with the clearest difference first; of bounded length."""
    lines: list[str] = []
    length = 0
    for line in _lines(effects):
        length += len(line) + 1
        if length > _LONGEST:
            break
        lines.append(line)
    return "\n".join(lines)


def _lines(effects: Mapping[str, Sequence[Effect]]) -> Iterator[str]:
    for metric, found in effects.items():
        if not found:
            continue
        yield f"**{cell(metric)}**: difference from main's value, all else equal"
        yield ""
        yield "| parameter | value | mean | vs. main | p | verdict |"
        yield "|---|---|---|---|---|---|"
        for path, of_parameter in by_importance(found):
            for one in of_parameter:
                yield f"| {cell(path)} | {cell(one.label)} | {number(one.estimate.value)} | {_compared(one)} |"
        yield ""


def _compared(one: Effect) -> str:
    found = one.difference
    if found is None:
        return "main | | "
    difference = f"{found.value:+.3g} {interval_text(found.low, found.high, '+')}" if found.n else ""
    return f"{difference} | {found.adjusted:.2g} | {one.verdict}" if found.n else f" | | {one.verdict}"


def cell(value: object) -> str:
    """Return a value as the text of a table's cell, of bounded length."""
    return _SPECIAL.sub(r"\\\1", " ".join(text_of(value, _LONGEST_CELL).split()))
