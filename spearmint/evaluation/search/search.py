"""Search for the best config of more than can all be run, and confirm it on rows that took no part."""

import hashlib
import json
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from spearmint.config.model import Config
from spearmint.errors import EvaluationError
from spearmint.evaluation.dataset import open_dataset
from spearmint.evaluation.directions import is_lower_better
from spearmint.evaluation.evaluate import check_rows, payload_of
from spearmint.evaluation.race import Race
from spearmint.evaluation.run.cell import Subject
from spearmint.evaluation.run.identity import code_version_of, scorer_versions
from spearmint.evaluation.run.options import EvaluationOptions
from spearmint.evaluation.run.remote import target_of
from spearmint.evaluation.run.row_arguments import Arguments, filled_by
from spearmint.evaluation.search.batches import BatchRunner, CaseBatch, split_rows
from spearmint.evaluation.search.proposals import Proposer
from spearmint.evaluation.search.result import SearchResult, SearchTrial
from spearmint.evaluation.search.space import Coordinates, Space
from spearmint.evaluation.search.studies import Study, Told, cells_beside
from spearmint.planning.select import full_plan
from spearmint.registry.settings import ExperimentSettings
from spearmint.scorers import compile_scorers
from spearmint.statistics.paired import Difference, difference
from spearmint.suggest import did_you_mean

_BATCH = 8  # cases that run at the same time, and race


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchOptions:
    """How to search.

    Attributes:
        trials: How many cases are tried, those in the storage included.
        race: How the cases of a batch race; None to run each on all rows.
        storage: Where Optuna keeps the trials; None for memory.
        metrics: What is searched by; empty for all that the scorers give.
        lower: Metrics of which less is better.
        confirm: Share of the rows that are held out.
        seed: Of all that is chosen by chance.

    Raises:
        EvaluationError: If one is out of range.
    """

    trials: int
    race: Race | None
    storage: str | os.PathLike[str] | None
    metrics: Sequence[str]
    lower: Sequence[str]
    confirm: float
    seed: int

    def __post_init__(self) -> None:
        if not isinstance(self.trials, int) or isinstance(self.trials, bool) or self.trials < 1:
            raise _refused("trials", self.trials, "it is no whole number from 1")
        if not 0 <= self.confirm < 1:
            raise _refused("confirm", self.confirm, "it is no share from 0 to below 1")
        for name, value in (("metrics", self.metrics), ("lower", self.lower)):
            if isinstance(value, str):
                raise _refused(name, value, "it is no list of names")
        if self.race is not None and list(self.metrics) not in ([], [self.race.metric]):
            raise _refused("metrics", list(self.metrics), f"a race is by {self.race.metric!r} alone")

    @property
    def asked(self) -> list[str]:
        """The metrics that are named, of a race its own; empty for all that the scorers give."""
        return list(self.metrics) or ([] if self.race is None else [self.race.metric])


