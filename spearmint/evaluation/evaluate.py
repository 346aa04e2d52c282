"""Run every config on every row, score it, and report."""

import functools
import os
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from contextvars import copy_context
from dataclasses import replace
from pathlib import Path
from typing import Any

from spearmint.config.model import Config
from spearmint.errors import DeclarationError, EvaluationError, SpearmintWarning
from spearmint.evaluation.dataset import Dataset, open_dataset
from spearmint.evaluation.report.report import Report
from spearmint.evaluation.run.case_names import EvaluatedCase, evaluated_cases
from spearmint.evaluation.run.cell import Cell, Subject, run_cells
from spearmint.evaluation.run.dispatcher import Dispatcher, Submit, workers_of
from spearmint.evaluation.run.journal import Journal, digest
from spearmint.evaluation.run.progress import CellProgress
from spearmint.evaluation.run.remote import (
    EvaluationPayload,
    RemoteSubmitter,
    needs_pickling,
    settings_to_send,
    target_of,
)
from spearmint.evaluation.run.result_table import KEPT_OUTPUTS, CellKey, ResultTable
from spearmint.evaluation.run.row_arguments import Arguments
from spearmint.evaluation.scorers import compile_scorers
from spearmint.execution.pool import variant_pool
from spearmint.proxy.proxy import experiment_of
from spearmint.registry.settings import ExperimentSettings

_LOCAL_SECONDS = 0.01  # that a chunk takes on threads of this process
_REMOTE_SECONDS = 0.1  # that one takes elsewhere
_PATIENCE = 4  # times that, until the rest of a chunk is given back


def evaluate(
    function: Callable[..., Any],
    data: Any,
    *,
    scorers: Any,
    configs: Sequence[Config] | None,
    instance_configs: Sequence[Config],
    settings: ExperimentSettings,
    repeats: int = 1,
    executor: Executor | None = None,
    resume: str | os.PathLike[str] | None = None,
    progress: bool = True,
    concurrency: int | None = None,
) -> Report:
    """Do what `spearmint.Spearmint.evaluate` documents.

    Args:
        function: An experiment; a function becomes one.
        data: The rows.
        scorers: What scores the outputs.
        configs: The configs, main first; None for the experiment's own.
        instance_configs: Those of a function that is no experiment, unless ``configs`` are given.
        settings: How to make an experiment of a function.
        repeats: How often each case runs on each row.
        executor: Where to run; None for threads of this process.
        resume: The file that results are written to and read from.
        progress: Whether a terminal shows progress.
        concurrency: How many cells run at once.

    Raises:
        EvaluationError: If the evaluation cannot begin, or cannot go on.
    """
    if configs is not None and not configs:
        raise EvaluationError("Cannot evaluate without configs: the source has none. Give some, or leave out configs=.")
    for name, value in (("repeats", repeats), ("concurrency", concurrency)):
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
            raise EvaluationError(f"Cannot evaluate with {name}={value!r}: it is no whole number from 1. Give one.")
    compiled = compile_scorers(scorers)
    parcel = _parcel(function, scorers, configs, instance_configs, settings)
    if parcel.is_made:
        configs = parcel.configs or None
    experiment, args, kwargs = target_of(parcel)
    cases = evaluated_cases(experiment, configs, args)
    arguments = Arguments(experiment, args, kwargs)
    dataset = open_dataset(data)
    rows = _checked(dataset, arguments)
    wants_trace = any("trace" in scorer.wants for scorer in compiled)
    ledger = ResultTable(len(cases), rows, repeats)
    total = len(cases) * rows * repeats
    keeps_output = resume is not None or total <= KEPT_OUTPUTS
    subject = Subject(experiment, arguments, compiled, wants_trace, keeps_output)
    at_once = concurrency or (None if executor is None else workers_of(executor)) or variant_pool.limits.max_workers
    with ExitStack() as stack:
        journal = None
        if resume is not None:
            about = {"function": experiment.name, "scorers": sorted(scorer.name for scorer in compiled)}
            journal = stack.enter_context(Journal(Path(resume), about))
            _recall(journal, ledger, cases, dataset)
        if executor is not None and needs_pickling(executor):
            main = [cases[0].config] if parcel.configs else []
            parcel = replace(parcel, configs=main, keeps_output=keeps_output, concurrency=at_once)
            submit: Submit = RemoteSubmitter(
                executor, parcel, experiment.name, cases=cases, budget=_REMOTE_SECONDS * _PATIENCE
            ).submit
        else:
            submit = stack.enter_context(_threads(executor, at_once, subject, cases))
        is_async = experiment.kind in ("coroutine", "async_generator")
        dispatcher = Dispatcher(
            submit,
            at_once=at_once,
            seconds=_LOCAL_SECONDS if executor is None else _REMOTE_SECONDS,
            smallest=at_once if is_async and executor is not None and needs_pickling(executor) else 1,
        )
        left = total - ledger.count
        shown = stack.enter_context(CellProgress(experiment.name, left, is_wanted=progress))
        ids = [case.case_id for case in cases]
        for cells, results in dispatcher.run(_cells_left(dataset, ledger, rows), left):
            if journal is not None:
                journal.write(ids, cells, results)
            for cell, result in zip(cells, results, strict=True):
                ledger.record(CellKey(cell.case, cell.row.number, cell.repeat), result)
            shown.advance(len(cells), ledger.errors)
    _warn_of_unforeseen(cases)
    return Report(experiment.name, dataset, cases, ledger)


