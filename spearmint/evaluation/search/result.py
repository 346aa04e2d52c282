"""What a search has found."""

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from spearmint.config.model import Config
from spearmint.errors import EvaluationError
from spearmint.evaluation.directions import is_lower_better
from spearmint.evaluation.report.labels import readable, short_id, text_of
from spearmint.render import counted
from spearmint.statistics.paired import Difference
from spearmint.suggest import did_you_mean

_SHOWN = 10


@dataclass(frozen=True, slots=True)
class SearchTrial:
    """One case that a search has tried.

    Attributes:
        number: Its number in Optuna's storage; 0 is main.
        case_id: The id of the case.
        assignment: From the name of each experiment that takes part to its config.
        parameters: The values of the parameters that are searched, by path.
        values: Its mean of each metric, over the rows that it ran on; a row that failed has the worst value seen. NaN
            without any value.
        estimates: The same drawn towards the means of cases that are alike, which takes off most of the luck in them.
        rows: How many rows it ran on.
        is_dropped: Whether it left the race of its batch.
    """

    number: int
    case_id: str
    assignment: Mapping[str, Config]
    parameters: Mapping[str, Any]
    values: Mapping[str, float]
    estimates: Mapping[str, float]
    rows: int
    is_dropped: bool

    @property
    def config(self) -> Config:
        """The config of the function that was searched."""
        return next(iter(self.assignment.values()))


class SearchResult:
    """What a search has found. Printing it shows the best trials.

    Attributes:
        function: Name of the function.
        metrics: What was searched by, the first one first.
        trials: All trials that have ended, those in the storage included; main first.
        confirmed: The difference of the best by the first metric from main, on the rows held out: one paired test. None
            where main is the best, or no row was held out.
        cells: How many cells were run by this call, those of the confirmation and retries included.
        stopped: Why there are fewer trials than were asked for; empty where there are not.
    """

    def __init__(
        self,
        function: str,
        metrics: Sequence[str],
        lower: Sequence[str],
        trials: Sequence[SearchTrial],
        *,
        confirmed: Difference | None,
        cells: int,
        stopped: str,
    ) -> None:
        self.function = function
        self.metrics = tuple(metrics)
        self._lower = tuple(lower)
        self.trials = tuple(trials)
        self.confirmed = confirmed
        self.cells = cells
        self.stopped = stopped

    def best(self, metric: str | None = None) -> SearchTrial:
        """Return the trial with the best estimate of a metric; by default of the first one.

        Raises:
            EvaluationError: If there is no such metric, or no trial has a value of it.
        """
        name = self.metrics[0] if metric is None else metric
        if name not in self.metrics:
            hint = did_you_mean(name, self.metrics)
            raise EvaluationError(f"Cannot tell the best by {name!r}: there are {', '.join(self.metrics)}.{hint}")
        ranked = self._ranked(name)
        if not ranked:
            raise EvaluationError(f"Cannot tell the best by {name!r}: no trial has a value of it, but errors only.")
        return ranked[0]

    @property
    def pareto(self) -> list[SearchTrial]:
        """The trials that no other reaches in all metrics and beats in one, the best of the first metric first."""
        known = self._ranked(self.metrics[0])
        scores = [[self._sign(name) * one.estimates[name] for name in self.metrics] for one in known]
        return [
            one
            for one, own in zip(known, scores, strict=True)
            if not any(all(a >= b for a, b in zip(other, own, strict=True)) and other != own for other in scores)
        ]

    def _ranked(self, metric: str) -> list[SearchTrial]:
        known = [one for one in self.trials if not one.is_dropped and not any(map(math.isnan, one.estimates.values()))]
        return sorted(known, key=lambda one: -self._sign(metric) * one.estimates[metric])

    def _sign(self, metric: str) -> int:
        return -1 if is_lower_better(metric, self._lower) else 1

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text(readable(f"{self.function}: {len(self.trials)} trials, {self.cells:,} cells run"), style="bold")
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
        names = list(self.trials[0].parameters) if self.trials else []
        for head in ("trial", "case", *names, *self.metrics, "rows"):
            table.add_column(Text(readable(head)), justify="right", overflow="fold")
        ranked = self._ranked(self.metrics[0])
        mains = [one for one in self.trials if one.number == 0 and one not in ranked[:_SHOWN]]
        for one in [*ranked[:_SHOWN], *mains]:
            marked = short_id(one.case_id) + (" *" if one.number == 0 else "")
            cells = [str(one.number), marked, *(text_of(one.parameters[name], 40) for name in names)]
            cells += [f"{one.estimates[name]:.4g}" for name in self.metrics]
            table.add_row(*map(Text, [*cells, str(one.rows)]))
        yield table
        yield Text("* main; means are drawn towards those of cases that are alike.", style="dim")
        if self.stopped:
            yield Text(f"Stopped: {self.stopped}.")
        if (found := self.confirmed) is not None:
            verdict = found.shortage or f"{found.verdict}, p = {found.p_value:.2g}"
            interval = f"[{found.low:+.3f}, {found.high:+.3f}]"
            away = f"{found.value:+.3f} {interval} vs. main, {verdict}"
            yield Text(f"Confirmation on {counted(found.n, 'row')} held out: {away}.")

    def __str__(self) -> str:
        written = io.StringIO()
        Console(file=written, width=140, highlight=False).print(self)
        return written.getvalue().rstrip()

    def __repr__(self) -> str:
        return f"<SearchResult of {self.function}: {len(self.trials)} trials by {', '.join(self.metrics)}>"
