"""What an evaluation sends to other processes, and how they run it."""

import functools
import importlib
import pickle
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

import cloudpickle

from spearmint.cases.bound_config import BoundConfig
from spearmint.cases.case import ExperimentCase
from spearmint.cases.plan import Dimension, Plan
from spearmint.config.model import Config
from spearmint.errors import DeclarationError, EvaluationError
from spearmint.evaluation.limits import Limits
from spearmint.evaluation.run.attempts import both_limited
from spearmint.evaluation.run.case_names import EvaluatedCase
from spearmint.evaluation.run.cell import Cell, CellResult, Subject
from spearmint.evaluation.run.chunk import ChunkResult, run_cells
from spearmint.evaluation.run.row_arguments import Arguments
from spearmint.evaluation.sharing.account import StepAccount
from spearmint.evaluation.sharing.sharing import Sharing
from spearmint.execution.worker_initializers import worker_initializers
from spearmint.proxy.by_value import teach_picklers
from spearmint.proxy.proxy import experiment_of, plain_function
from spearmint.registry.experiment import ExperimentFunction
from spearmint.registry.registry import registry
from spearmint.registry.settings import ExperimentSettings
from spearmint.scorers import compile_scorers
from spearmint.strategies.builtin import SingleConfigStrategy

teach_picklers()  # The one that is imported here may be the first.

_MOST_PAYLOADS = 4  # evaluations that a worker remembers
_KEPT_ROWS = 10_000  # of a chunk

CellRef = tuple[int, int, int, int, CellResult | None, CellResult | None]
"""A cell as it is sent: positions of its case and row, its repetition, its attempt, its known result, and main's."""


@dataclass(frozen=True, slots=True)
class EvaluationPayload:
    """What an evaluation is, in a form that can be pickled.

    Attributes:
        function: What was given to be evaluated.
        settings: How to make an experiment of it.
        is_made: Whether one is to be made: it is none, or has no configs of its own.
        configs: The main config, which its parameters are read with.
        scorers: The scorers, as they were given.
        keeps_output: Whether results carry the beginning of outputs.
        stores_output: Whether they carry whole outputs.
        timeout: Seconds that a cell may take.
        concurrency: Cells that a worker runs at once if the function is async.
        usage: Tells the tokens that an output took.
        pickles: Whether outputs that JSON cannot say are pickled, and pickled ones read.
        is_called: Whether the function may be called.
        shares: Whether cells of one row share what they have in common.
        limits: How hard each worker may press on the function's services.
        scorer_limits: The same for scorers.
        evaluation_id: Tells it from an equal one, which a worker begins anew, whatever a service has told it before.
    """

    function: Any
    settings: ExperimentSettings
    is_made: bool
    configs: Sequence[Config]
    scorers: Any
    keeps_output: bool = False
    stores_output: bool = False
    timeout: float | None = None
    concurrency: int = 1
    usage: Callable[[Any], Any] | None = None
    pickles: bool = False
    is_called: bool = True
    shares: bool = False
    limits: Limits | None = None
    scorer_limits: Limits | None = None
    evaluation_id: bytes = field(default_factory=lambda: uuid4().bytes)


class RemoteSubmitter:
    """Submits chunks of cells to an executor whose workers are other processes.

    Args:
        executor: The executor.
        payload: What is evaluated.
        name: Its name, for messages.
        cases: The cases.
        budget: Seconds after which a worker begins no further cell of a chunk.

    Raises:
        EvaluationError: If something in it cannot be pickled.
    """

    def __init__(
        self,
        executor: Executor,
        payload: EvaluationPayload,
        name: str,
        *,
        cases: Sequence[EvaluatedCase],
        budget: float,
    ) -> None:
        self._executor = executor
        self._budget = budget
        # In two layers: unpacking the inner one imports modules, which is to happen under the same hook.
        self._payload = pickle.dumps((_packed(worker_initializers, "the import hook"), _packed(payload, name)))
        self._cases = [_packed(_configs_of(case.case), f"case {case.case_id}") for case in cases]

    def submit(self, chunk: Sequence[Cell]) -> "Future[ChunkResult]":
        """Submit a chunk; rows and cases that several of its cells share are sent once."""
        rows = {cell.row.number: cell.row for cell in chunk}
        cases = {cell.case: self._cases[cell.case] for cell in chunk}
        refs: list[CellRef] = [
            (cell.case, cell.row.number, cell.repeat, cell.attempt, cell.known, cell.main) for cell in chunk
        ]
        return self._executor.submit(run_remote_cells, self._payload, cases, _packed(rows, "rows"), refs, self._budget)


def settings_to_send(settings: ExperimentSettings) -> ExperimentSettings:
    """Return settings without what has no part in an evaluation, and might not be picklable."""
    return replace(settings, strategy=SingleConfigStrategy, on_variant_error=None, compare=None)


