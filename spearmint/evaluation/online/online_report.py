"""What came of an online experiment: its health, and what each arm did by each metric."""

import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from rich.console import Console, ConsoleOptions, RenderResult

from spearmint.errors import EvaluationError
from spearmint.evaluation.online.comparison import Design, Looks, OnlineSummary
from spearmint.evaluation.online.facts import OnlineFacts, gather
from spearmint.evaluation.online.health import HealthCheck
from spearmint.evaluation.online.journal_table import JournalPath, open_journals
from spearmint.evaluation.online.metric import check_options
from spearmint.evaluation.online.online_page import online_page_of
from spearmint.evaluation.online.online_table import online_tables, unit_columns
from spearmint.evaluation.online.record_groups import chosen_experiment, experiment_names
from spearmint.evaluation.report.files import csv_of, write_whole
from spearmint.statistics.intervals import CONFIDENCE
from spearmint.suggest import did_you_mean


class OnlineReport:
    """What came of an online experiment. Printing it shows health first, then a table for each metric.

    Args:
        facts: What it is made of.

    Attributes:
        facts: What it is made of.
    """

    def __init__(self, facts: OnlineFacts) -> None:
        self.facts = facts

    @property
    def experiment(self) -> str:
        """The name of the experiment."""
        return self.facts.experiment

    @property
    def arms(self) -> tuple[str, ...]:
        """The config ids of the arms, main first."""
        return self.facts.arms

    @property
    def metrics(self) -> list[str]:
        """The names of the metrics."""
        return [metric.name for metric in self.facts.metrics]

    @property
    def health(self) -> tuple[HealthCheck, ...]:
        """What a verdict rests on; what is not as it is to be comes first."""
        return self.facts.health

    @property
    def is_healthy(self) -> bool:
        """Whether the records can bear a verdict."""
        return all(check.is_healthy for check in self.facts.health)

    def summary(self, metric: str | None = None) -> list[OnlineSummary]:
        """Return what each arm did.

        Args:
            metric: One metric; by default all.

        Returns:
            One item for each metric and arm, main first. Where records are unhealthy, no difference has a verdict.

        Raises:
            EvaluationError: If there is no such metric.
        """
        if metric is None:
            return [one for name in self.metrics for one in self.summary(name)]
        doubt = doubt_of(self.facts.health)
        found = self.facts.summaries[self._known(metric)]
        if not doubt:
            return list(found)
        return [
            one if one.difference is None else replace(one, difference=replace(one.difference, doubt=doubt))
            for one in found
        ]

    def verdict(self, metric: str, arm: str | None = None) -> str:
        """Return what the data say of one metric.

        Args:
            metric: The metric.
            arm: Of which arm; by default of all but main.

        Returns:
            ``"higher"``, ``"lower"``, ``"no clear difference"``, ``"inconclusive"``, or ``"no verdict"`` and why
            where the records are unhealthy. Of several arms, each with its name.

        Raises:
            EvaluationError: If there is no such metric or arm, or no arm beside main.
        """
        others = self.summary(metric)[1:]
        if not others:
            raise EvaluationError(
                f"Cannot tell a verdict on {metric!r}: {self.arms[0]} is the only arm with exposures."
            )
        if arm is not None:
            ids = [one.case_id for one in others]
            if arm not in ids:
                hint = did_you_mean(arm, ids)
                raise EvaluationError(f"Cannot tell a verdict on arm {arm!r}: there are {', '.join(ids)}.{hint}")
            others = [one for one in others if one.case_id == arm]
        if len(others) == 1:
            return others[0].verdict
        return "; ".join(f"{one.case_id}: {one.verdict}" for one in others)

    def looks(self, metric: str, arm: str) -> Looks:
        """Return how the difference of an arm from main became known, look by look.

        Args:
            metric: The metric.
            arm: An arm beside main.

        Raises:
            EvaluationError: If there is no such metric or arm.
        """
        found = self.facts.looks[self._known(metric)]
        others = self.arms[1:]
        if arm not in others:
            hint = did_you_mean(arm, others)
            raise EvaluationError(f"Cannot tell looks at arm {arm!r}: there are {', '.join(others)}.{hint}")
        return found[others.index(arm)]

    def to_dataframe(self) -> Any:
        """Return a `pandas.DataFrame`: a row for each metric and arm, with units, mean, interval and difference."""
        import pandas as pd  # noqa: PLC0415 - it takes a second to import, and only this method needs it

        return pd.DataFrame(unit_columns(self.summary()))

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as JSON has it; what is not known is None."""
        facts = self.facts
        told = {
            "experiment": facts.experiment,
            "arms": list(facts.arms),
            "units": facts.units.counts,
            "is_healthy": self.is_healthy,
            "health": [asdict(check) for check in facts.health],
            "accounts": asdict(facts.accounts),
            "test": "sequential" if facts.design.is_sequential else "fixed",
            "alpha": facts.design.alpha,
            "horizon": facts.design.horizon,
            "summaries": [_plain(one) for one in self.summary()],
        }
        return {name: _finite(value) for name, value in told.items()}

    def to_html(self) -> str:
        """Return the report as one HTML page that needs no network."""
        return online_page_of(self.facts, self.summary())

    def save(self, path: str | Path) -> Path:
        """Write the report: whole, or not at all.

        Args:
            path: Where to; ``.html`` gives a page, ``.csv`` the table, ``.json`` what `to_dict` returns.

        Returns:
            The path.

        Raises:
            EvaluationError: If the name ends otherwise, or the file cannot be written; what stood there stays.
        """
        target = Path(path)
        kind = target.suffix.lower()
        if kind == ".html":
            text = self.to_html()
        elif kind == ".json":
            text = json.dumps(self.to_dict(), indent=1)
        elif kind == ".csv":
            text = csv_of(unit_columns(self.summary()))
        else:
            raise EvaluationError(f"Cannot save to {str(path)!r}: its name ends otherwise. Give .html, .csv or .json.")
        write_whole(target, text)
        return target

    def _known(self, metric: str) -> str:
        if metric in self.facts.summaries:
            return metric
        hint = did_you_mean(metric, self.metrics)
        raise EvaluationError(f"Cannot tell metric {metric!r}: there are {', '.join(self.metrics)}.{hint}")

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from online_tables(self.facts, self.summary())

    def __str__(self) -> str:
        written = io.StringIO()
        Console(file=written, width=140, highlight=False).print(self)
        return written.getvalue().rstrip()

    def __repr__(self) -> str:
        state = "healthy" if self.is_healthy else "unhealthy"
        return (
            f"<OnlineReport of {self.experiment}: {len(self.arms)} arms, {sum(self.facts.units.counts)} units, {state}>"
        )


def online_report(
    journal: JournalPath | Iterable[JournalPath],
    experiment: str | None = None,
    *,
    metrics: Sequence[str] | None = None,
    alpha: float = 1 - CONFIDENCE,
    horizon: float = 5000,
    test: str = "sequential",
    covariate: str | None = None,
    version: str | None = None,
) -> OnlineReport:
    """Read the journals of an online experiment, and say what each arm did.

    Args:
        journal: Folders, files or patterns, of one or many processes and hosts; they are read as one, in bounded
            memory, so that journals may be larger than it.
        experiment: Its name; needed where the journals tell of several.
        metrics: Names of outcomes, or ratios of two such as ``"clicks/views"``; by default all outcomes.
        alpha: How likely a false alarm is to be, over all arms of a metric.
        horizon: About how many units, of all arms together, the verdict is expected at: there, the interval is
            narrowest.
        test: ``"sequential"`` holds at every look; ``"fixed"`` (Welch's test) at one that was planned beforehand.
        covariate: ``"before"`` takes from differences what each unit's own values before its exposure explain (CUPED).
        version: Which version of configs, weights and targeting to report on; by default all, which is healthy where
            there is one.

    Returns:
        The report.

    Raises:
        EvaluationError: If there is nothing to report on, an option is out of range, or DuckDB is not installed.
    """
    design = _design(alpha, horizon, test, covariate)  # before much is read
    with open_journals(journal) as table:
        return OnlineReport(gather(table, chosen_experiment(table, experiment), metrics, design, version))


def online_reports(
    journal: JournalPath | Iterable[JournalPath],
    *,
    metrics: Sequence[str] | None = None,
    version: str | None = None,
    **options: Any,
) -> list[OnlineReport]:
    """Return a report on each experiment that journals tell of, read once; the options are those of `online_report`."""
    design = _design(**options)
    with open_journals(journal) as table:
        names: list[str | None] = [*experiment_names(table)]
        chosen = [chosen_experiment(table, name) for name in names or [None]]
        return [OnlineReport(gather(table, name, metrics, design, version)) for name in chosen]


def _design(
    alpha: float = 1 - CONFIDENCE, horizon: float = 5000, test: str = "sequential", covariate: str | None = None
) -> Design:
    check_options(alpha, horizon, test, covariate)
    return Design(alpha, horizon, test == "sequential", covariate is not None)


def doubt_of(health: Sequence[HealthCheck]) -> str:
    """Return why there is no verdict, in a sentence; empty where there may be one."""
    broken = [check for check in health if not check.is_healthy]
    return f"{broken[0].name}: {broken[0].text} {broken[0].cause}".strip() if broken else ""


def _plain(one: OnlineSummary) -> dict[str, Any]:
    told = asdict(one)
    if one.difference is not None:
        told["difference"] |= {"verdict": one.difference.verdict}
    return told | {"verdict": one.verdict}


def _finite(value: Any) -> Any:
    """Return a value with None in place of what JSON cannot say."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(one) for key, one in value.items()}
    return [_finite(one) for one in value] if isinstance(value, list | tuple) else value
