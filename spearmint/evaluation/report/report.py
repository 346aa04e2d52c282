"""What came of an evaluation: summaries, tables, and the files that show them."""

import functools
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from spearmint.errors import EvaluationError
from spearmint.evaluation.budget import Stop
from spearmint.evaluation.dataset import Dataset
from spearmint.evaluation.directions import COST, is_lower_better
from spearmint.evaluation.race import RaceOutcome
from spearmint.evaluation.report.best import Best, best_position, races_for_lowest, varying_nested
from spearmint.evaluation.report.effects import Effect, effects_of
from spearmint.evaluation.report.files import csv_of, write_whole
from spearmint.evaluation.report.labels import varying_parameters
from spearmint.evaluation.report.page import Content, notebook_of, page_of
from spearmint.evaluation.report.page_files import save_page
from spearmint.evaluation.report.raced import Dropped, confirmation_of, dropped_of, race_sentences
from spearmint.evaluation.report.row_values import complete, corrected
from spearmint.evaluation.report.saved_run import SavedRun, run_as_json, run_of_text
from spearmint.evaluation.report.summary import Summary, known_metric, summarize, with_fates
from spearmint.evaluation.report.table import columns_of, tables_of, title_of
from spearmint.evaluation.run.case_names import EvaluatedCase
from spearmint.evaluation.run.identity import row_keys
from spearmint.evaluation.run.result_table import ResultTable
from spearmint.evaluation.spending import NOTHING_SPENT, Spent
from spearmint.render import counted
from spearmint.statistics.confidence_set import confidence_set
from spearmint.statistics.paired import Difference


