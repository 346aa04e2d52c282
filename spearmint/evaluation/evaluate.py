"""Run every config on every row, score it, and report."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spearmint.cases.plan import Plan
from spearmint.config.model import Config
from spearmint.config.paths import look_up
from spearmint.errors import DeclarationError, EvaluationError
from spearmint.evaluation.cost import PriceList
from spearmint.evaluation.dataset import Dataset, Row, open_dataset
from spearmint.evaluation.pairwise import position_column, position_sentence
from spearmint.evaluation.report.report import Report
from spearmint.evaluation.run.attempts import both_limited
from spearmint.evaluation.run.case_names import EvaluatedCase, evaluated_cases
from spearmint.evaluation.run.cell import Subject
from spearmint.evaluation.run.options import EvaluationOptions
from spearmint.evaluation.run.remote import EvaluationPayload, settings_to_send, target_of
from spearmint.evaluation.run.result_table import KEPT_OUTPUTS, ResultTable
from spearmint.evaluation.run.row_arguments import Arguments, filled_by
from spearmint.evaluation.run.schedule import Schedule
from spearmint.evaluation.sharing.sharing import Sharing
from spearmint.evaluation.spending import Spending
from spearmint.proxy.proxy import experiment_of
from spearmint.registry.experiment import ExperimentFunction
from spearmint.registry.settings import ExperimentSettings
from spearmint.registry.unread_keys import unread_keys, unread_message
from spearmint.scorers import Scorer, compile_scorers
from spearmint.warn import warn


def evaluate(
    function: Callable[..., Any],
    data: Any,
    scorers: Any,
    configs: Sequence[Config] | None,
    instance_configs: Sequence[Config],
    *,
    settings: ExperimentSettings,
    options: EvaluationOptions,
) -> Report:
    """Do what `spearmint.Spearmint.evaluate` documents.

    Args:
        function: An experiment; a function becomes one.
        data: The rows.
        scorers: What scores the outputs.
        configs: The configs, main first; None for the experiment's own.
        instance_configs: Those of a function that is no experiment, unless ``configs`` are given.
        settings: How to make an experiment of a function.
        options: How to run.

    Raises:
        EvaluationError: If the evaluation cannot begin, or cannot go on.
    """
    if configs is not None and not configs:
        raise EvaluationError("Cannot evaluate without configs: the source has none. Give some, or leave out configs=.")
    compiled = compile_scorers(scorers)
    payload = payload_of(function, scorers, configs, instance_configs, settings)
    if payload.is_made:
        configs = payload.configs or None
    experiment, args, kwargs = target_of(payload)
    cases = evaluated_cases(experiment, configs, args, vary=options.vary)
    pairwise = _pairwise(compiled, options, len(cases))
    arguments = Arguments(experiment, args, kwargs)
    dataset = open_dataset(data, experiment.name)
    rows, clusters = check_rows(
        dataset, arguments, filled_by(experiment, [case.case for case in cases]), options.cluster
    )
    prices = PriceList(options.prices)
    table = ResultTable(len(cases), rows, options.repeats, reduce=options.reduce, prices=prices)
    table.clusters, table.is_raced = clusters, options.race is not None
    table.store = None if options.store is None else Path(options.store)
    table.details = frozenset(map(position_column, pairwise))
    stores_output = options.resume is not None or options.store is not None or bool(pairwise)
    cells = len(cases) * rows * options.repeats
    keeps_output = stores_output or cells <= KEPT_OUTPUTS
    unkept = [] if keeps_output else [_unkept_sentence(cells)]
    timeout = experiment.settings.variant_timeout if options.timeout is None else options.timeout
    if options.limits is not None and options.limits.timeout is not None:
        timeout = options.limits.timeout
    limited, limited_scorers = both_limited(options.limits, options.scorer_limits)
    sharing = Sharing.of(experiment, args, options.kept_rows) if options.share and len(cases) > 1 else None
    subject = Subject(
        experiment,
        arguments,
        compiled,
        keeps_output,
        stores_output,
        timeout,
        options.usage,
        pickles=options.pickle,
        is_called=not options.is_rescored,
        sharing=sharing,
        limited=limited,
        limited_scorers=limited_scorers,
    )
    if options.is_rescored and subject.wants_trace:
        names = ", ".join(repr(scorer.name) for scorer in compiled if "trace" in scorer.wants)
        raise EvaluationError(f"Cannot rescore with {names}: it takes a trace, which is not stored. Evaluate again.")
    unread = list(_unread(cases))
    for message in unread:
        warn(message)
    outcome = Schedule(payload, subject, cases, dataset, table, Spending(prices), options).run()
    _warn_of_undiscovered(cases)

    def rescore(others: Any) -> Report:
        again = rescoring(options)
        return evaluate(function, dataset, others, configs, instance_configs, settings=settings, options=again)

    return Report(
        experiment.name,
        dataset,
        cases,
        table,
        notes=[*unread, *unkept, *outcome.notes, *_positions(table, pairwise)],
        race=outcome.race,
        spent=outcome.spent,
        stop=outcome.stop,
        rescorer=None if options.store is None else rescore,
    )


def _pairwise(scorers: Sequence[Scorer], options: EvaluationOptions, cases: int) -> list[str]:
    """Return the names of the scorers that compare outputs with main's; they cannot be had with everything."""
    names = [scorer.name for scorer in scorers if scorer.is_pairwise]
    if not names:
        return []
    start = f"Cannot judge {names[0]!r} in pairs"
    if cases == 1:
        raise EvaluationError(f"{start}: main is the only config. Give others beside it.")
    if options.race is not None:
        cause = "in a race main may be dropped, which all others are compared with"
        raise EvaluationError(f"{start}: {cause}. Leave out race=, or give a scorer of single outputs.")
    if options.reduce != "mean":
        cause = f"each repeat is won, lost or tied, and reduce={options.reduce!r} is of scores"
        raise EvaluationError(f"{start}: {cause}. Leave out reduce=.")
    return names


