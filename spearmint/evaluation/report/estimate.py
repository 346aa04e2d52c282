"""What a whole evaluation is expected to take, from its first rows."""

import math
from collections.abc import Iterator

from spearmint.evaluation.report.labels import seconds_text
from spearmint.evaluation.report.report import Report
from spearmint.evaluation.spending import usd_text
from spearmint.render import counted


def estimate_lines(report: Report, seconds: float) -> Iterator[str]:
    """Say how many cells, calls, seconds and dollars all rows take, if they are like those that have run.

    Args:
        report: Of the rows that have run.
        seconds: How long they took.
    """
    cases, rows, repeats = report.results.shape
    done = report.results.count / (cases * repeats)
    factor = rows / max(done, 1)
    spent = report.spent
    again = f", {repeats} times each" if repeats > 1 else ""
    yield f"Estimate for {counted(rows, 'row')}, from {done:g}:"
    yield f"  cells  {cases * rows * repeats:,} ({counted(cases, 'config')}{again})"
    yield f"  calls  {round(spent.calls * factor):,}"
    yield f"  time   about {seconds_text(seconds * factor)}"
    if spent.input_tokens or spent.output_tokens:
        given, made = (round(count * factor) for count in (spent.input_tokens, spent.output_tokens))
        yield f"  tokens about {given:,} in and {made:,} out"
    unknown = f"; that of {round(spent.unknown * factor):,} calls is not known" if spent.unknown else ""
    yield f"  cost   {'not known' if math.isnan(spent.usd) else f'about {usd_text(spent.usd * factor)}{unknown}'}"