def _warn_of_unforeseen(cases: Sequence[EvaluatedCase]) -> None:
    """Tell of experiments that no plan foresaw: they ran under their main config, and their variants not at all."""
    joined = [one.name for one, options in cases[0].case.log.choices.items() if len(options) > 1]
    if joined:
        message = (
            f"The configs of {', '.join(joined)} were not compared: no analysis foresaw the call. "
            "Evaluate again in this process, where it is known by now."
        )
        warnings.warn(message, SpearmintWarning, stacklevel=4)


def _parcel(
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


def _checked(dataset: Dataset, arguments: Arguments) -> int:
    """Read all rows once, so that none stops the run when much has been paid for already; return their number."""
    count = 0
    for row in dataset.rows():
        arguments.check(row)
        count += 1
    if not count:
        raise EvaluationError(f"Cannot evaluate on {dataset.name}: it has no rows. Give some.")
    return count


def _recall(journal: Journal, ledger: ResultTable, cases: Sequence[EvaluatedCase], dataset: Dataset) -> None:
    """Take over the results that a file has of the same cases on the same rows."""
    _, rows, repeats = ledger.shape
    digests = [digest(row) for row in dataset.rows()]
    positions = {case.case_id: case.position for case in cases}
    for case_id, row, repeat, of_row, result in journal.results():
        is_asked = case_id in positions and row < rows and repeat < repeats
        if is_asked and digests[row] == of_row:
            ledger.record(CellKey(positions[case_id], row, repeat), result)


def _cells_left(dataset: Dataset, ledger: ResultTable, rows: int) -> Iterator[Cell]:
    """Yield the cells without a result, row by row, so that a run that ends early has whole rows to compare."""
    cases, _, repeats = ledger.shape
    seen = 0
    for row in dataset.rows():
        if row.number >= rows:
            break
        seen += 1
        for repeat in range(repeats):
            for case in range(cases):
                if not ledger.has(CellKey(case, row.number, repeat)):
                    yield Cell(case, row, repeat)
    if seen < rows:
        raise EvaluationError(f"Cannot go on: {dataset.name} had {rows} rows and now has {seen}. Leave it alone.")


@contextmanager
def _threads(
    given: Executor | None, at_once: int, subject: Subject, cases: Sequence[EvaluatedCase]
) -> Iterator[Submit]:
    """Give what hands a chunk over to threads of this process."""
    stopped = threading.Event()
    pool = given or ThreadPoolExecutor(at_once, thread_name_prefix="spearmint-evaluate")
    context = copy_context()
    here = {case.position: case.case for case in cases}
    run = functools.partial(run_cells, budget=_LOCAL_SECONDS * _PATIENCE, is_stopped=stopped.is_set)
    try:
        yield lambda chunk: pool.submit(run, subject, here, chunk, context)
    finally:
        stopped.set()
        if given is None:
            # Not waited for: whoever interrupts an evaluation does not want to wait for a call that hangs.
            pool.shutdown(wait=False, cancel_futures=True)