def search(
    function: Callable[..., Any],
    data: Any,
    scorers: Any,
    configs: Sequence[Config] | None,
    instance_configs: Sequence[Config],
    *,
    settings: ExperimentSettings,
    options: EvaluationOptions,
    how: SearchOptions,
) -> SearchResult:
    """Do what `spearmint.Spearmint.search` documents.

    Args:
        function: An experiment; a function becomes one.
        data: The rows.
        scorers: What scores the outputs.
        configs: The configs; None for the experiment's own.
        instance_configs: Those of a function that is no experiment, unless ``configs`` are given.
        settings: How to make an experiment of a function.
        options: How to run.
        how: How to search.

    Raises:
        EvaluationError: If the search cannot begin, or cannot go on.
    """
    compiled = compile_scorers(scorers)
    for scorer in compiled:
        if scorer.is_pairwise:
            cause = "not every trial has main beside it. Give a scorer of single outputs"
            raise EvaluationError(f"Cannot search by {scorer.name!r}, which compares pairs: {cause}.")
    payload = payload_of(function, scorers, configs, instance_configs, settings)
    if payload.is_made:
        configs = payload.configs or None
    experiment, args, kwargs = target_of(payload)
    plan = full_plan(experiment, configs, args)
    space = Space(plan)
    arguments = Arguments(experiment, args, kwargs)
    dataset = open_dataset(data, experiment.name)
    check_rows(dataset, arguments, filled_by(experiment, [space.case(space.start)]), None)
    order = replace(how.race or Race("any"), confirm=how.confirm, seed=how.seed)
    searched, held_out = split_rows(list(dataset.rows()), order)
    subject = Subject(
        experiment,
        arguments,
        compiled,
        keeps_output=False,
        timeout=experiment.settings.variant_timeout if options.timeout is None else options.timeout,
    )
    cells = options.resume if options.resume is not None else _cells_file(how.storage)
    runner = BatchRunner(
        payload, subject, space, rows=searched, name=dataset.name, options=replace(options, resume=cells)
    )
    marks: dict[str, Any] = {"function": experiment.name, "confirm": how.confirm, "seed": how.seed}
    if how.storage is not None:
        parameters = {axis.name: [repr(value) for value in axis.values] or repr(axis.range) for axis in space.axes}
        marks |= {
            "code": code_version_of(payload.function, plan),
            "rows": _digest([[row.inputs, row.expectations] for row in dataset.rows()]),
            "parameters": _digest(parameters),
            "scorers": _digest(scorer_versions(compiled)),
            "lower": sorted(how.lower),
        }
    study = Study(how.storage, experiment.name, space, marks)
    stopped = _Loop(space, runner, study, how).run()
    told = study.told()
    metrics = study.metrics
    proposer = Proposer(space, _signs(metrics, how.lower), how.seed)
    trials = [
        _trial(space, one, estimates, metrics) for one, estimates in zip(told, proposer.estimates(told), strict=True)
    ]
    found = SearchResult(
        experiment.name, metrics, how.lower, trials, confirmed=None, cells=runner.count, stopped=stopped
    )
    if held_out and any(one.has_scores for one in told):
        kept = None if cells is None else Path(f"{cells}.confirmation")
        confirming = BatchRunner(
            payload, subject, space, rows=held_out, name=dataset.name, options=replace(options, resume=kept)
        )
        choices = {one.number: one.choice for one in told}
        found.confirmed = _confirmed(confirming, space, choices[found.best().number], metrics[0])
        found.cells += confirming.count
    return found