def _positions(table: ResultTable, pairwise: Sequence[str]) -> Iterator[str]:
    """Yield for each judge of pairs that contradicted itself how often it did."""
    for name in pairwise:
        said = position_sentence(name, table.scores(position_column(name), np.arange(table.shape[1])))
        if said:
            yield said


def _unkept_sentence(cells: int) -> str:
    return f"No output is kept: of more than {KEPT_OUTPUTS:,} cells, here {cells:,}, store= alone keeps outputs."


def rescoring(options: EvaluationOptions) -> EvaluationOptions:
    """Return how to score the stored outputs of a run with other scorers."""
    changes: dict[str, Any] = {"cache": True, "is_rescored": True, "retry": "none", "budget": None, "race": None}
    return replace(options, **changes)


def _unread(cases: Sequence[EvaluatedCase]) -> Iterator[str]:
    """Yield a message for each experiment whose compared configs differ in what no parameter gets."""
    plan = cases[0].case.plan
    if not isinstance(plan, Plan):
        return
    own = {dimension.experiment for dimension in plan.dimensions}
    discovered = [one for one in plan.discovered if isinstance(one, ExperimentFunction)]
    for dimension in plan.dimensions:
        experiment = dimension.experiment
        if not isinstance(experiment, ExperimentFunction):
            continue
        readers = [one for one in discovered if one is experiment or one not in own]
        keys = unread_keys(dimension.options, readers)
        if keys:
            yield unread_message(experiment.name, keys, readers)


def check_rows(
    dataset: Dataset, arguments: Arguments, filled: Mapping[str, str], cluster: str | None
) -> tuple[int, NDArray[np.int64] | None]:
    """Read all rows once, so that none stops the run when much has been paid for already.

    Returns:
        How many there are, and for each the number of its cluster.
    """
    count = 0
    numbers: dict[str, int] = {}
    clusters = []
    for row in dataset.rows():
        arguments.check(row, filled)
        count += 1
        if cluster is not None:
            clusters.append(numbers.setdefault(_cluster_of(row, cluster), len(numbers)))
    if not count:
        raise EvaluationError(f"Cannot evaluate on {dataset.name}: it has no rows. Give some.")
    return count, None if cluster is None else np.array(clusters)


def _cluster_of(row: Row, cluster: str) -> str:
    """Return the text by which a row's cluster is known."""
    try:
        found = look_up({"inputs": row.inputs, "expectations": row.expectations}, cluster)
    except KeyError as error:
        raise EvaluationError(f"Cannot cluster the row at {row.place} by {cluster!r}: {error.args[0]}") from None
    return f"{type(found).__name__} {found!r}"


def _warn_of_undiscovered(cases: Sequence[EvaluatedCase]) -> None:
    """Warn of experiments that no plan had discovered: they ran under their main config alone."""
    joined = [one.name for one, options in cases[0].case.log.choices.items() if len(options) > 1]
    if joined:
        message = (
            f"The configs of {', '.join(joined)} were not compared: no analysis discovered the call. "
            "Evaluate again in this process, where it is known by now."
        )
        warn(message)


def payload_of(
    function: Callable[..., Any],
    scorers: Any,
    configs: Sequence[Config] | None,
    instance_configs: Sequence[Config],
    settings: ExperimentSettings,
) -> EvaluationPayload:
    """Say what is evaluated, and whether an experiment is to be made of it first."""
    try:
        experiment, _, _ = experiment_of(function)
    except DeclarationError:
        given = instance_configs if configs is None else configs
        return EvaluationPayload(function, settings_to_send(settings), is_made=True, configs=given, scorers=scorers)
    own = experiment.configs if configs is None else configs
    is_made = not experiment.options and configs is not None
    return EvaluationPayload(
        function, settings_to_send(experiment.settings), is_made=is_made, configs=own, scorers=scorers
    )
