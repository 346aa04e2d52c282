"""The HTML page of a report on an online experiment, one file that needs no network."""

import functools
import secrets
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from spearmint.evaluation.online.comparison import OnlineSummary
from spearmint.evaluation.online.facts import OnlineFacts
from spearmint.evaluation.online.online_charts import HEIGHT, WIDTH, exposures_chart, sequence_chart
from spearmint.evaluation.online.online_table import caption_of, cells_of, online_title
from spearmint.evaluation.report.labels import cut, readable

_LONGEST_TITLE = 400


def online_page_of(facts: OnlineFacts, summaries: Sequence[OnlineSummary]) -> str:
    """Return a whole HTML page."""
    values = content_of(facts, summaries) | {"nonce": secrets.token_urlsafe(16), "style": page_style()}
    return readable(_templates().get_template("online_page.html.j2").render(values))


def content_of(facts: OnlineFacts, summaries: Sequence[OnlineSummary]) -> dict[str, Any]:
    """Return what a page shows of an experiment, as its template takes it."""
    by_arm = {
        (metric.name, arm): one
        for metric in facts.metrics
        for arm, one in zip(facts.arms[1:], facts.looks[metric.name], strict=True)
    }
    metrics = []
    for metric in facts.metrics:
        of_metric = [one for one in summaries if one.metric == metric.name]
        charts = [sequence_chart(one, by_arm[metric.name, one.case_id]) for one in of_metric if not one.is_main]
        rows = [(one.case_id, one.is_main, cells_of(one)) for one in of_metric]
        metrics.append((metric.name, metric.kind, rows, [chart for chart in charts if chart is not None]))
    shares = facts.units.shares
    return {
        "title": cut(online_title(facts), _LONGEST_TITLE),
        "is_healthy": all(check.is_healthy for check in facts.health),
        "health": facts.health,
        "arms": [
            (arm, count, "moved" if shares is None else f"{shares[position]:.4g}")
            for position, (arm, count) in enumerate(zip(facts.arms, facts.units.counts, strict=True))
        ],
        "exposures": exposures_chart(facts),
        "metrics": metrics,
        "caption": caption_of(facts, "◆"),
        "size": (WIDTH, HEIGHT),
    }


@functools.cache
def _templates() -> Environment:
    loader = PackageLoader("spearmint.evaluation.online", "templates")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


@functools.cache
def page_style() -> str:
    """Return the style sheet of the page: that of evaluations, and what is its own."""
    evaluation = files("spearmint.evaluation.report").joinpath("templates")
    own = files("spearmint.evaluation.online").joinpath("templates", "online.css")
    parts = [evaluation.joinpath("charts.css"), evaluation.joinpath("page.css"), own]
    return "".join(part.read_text(encoding="utf-8") for part in parts)