class _Loop:
    """Proposes batches and runs them until there are trials enough."""

    def __init__(self, space: Space, runner: BatchRunner, study: Study, how: SearchOptions) -> None:
        self._space = space
        self._runner = runner
        self._study = study
        self._how = how
        self._seen: dict[str, tuple[float, float]] = {}  # lowest and highest value of each metric

    def run(self) -> str:
        """Run; return why there are fewer trials than were asked for, empty where there are not."""
        known, asked = self._study.metrics, self._how.asked
        if known and asked not in ([], known):
            raise _refused("metrics", asked, f"the one in the storage is by {', '.join(known)}. Give another storage")
        again = self._study.interrupted()
        if not self._study.told():
            self._begin()
        signs = _signs(self._study.metrics, self._how.lower)
        proposer = Proposer(self._space, signs, self._how.seed)
        while (left := self._how.trials - len(told := self._study.told())) > 0:
            taken = {one.choice for one in told}
            choices = [one for one in again if one not in taken][: min(left, _BATCH)]
            again = []
            choices = choices or proposer.propose(told, min(left, _BATCH))
            if not choices:
                return f"there are no more than {len(told)} cases"
            self._run(choices, told, proposer)
        return ""

    def _begin(self) -> None:
        """Run main, which tells what the metrics are."""
        batch = self._runner.run([self._space.start])
        given = batch.table.metrics
        if not any(batch.table.scorers):
            samples = batch.table.error_samples(0)
            cause = samples[0][0] if samples else "no scorer gave a number"
            raise EvaluationError(f"Cannot search: main gave no score on any row, since {cause}. Mend main first.")
        wanted = self._how.asked or list(batch.table.scorers)
        for name in (*wanted, *self._how.lower):
            if name not in (*given, *batch.table.measured):
                hint = did_you_mean(name, [*given, *batch.table.measured])
                raise EvaluationError(f"Cannot search by {name!r}: the scorers give {', '.join(given)}.{hint}")
        if not self._study.metrics:
            lower = self._how.lower
            self._study.begin(wanted, ["minimize" if is_lower_better(one, lower) else "maximize" for one in wanted])
        self._tell(batch, [self._space.start], first=0)

    def _run(self, choices: Sequence[Coordinates], told: Sequence[Told], proposer: Proposer) -> None:
        race = self._how.race
        leading: list[Coordinates] = []
        if race is not None:
            known = [(one, float(own[0])) for one, own in zip(told, proposer.estimates(told), strict=True)]
            known = [(one, own) for one, own in known if one.has_scores and not one.is_dropped]
            sign = -1 if race.lower else 1
            leading = [max(known, key=lambda one: sign * one[1])[0].choice] if known else []
        trials = [self._study.ask(choice) for choice in choices]
        batch = self._runner.run([*leading, *choices], None if race is None else replace(race, confirm=0))
        self._tell(batch, choices, first=len(leading), trials=trials)

    def _tell(
        self, batch: CaseBatch, choices: Sequence[Coordinates], *, first: int, trials: Sequence[Any] = ()
    ) -> None:
        """Tell the study what came of the cases of a batch from the first new one on."""
        metrics = self._study.metrics
        for position, choice in enumerate(choices, first):
            trial = trials[position - first] if trials else self._study.ask(choice)
            case = batch.cases[position]
            found = [self._mean(batch, position, metric) for metric in metrics]
            is_dropped = batch.race is not None and position not in batch.race.survivors
            _, rows = batch.rows(position, metrics[0])
            numbers = [number for number, _ in found], [noise for _, noise in found]
            self._study.tell(
                trial, Told(trial.number, choice, case.case_id, *numbers, rows=rows, is_dropped=is_dropped)
            )

    def _mean(self, batch: CaseBatch, position: int, metric: str) -> tuple[float, float]:
        """Return the mean of a metric and its variance; rows that failed count with the worst value."""
        values, _ = batch.rows(position, metric)
        known = values[~np.isnan(values)]
        if not len(known):
            return math.nan, math.nan
        seen = (*self._seen.get(metric, ()), float(known.min()), float(known.max()))
        low, high = self._seen[metric] = min(seen), max(seen)
        worst = high if is_lower_better(metric, self._how.lower) else low
        has_failed = batch.table.failed_rows(position)[batch.table.has_run(position)] & np.isnan(values)
        filled = np.append(known, np.full(int(has_failed.sum()), worst))
        # Of few rows, or equal ones, the variance is too low: the lowest and the highest value seen are added to them.
        return float(filled.mean()), float(np.append(filled, [low, high]).var()) / len(filled)


def _confirmed(runner: BatchRunner, space: Space, choice: Coordinates, metric: str) -> Difference | None:
    """Return the difference of a choice from main; None for main itself."""
    if choice == space.start:
        return None
    batch = runner.run([space.start, choice])
    return difference(batch.table.values(1, metric), batch.table.values(0, metric))


def _trial(space: Space, one: Told, estimates: Any, metrics: Sequence[str]) -> SearchTrial:
    case = space.case(one.choice)
    parameters = {
        axis.name: axis.values[int(number)] if axis.range is None else axis.range.at(number)
        for axis, number in zip(space.axes, one.choice, strict=True)
    }
    return SearchTrial(
        one.number,
        one.case_id,
        {name: case.get_config(name) for name in case.config_ids},
        parameters,
        dict(zip(metrics, one.scores, strict=True)),
        dict(zip(metrics, map(float, estimates), strict=True)),
        one.rows,
        one.is_dropped,
    )


def _signs(metrics: Sequence[str], lower: Sequence[str]) -> list[int]:
    return [-1 if is_lower_better(metric, lower) else 1 for metric in metrics]


def _cells_file(storage: str | os.PathLike[str] | None) -> Path | None:
    if storage is None:
        return None
    found = cells_beside(storage)
    if found is None:
        advice = 'Give resume="cells.jsonl"'
        raise EvaluationError(f"Cannot keep the cells of a search beside {str(storage)!r}: it is no file. {advice}.")
    return found


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=repr).encode()).hexdigest()[:16]


def _refused(name: str, value: Any, cause: str) -> EvaluationError:
    return EvaluationError(f"Cannot search with {name}={value!r:.100}: {cause}.")