class Report:
    """The results of an evaluation. Printing it shows a table, and a notebook shows charts.

    Args:
        stop: What of its budget ended it; None if nothing did.
        rescorer: Scores the stored outputs with other scorers; None where none are stored. The others are attributes.

    Attributes:
        function: Name of the function that was evaluated.
        dataset: The rows.
        cases: The cases, main first; each tells config, assignment and parameters.
        results: The results of all cells.
        notes: What is to be known of them: which stored results were made again, and why.
        race: How the cases raced, by position; None where all ran on all rows.
        spent: What the run has spent: calls, seconds, tokens and dollars.
        stopped: What ended the run early: a limit of its budget, such as ``"usd"``, or a ``"quota"``; else None.
    """

    def __init__(
        self,
        function: str,
        dataset: Dataset,
        cases: Sequence[EvaluatedCase],
        results: ResultTable,
        *,
        notes: Sequence[str] = (),
        race: RaceOutcome | None = None,
        spent: Spent = NOTHING_SPENT,
        stop: Stop | None = None,
        rescorer: "Callable[[Any], Report] | None" = None,
    ) -> None:
        self.function = function
        self.dataset = dataset
        self.cases = tuple(cases)
        self.results = results
        self.race = race
        self.spent = spent
        self._rescorer = rescorer
        self.stopped = None if stop is None else stop.limit
        self._stop_notes = [] if stop is None else list(stop.sentences(is_raced=race is not None))
        self.notes = tuple(notes)
        self._summarized = functools.cache(functools.partial(summarize, results, self.cases))
        self._effects = functools.cache(functools.partial(effects_of, results, self.cases))

    @property
    def metrics(self) -> list[str]:
        """The names of the metrics that the scorers gave."""
        return self.results.metrics

    @property
    def errors(self) -> int:
        """How many errors there were, of the function and of scorers."""
        return self.results.errors

    def summary(self, metric: str | None = None) -> list[Summary]:
        """Return what each config did.

        Args:
            metric: One metric, or ``"latency"`` (seconds), ``"tokens.input"``, ``"tokens.output"`` or ``"cost"`` (US
                dollars); by default all that the scorers gave.

        Returns:
            One item for each metric and case, main first.

        Raises:
            EvaluationError: If there is no such metric.
        """
        if metric is None:
            return [one for name in self.metrics for one in self.summary(name)]
        summaries = self._summarized(known_metric(self.results, metric))
        return list(summaries) if self.race is None else with_fates(summaries, self.race)

    @property
    def survivors(self) -> list[str]:
        """The ids of the cases that a race has not dropped; all where there was none."""
        positions = range(len(self.cases)) if self.race is None else self.race.survivors
        return [self.cases[position].case_id for position in positions]

    @property
    def dropped(self) -> list[Dropped]:
        """The cases that a race has dropped, in their order."""
        return [] if self.race is None else dropped_of(self.race, self.cases)

    @property
    def confirmed(self) -> Difference | None:
        """The difference of a race's winner from main by its metric; None where main won, or no row was held out."""
        return None if self.race is None else self.confirmation(self.race.race.metric)

    def confirmation(self, metric: str) -> Difference | None:
        """Return the difference of a race's winner from main, on the rows that were held out: one paired test.

        Args:
            metric: Any metric.

        Returns:
            The difference; None where there was no race, main has won it, or no row was held out.

        Raises:
            EvaluationError: If there is no such metric.
        """
        name = known_metric(self.results, metric)
        return None if self.race is None else confirmation_of(self.results, self.race, name)

    def effects(self, metric: str) -> list[Effect]:
        """Return which parameter matters: what each value of each parameter that varies does, all else equal.

        Args:
            metric: One metric, or one that is measured, as in `summary`.

        Returns:
            One item for each value of each parameter that varies, main's value first: the mean over all cases that have
            it, and the paired difference from main's value over the same rows. Intervals and p-values of differences
            are adjusted for all of them. Empty where nothing varies.

        Raises:
            EvaluationError: If there is no such metric, or cases have raced, so that each has rows of its own.
        """
        if self.race is not None:
            advice = "Evaluate without race= to compare the values of parameters"
            raise EvaluationError(f"Cannot tell effects on {metric!r}: cases have raced, each on other rows. {advice}.")
        return list(self._effects(known_metric(self.results, metric)))

    def best(self, metric: str, *, lower: bool = False) -> Best:
        """Return the case with the best mean of a metric; by the metric of a race, its winner.

        Args:
            metric: The metric.
            lower: Whether less is better; of latency, cost, tokens, and where a race says so, it always is.

        Raises:
            EvaluationError: If there is no such metric, or no case has a value of it.
        """
        summaries = self.summary(metric)
        lower = lower or races_for_lowest(self.race, metric)
        position = best_position(summaries, metric, self.race, lower=lower)
        if position is None:
            raise EvaluationError(f"Cannot tell the best by {metric!r}: no config has a value of it, but errors only.")
        known = [number for number, one in enumerate(summaries) if one.is_in_question]
        case = self.cases[position]
        assignment = {name: case.case.get_config(name) for name in case.assignment}
        varying = varying_parameters(self.cases)
        parameters = {path: case.parameters[path] for path in varying if path in case.parameters}
        honest = corrected(self.results, metric, known, position, lower=lower)
        return Best(case.case_id, assignment, parameters, summaries[position], honest, varying_nested(self.cases))

    def confidence_set(self, metric: str, *, lower: bool = False, alpha: float = 0.05) -> list[str]:
        """Return the ids of the cases among which the best one is, with a probability of ``1 - alpha``.

        Args:
            metric: The metric.
            lower: Whether less is better; of latency, cost and tokens it always is.
            alpha: How likely the set is to miss the best case.

        Returns:
            The model confidence set, main first where it is in it: what the data cannot tell from the best. Of cases
            that failed on some row, only the rows count that all have a value of.

        Raises:
            EvaluationError: If there is no such metric, fewer than two rows have a value of all cases, or rows come in
                clusters, or cases have raced.
        """
        lower = lower or is_lower_better(known_metric(self.results, metric))
        if self.results.clusters is not None or self.race is not None:
            cause = "rows come in clusters" if self.race is None else "cases have raced; see survivors"
            raise EvaluationError(f"Cannot tell the set of the best by {metric!r}: {cause}.")
        scores = complete(self.results, metric, range(len(self.cases)), lower=lower)
        try:
            members = confidence_set(scores, alpha).members
        except ValueError as error:
            raise EvaluationError(f"Cannot tell the set of the best by {metric!r}: {error}") from error
        return [self.cases[position].case_id for position in members]

    def rescore(self, scorers: Any) -> "Report":
        """Score the stored outputs with other scorers; the function is not called.

        Args:
            scorers: As `spearmint.Spearmint.evaluate` takes them. A score that the store has already is not made again.

        Raises:
            EvaluationError: If the run had no ``store=``, or a scorer takes a trace, which is not stored.
        """
        if self._rescorer is None:
            raise EvaluationError("Cannot rescore: no outputs are stored. Evaluate with store='runs.db'.")
        return self._rescorer(scorers)

    def to_dataframe(self, *, cells: bool = False) -> Any:
        """Return a `pandas.DataFrame`.

        Args:
            cells: Whether to give a row to each cell rather than to each case.

        Returns:
            By default one row per case: its id, parameters, errors and latency, and for each metric n, mean, interval
            and difference from main. Else one row per cell: case, row, repetition, status, seconds, a column for each
            metric, and the beginning of the output: of the first 50,000 with ``store=``; without, of none where there
            are more.
        """
        import pandas as pd  # noqa: PLC0415 - it takes a second to import, and only this method needs it

        return pd.DataFrame(self._cells() if cells else self._rows())

    def save(self, path: str | Path) -> Path:
        """Write the report: whole, or not at all.

        Args:
            path: Where to; ``.html`` gives one page that needs no network, ``.csv`` the table, ``.json`` what later
                runs are compared with. Of a page beyond 50 MB, inputs and outputs go to the folder ``<name>_files``.

        Returns:
            The path.

        Raises:
            EvaluationError: If the name ends otherwise, or the file cannot be written; what stood there stays.
        """
        target = Path(path)
        kind = target.suffix.lower()
        if kind not in (".html", ".csv", ".json"):
            raise EvaluationError(f"Cannot save to {str(path)!r}: its name ends otherwise. Give .html, .csv or .json.")
        if kind == ".html":
            save_page(target, self._content())
        else:
            write_whole(target, csv_of(self._rows()) if kind == ".csv" else self._run_text())
        return target

    def as_run(self) -> SavedRun:
        """Return what ``save("run.json")`` keeps, to be compared with an earlier run.

        Raises:
            EvaluationError: If cases have raced, or a row has no form that is the same in every process.
        """
        return run_of_text(self._run_text(), self.function)

    def _run_text(self) -> str:
        return run_as_json(self.function, self.cases, row_keys(self.dataset), self.results)

    def to_html(self) -> str:
        """Return the report as one HTML page, with plots, that needs no network."""
        return page_of(self._content())

    def _content(self) -> Content:
        summaries = {metric: self.summary(metric) for metric in self.metrics}
        costs = self.summary(COST) if COST in self.results.measured else None
        compared = [] if self.race is not None else [*self.metrics, *([] if costs is None else [COST])]
        effects = {metric: self.effects(metric) for metric in compared}
        title = title_of(self.function, self.dataset.name, self.results)
        notes, data = [*self.race_notes(), *self._stop_notes, *self.spent.sentences()], self.dataset
        return Content(
            title, self.cases, summaries, effects, self.results, data, self.errors, self.race, notes=notes, costs=costs
        )

    def race_notes(self) -> list[str]:
        """Return how a race ended, in sentences; none where there was none."""
        return [] if self.race is None else list(race_sentences(self.results, self.race, self.cases))

    def _rows(self) -> list[dict[str, Any]]:
        by_metric = [self.summary(metric) for metric in self.metrics]
        return [
            columns_of(case, [summaries[case.position] for summaries in by_metric], self.results) for case in self.cases
        ]

    def _cells(self) -> list[dict[str, Any]]:
        ids = [case.case_id for case in self.cases]
        return [{**cell, "case": ids[cell["case"]]} for cell in self.results.cells()]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        content = self._content()
        summaries, effects = content.summaries, content.effects
        yield from tables_of(content.title, self.cases, summaries, effects, self.results, race=self.race)
        yield from map(Text, [*content.notes, *self.notes, *self.results.account.sentences()])

    def __str__(self) -> str:
        written = io.StringIO()
        Console(file=written, width=140, highlight=False).print(self)
        return written.getvalue().rstrip()

    def __repr__(self) -> str:
        cases, rows, repeats = self.results.shape
        counts = (cases, "case"), (rows, "row"), (repeats, "repeat"), (self.errors, "error")
        return f"<Report of {self.function}: {', '.join(counted(*one) for one in counts)}>"

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the best, which parameter matters, and the charts."""
        return notebook_of(self._content())
