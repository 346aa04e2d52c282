"""A report on an online experiment in a terminal, and its numbers by column."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from spearmint.evaluation.online.comparison import OnlineSummary
from spearmint.evaluation.online.facts import OnlineFacts
from spearmint.evaluation.report.charts import interval_text
from spearmint.evaluation.report.labels import readable, text_of
from spearmint.evaluation.report.scales import number

_LONGEST_NAME = 60
_LEAST_P = 1e-4


def online_tables(facts: OnlineFacts, summaries: Sequence[OnlineSummary]) -> Iterator[Table | Text]:
    """Lay a report out for a terminal: health, then for each metric the arms."""
    yield Text(readable(online_title(facts)), style="bold")
    for check in facts.health:
        sign, style = ("✓", "green") if check.is_healthy else ("✗", "bold red")
        line = Text(f"{sign} {check.name}: ", style=style)
        line.append(readable(f"{check.text} {check.cause}".strip()), style="default")
        yield line
    for metric in facts.metrics:
        yield _table(metric.name, [one for one in summaries if one.metric == metric.name])
    yield Text(caption_of(facts), style="dim")


def online_title(facts: OnlineFacts) -> str:
    """Return a report's heading."""
    counts = facts.units.counts
    return f"{facts.experiment}: {len(facts.arms)} arms, {sum(counts)} units"


def caption_of(facts: OnlineFacts, sign: str = "*") -> str:
    """Say how to read the numbers; the sign marks main."""
    design = facts.design
    how = (
        "Intervals and p hold at every look, however often one looks"
        if design.is_sequential
        else "Intervals and p hold for one look that was planned beforehand"
    )
    less = "; differences are less what units' values before explain (CUPED)" if design.is_adjusted else ""
    if facts.units.shares is None:
        less += "; shares moved, so that each unit is weighed by 1 / propensity"
    return f"{sign} main, which the others are compared with. {how}, adjusted for all arms of a metric (Holm){less}."


def _table(metric: str, summaries: Sequence[OnlineSummary]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    name = text_of(metric, _LONGEST_NAME)
    table.add_column("\narm", overflow="fold")
    table.add_column("\nunits", justify="right", no_wrap=True)
    table.add_column(Text(f"{name}\n{'ratio' if summaries[0].kind == 'ratio' else 'mean'}"), justify="right")
    table.add_column("\ninterval", no_wrap=True)
    for head in ("vs.\nmain", "\ninterval", "\np"):
        table.add_column(head, justify="left" if "interval" in head else "right", no_wrap=True)
    table.add_column("\nverdict", overflow="fold")
    for one in summaries:
        table.add_row(*map(Text, [text_of(one.case_id, _LONGEST_NAME) + (" *" if one.is_main else ""), *cells_of(one)]))
    return table


def cells_of(one: OnlineSummary) -> list[str]:
    """Return what a table says of an arm by a metric, without its name."""
    mean, found = one.estimate, one.difference
    cells = [str(mean.n), number(mean.value), interval_text(mean.low, mean.high)]
    if found is None:
        return [*cells, "", "", "", "main"]
    difference = "-" if math.isnan(found.value) else f"{found.value:+.4g}"
    p_value = "" if math.isnan(found.adjusted) else "<1e-4" if found.adjusted < _LEAST_P else f"{found.adjusted:.2g}"
    verdict = "no verdict" if found.doubt else one.verdict
    return [*cells, difference, interval_text(found.low, found.high, "+"), p_value, verdict]


def unit_columns(summaries: Sequence[OnlineSummary]) -> list[dict[str, Any]]:
    """Return everything about each metric and arm as plain values by column."""
    rows = []
    for one in summaries:
        mean, found = one.estimate, one.difference
        row: dict[str, Any] = {"metric": one.metric, "arm": one.case_id, "is_main": one.is_main, "kind": one.kind}
        row |= {"n": mean.n, "mean": mean.value, "low": mean.low, "high": mean.high}
        if found is not None:
            row |= {"difference": found.value, "difference.low": found.low, "difference.high": found.high}
            row |= {"error": one.error, "p_value": found.adjusted, "test": found.test, "verdict": one.verdict}
        rows.append(row)
    return rows
