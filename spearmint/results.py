"""What came of the executions of one call."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Generic, Literal

from typing_extensions import TypeVar

from spearmint.cases.case import ExperimentCase
from spearmint.cases.plan import Plan
from spearmint.config.flatten import differing_paths
from spearmint.config.model import Config
from spearmint.latch import Latch
from spearmint.redaction import redactor
from spearmint.render import html_table

Status = Literal["success", "failed", "cancelled", "timed_out", "dropped", "pending"]
Role = Literal["main", "variant"]
R = TypeVar("R", default=Any)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one execution ended.

    Attributes:
        status: How it ended; ``"pending"`` while it has not.
        value: What the function returned; for a drained stream the list of its items.
        exception: What it raised, with its traceback, or why there is no value.
        duration: Seconds that it took.
    """

    status: Status
    value: Any = None
    exception: BaseException | None = None
    duration: float = 0.0


PENDING = Outcome("pending")


def outcome_of(error: BaseException, duration: float, *, own_frames: int = 1) -> Outcome:
    """Return the outcome of an execution that raised; its traceback begins after ``own_frames`` of Spearmint's."""
    trace = error.__traceback__
    for _ in range(own_frames):
        # Nothing is left of one that the call itself raised, for arguments that do not fit.
        trace = None if trace is None else trace.tb_next
    error = error.with_traceback(trace)
    # The collector throws GeneratorExit into a task whose loop was closed under it.
    is_cancelled = isinstance(error, asyncio.CancelledError | GeneratorExit)
    status: Status = "cancelled" if is_cancelled else "failed"
    return Outcome(status, exception=error, duration=duration)


class FunctionResult(Generic[R]):
    """The outcome of one execution of a function that returns ``R``. It settles once, when the execution ends.

    Attributes:
        experiment_case: The case that it ran in.
        role: ``"main"`` or ``"variant"``.
        trace_id: The id of its trace in MLflow; None while it has not begun, and where it is not traced.
    """

    __slots__ = ("_latch", "_outcome", "experiment_case", "role", "trace_id")

    def __init__(self, experiment_case: ExperimentCase, role: Role, latch: Latch | None = None) -> None:
        self.experiment_case = experiment_case
        self.role = role
        self.trace_id: str | None = None
        self._latch = latch
        self._outcome = PENDING

    def settle(self, outcome: Outcome) -> None:
        """Record how the execution ended; Spearmint calls this once, and `release` after it."""
        self._outcome = outcome

    def release(self) -> None:
        """Let those go on who wait for the outcome."""
        if self._latch is not None:
            self._latch.count_down(self)

    def hold(self, stream: Any) -> None:
        """Make a stream the result while its outcome is pending; then it is the list of the stream's items."""
        self._outcome = Outcome("pending", stream)

    def forget(self) -> None:
        """Record, in the child of a fork, that the execution goes on in the parent only."""
        self._outcome = Outcome("dropped")
        if self._latch is not None:
            self._latch.reinitialise()

    @property
    def status(self) -> Status:
        """``success``, ``failed``, ``cancelled``, ``timed_out``, ``dropped`` or ``pending``."""
        return self._outcome.status

    @property
    def result(self) -> R:
        """What the function returned; None unless the status is ``success`` (a stream cut short keeps its items).

        A type checker takes it for what the function returns, as it is wherever main has not raised.
        """
        value: R = self._outcome.value
        return value

    @property
    def exception(self) -> BaseException | None:
        """What the function raised, with its traceback."""
        return self._outcome.exception

    @property
    def duration(self) -> float:
        """Seconds that the execution took."""
        return self._outcome.duration

    @property
    def config(self) -> Config:
        """The config of the experiment that was called; a copy of its own for each reader."""
        return self.experiment_case.config

    @property
    def config_id(self) -> str:
        """The id of that config. Where nested experiments vary, several results share it; `case_id` is their own."""
        return self.experiment_case.config_id

    @property
    def case_id(self) -> str:
        """The id of the case: the config ids of all its experiments that vary, joined with ``+``."""
        return self.experiment_case.case_id

    def __repr__(self) -> str:
        what = self.exception if self.exception is not None else self.result
        return f"<FunctionResult {self.role} {self.case_id} {self.status} {what!r:.80}>"