def run_remote_cells(
    payload: bytes, cases: Mapping[int, bytes], rows: bytes, refs: Sequence[CellRef], budget: float
) -> ChunkResult:
    """Run cells that came from another process."""
    try:
        subject, concurrency = _unpacked(payload)
        here = {position: _case_of(subject.experiment, case) for position, case in cases.items()}
        found = pickle.loads(rows)  # noqa: S301 - it comes from the process that started the evaluation
    except Exception as error:
        cause = f"a worker process cannot load it ({type(error).__name__}: {error})"
        advice = "Put the function, its scorers and what they use into a module that the workers can import"
        raise EvaluationError(f"Cannot evaluate on this executor: {cause}. {advice}.") from error
    cells = [Cell(case, found[row], repeat, attempt, known, main) for case, row, repeat, attempt, known, main in refs]
    context = copy_context()
    if subject.sharing is not None:  # A chunk holds whole rows.
        subject = replace(subject, sharing=subject.sharing.renewed())
    keeps_rows = subject.sharing is not None
    if subject.experiment.kind not in ("coroutine", "async_generator") or len(cells) == 1:
        return run_cells(subject, here, cells, context, budget=budget, keeps_rows=keeps_rows)
    with ThreadPoolExecutor(min(concurrency, len(cells))) as pool:  # each thread waits for one cell on the loop
        ended = list(pool.map(lambda cell: run_cells(subject, here, [cell], context, budget=budget), cells))
    seconds = sum(one.seconds for one in ended) / concurrency
    account = StepAccount()
    for one in ended:
        account.add(one.account or StepAccount())
    return ChunkResult(seconds, [result for one in ended for result in one.results], account)


def needs_pickling(executor: Executor) -> bool:
    """Tell whether what an executor runs is pickled first: by all but a pool of threads."""
    is_pool_of_threads = isinstance(executor, ThreadPoolExecutor)
    return not is_pool_of_threads or type(executor).__name__ == "InterpreterPoolExecutor"


def _packed(thing: Any, label: str) -> bytes:
    try:
        made: bytes = cloudpickle.dumps(thing)
    except Exception as error:
        cause = f"it cannot be pickled ({type(error).__name__}: {error})"
        advice = "Give it a module of its own, as processes find functions by name, or leave out executor="
        raise EvaluationError(f"Cannot send {label} to another process: {cause}. {advice}.") from error
    return made


@functools.lru_cache(maxsize=_MOST_PAYLOADS)
def _unpacked(payload: bytes) -> tuple[Subject, int]:
    prepared, packed = pickle.loads(payload)  # noqa: S301 - it comes from the process that started the evaluation
    for prepare in pickle.loads(prepared):  # noqa: S301
        prepare()
    sent: EvaluationPayload = pickle.loads(packed)  # noqa: S301
    experiment, args, kwargs = target_of(sent)
    scorers = compile_scorers(sent.scorers)
    arguments = Arguments(experiment, args, kwargs)
    sharing = Sharing.of(experiment, args, _KEPT_ROWS) if sent.shares else None
    kept = (sent.keeps_output, sent.stores_output, sent.timeout, sent.usage, sent.pickles, sent.is_called)
    subject = Subject(experiment, arguments, scorers, *kept, sharing, *both_limited(sent.limits, sent.scorer_limits))
    return subject, sent.concurrency


def target_of(payload: EvaluationPayload) -> tuple[ExperimentFunction, tuple[Any, ...], dict[str, Any]]:
    """Return the experiment to evaluate, and the arguments that every call of it gets first."""
    if not payload.is_made:
        # A function of a script or a notebook is pickled by value, and the experiment around it stays behind.
        with suppress(DeclarationError):
            return experiment_of(payload.function)
    function = payload.function
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}
    while isinstance(function, functools.partial):
        args, kwargs = (*function.args, *args), {**function.keywords, **kwargs}
        function = function.func
    receiver = getattr(function, "__self__", None)
    if receiver is not None and hasattr(function, "__func__"):
        function, args = function.__func__, (receiver, *args)
    plain = plain_function(function)
    has_bindings = bool(payload.settings.bindings)
    made = ExperimentFunction(plain, payload.configs, payload.settings, has_own_bindings=has_bindings)
    return made, args, kwargs


def _configs_of(case: ExperimentCase) -> dict[str, Config]:
    """Return the configs of the experiments in a case by their names, the root's first."""
    return dict(case.assignment)


@functools.lru_cache(maxsize=10_000)
def _case_of(root: ExperimentFunction, packed: bytes) -> ExperimentCase:
    configs: dict[str, Config] = pickle.loads(packed)  # noqa: S301
    dimensions = []
    for name, config in configs.items():
        experiment = root if name == root.name else _declared(name)
        dimensions.append(Dimension(experiment, (_option(experiment, config),)))
    return Plan(root, tuple(dimensions)).main


def _declared(name: str) -> ExperimentFunction:
    importlib.import_module(name.partition(":")[0])
    return registry.get(name)


def _option(experiment: ExperimentFunction, config: Config) -> BoundConfig:
    if not experiment.options and not config:
        return experiment.default_binding
    return experiment.find_bound_config(config) or experiment.compile_option(config)