class ExperimentResults(Generic[R]):
    """The outcomes of one call: main's, and each variant's in the order of the plan. Iterating gives main first.

    Attributes:
        main_result: The outcome under the main config.
        variant_results: The outcomes under the variants, ``pending`` until they have ended.
    """

    __slots__ = ("_latch", "_plan", "main_result", "variant_results")

    def __init__(self, main_result: FunctionResult[R], latch: Latch | None, plan: Plan) -> None:
        self.main_result = main_result
        self._plan = plan
        self.variant_results: list[FunctionResult[R]] = []
        self._latch = latch

    def add_variant(self, case: ExperimentCase) -> FunctionResult[R]:
        """Append a pending result for a variant; Spearmint calls this as it starts one."""
        made: FunctionResult[R] = FunctionResult(case, "variant", self._latch)
        self.variant_results.append(made)
        return made

    def expect(self, plan: Plan) -> None:
        """Count on the variants by which the plan has grown; Spearmint calls this when all others have ended."""
        self._plan = plan
        if self._latch is not None:
            self._latch.add(plan.variant_count)

    def put_in_order(self) -> None:
        """Bring the variants into the order of a plan that has grown; Spearmint calls this when all have ended."""
        if self._plan.executed:
            self.variant_results.sort(key=lambda one: self._plan.position(one.experiment_case))

    @property
    def plan(self) -> Plan:
        """The plan of the call, with the edges that the call itself has found.

        ``print(results.plan)`` draws how each experiment is reached, and which options it adds.
        """
        edges = tuple(self.main_result.experiment_case.log.edges.values())
        return self._plan.with_edges(edges) if edges else self._plan

    @property
    def trace_ids(self) -> list[str]:
        """The ids of the traces of all executions that have begun and are traced, main's first."""
        return [one.trace_id for one in self if one.trace_id is not None]

    @property
    def is_streaming(self) -> bool:
        """Whether main is a stream that has not ended, before which its variants do not start."""
        return self.main_result.status == "pending"

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the variants.

        Args:
            timeout: Seconds to wait at most; None waits without end.

        Returns:
            True when all have ended; False after ``timeout``, or at once while main is a stream that has not ended,
            since its variants start after it.
        """
        if self._latch is None:
            return True
        return not self.is_streaming and self._latch.wait(timeout)

    async def await_variants(self, timeout: float | None = None) -> bool:
        """Wait for the variants without holding up the event loop; otherwise as `wait`."""
        if self._latch is None:
            return True
        return not self.is_streaming and await self._latch.wait_async(timeout)

    def __iter__(self) -> Iterator[FunctionResult[R]]:
        """Yield main's result, then each variant's."""
        yield self.main_result
        yield from self.variant_results

    def __len__(self) -> int:
        """Return how many executions there are, main included."""
        return 1 + len(self.variant_results)

    def to_dataframe(self) -> Any:
        """Return a `pandas.DataFrame` with a row per execution, main first.

        Returns:
            Columns: role, case_id, config_id, status, duration (seconds), result, exception, ``config.<path>`` for each
            value in the configs, and ``config.<name>: <path>`` for each in those of nested experiments.
        """
        import pandas as pd  # noqa: PLC0415 - it takes a second to import, and only this method needs it

        rows = []
        for one in self:
            columns = {f"config.{path}": value for path, value in one.experiment_case.parameters.items()}
            rows.append({**_row(one), "result": one.result, "exception": one.exception, **columns})
        return pd.DataFrame(rows)

    def __repr__(self) -> str:
        return f"<ExperimentResults {', '.join(f'{one.role} {one.case_id} {one.status}' for one in self)}>"

    def _repr_html_(self) -> str:
        """Return the table that a notebook shows."""
        parameters = [one.experiment_case.parameters for one in self]
        varying = differing_paths(parameters)
        hide = redactor()  # A notebook is kept with its outputs.
        secrets = hide.secrets_in([*parameters, [one.result for one in self]])
        hidden = [hide.redact(own, secrets) for own in parameters]
        rows = ({**own, **_row(one), **_shown(one, secrets)} for one, own in zip(self, hidden, strict=True))
        columns = ("role", "case_id", *varying, "status", "duration", "result")
        return html_table(columns, ([row.get(column, "") for column in columns] for row in rows))


def _row(one: FunctionResult) -> dict[str, Any]:
    return {name: getattr(one, name) for name in ("role", "case_id", "config_id", "status", "duration")}


def _shown(one: FunctionResult, secrets: set[str]) -> dict[str, str]:
    shown = one.result if one.exception is None else one.exception
    return {"duration": f"{one.duration:.3f} s", "result": redactor().excerpt(repr(shown), 200, secrets)}
