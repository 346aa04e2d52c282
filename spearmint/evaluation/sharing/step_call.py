"""One call of a step: what it is recognised by, who runs it, and whether others may have its result."""

import asyncio
import threading
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from contextvars import Context, ContextVar, Token, copy_context
from time import thread_time
from typing import Any

from spearmint.cases.case import ExperimentCase
from spearmint.evaluation.sharing.account import StepAccount
from spearmint.evaluation.sharing.clock import CellClock, is_loop_running
from spearmint.evaluation.sharing.copies import copier_of
from spearmint.evaluation.sharing.exact_key import ExactKey, TooLargeError, UnkeyableError, exact_key
from spearmint.evaluation.sharing.row_memo import Claim, Entry, RowMemo
from spearmint.evaluation.sharing.shared_steps import SharedSteps
from spearmint.evaluation.sharing.step_case import Execution, StepCase
from spearmint.registry.experiment import ExperimentFunction
from spearmint.tracing.mlflow.token_usage import SpanUsage, reused_sink_var, usage_sink_var
from spearmint.tracing.recorder import begin_span, end, is_traced

_PATIENCE = 300.0  # seconds that a call waits for an equal one, so that locks of the user's cannot hold it up for ever


class CellContext:
    """What the calls of steps in one cell have in common.

    Args:
        shared: Which experiments are shared, and what they can see.
        memo: What the cases of the same row have computed.
        account: Where it is counted.

    Attributes:
        shared: The same.
        memo: The same.
        account: The same.
        root: The run of the function that is evaluated.
        clock: Tells the time as if the cell had run alone.
        thread: The number of the cell's thread.
    """

    def __init__(self, shared: SharedSteps, memo: RowMemo, account: StepAccount) -> None:
        self.shared = shared
        self.memo = memo
        self.account = account
        self.root = Execution()
        self.clock = CellClock()
        self.thread = threading.get_ident()


class StepCall:
    """A call of a step, told what happens around it.

    Args:
        cell: The cell.
        experiment: The step.
        case: Its view of the case.
        args: Positional arguments, as the caller gave them.
        kwargs: Keyword arguments.

    Attributes:
        claim: What it is to do: ``"lead"``, ``"reuse"``, ``"wait"`` or ``"alone"``.
    """

    __slots__ = (
        "_args",
        "_began",
        "_branch",
        "_caller",
        "_case",
        "_cell",
        "_context",
        "_entry",
        "_exact",
        "_execution",
        "_experiment",
        "_kwargs",
        "_listening",
        "_span",
        "_started",
        "claim",
    )

    def __init__(
        self,
        cell: CellContext,
        experiment: ExperimentFunction,
        case: ExperimentCase,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
    ) -> None:
        self._branch = cell.clock.branch()
        self._started = self._began = self._branch.now()
        self._cell = cell
        self._experiment = experiment
        self._case = case
        self._args = args
        self._kwargs = kwargs
        self._caller: Execution = case.execution if isinstance(case, StepCase) else cell.root
        self._execution = self._caller
        self._context: Context = copy_context()
        self._exact: ExactKey | None = None
        self._entry: Entry | None = None
        self._span: Any = None
        self._listening: list[tuple[ContextVar[Any], Token[Any]]] = []
        self.claim: Claim = "alone"
        key = self._key()
        if key is not None and self._exact is not None:
            waits = experiment.kind in ("coroutine", "async_generator") or self._may_wait()
            self.claim, self._entry = cell.memo.claim(key, self._exact.kept, self._caller, waits=waits)

    def waiter(self) -> "Future[None]":
        """Return what ends when the equal call does that is under way."""
        return self._cell.memo.waiter(self._the_entry, self._caller)

    def stop_waiting(self) -> None:
        """Note that it waits no longer, whether the other call has ended or not."""
        self._cell.memo.stop_waiting(self._the_entry, self._caller)
        self._branch.move(self._started)  # Alone it would not have waited.
        self.claim = "reuse" if self._the_entry.state == "done" else "alone"

    def begin(self) -> tuple[ExperimentCase, Any, tuple[Any, ...], dict[str, Any]]:
        """Begin to run it: return its view of the case, its span, and the arguments with the config's values."""
        case = self._case
        if self.claim == "alone" and self._entry is not None and self._entry.reason:
            self._tell(self._entry.reason)
        if self.claim == "lead":
            self._execution = Execution(self._caller, self._entry)
            case = StepCase.of(case, self._execution)
            self._listen()
        try:
            args, kwargs = self._experiment.binder.fill(case.values, self._args, self._kwargs)
        except BaseException:
            self.fail()
            raise
        if is_traced(self._experiment):
            self._span = begin_span(self._experiment, case, args, kwargs)
        self._began = self._branch.now()
        return case, self._span, args, kwargs

    def _listen(self) -> None:
        """Note the tokens of the run, so that they count for those who get its result."""
        spans: list[SpanUsage] = []
        self._the_entry.spans = spans
        self._listening = [(var, var.set(_noting(spans, var.get()))) for var in (usage_sink_var, reused_sink_var)]

    def _stop_listening(self) -> None:
        for var, token in self._listening:
            with suppress(ValueError, RuntimeError):  # A stream may end in another context.
                var.reset(token)
        self._listening = []

    def fail(self, error: BaseException | None = None) -> None:
        """Note that it has raised, or that its result is not to be had by others."""
        self._stop_listening()
        if self.claim == "lead":
            self._cell.memo.fail(self._the_entry)
            self._execution.finish()
        self.count()
        if error is not None and self._span is not None:
            end(self._span, None, error)

    def finish(self, value: Any) -> None:
        """Note that it has returned, and let others have the result where they may."""
        seconds = self._branch.now() - self._began
        self._stop_listening()
        if self.claim == "lead":
            self._share(value, seconds)
        self.count()
        if self._span is not None:
            end(self._span, value)
        self._branch.move(self._started + seconds)

    def reuse(self) -> Any:
        """Return the result of an equal call."""
        entry = self._the_entry
        value = entry.give()
        self._caller.options.update(entry.options)
        sink = reused_sink_var.get()
        if sink is not None:
            for span in entry.spans:
                sink(span)
        calls = 1 + entry.calls
        self._caller.calls += calls
        self._cell.account.count(calls, reused=calls)
        if is_traced(self._experiment):
            args, kwargs = self._experiment.binder.fill(self._case.values, self._args, self._kwargs)
            end(begin_span(self._experiment, self._case, args, kwargs), value)
        self._branch.move(self._started + entry.seconds)
        return value

    def count(self) -> None:
        """Count it among the calls that were made."""
        self._cell.account.count(1)
        self._caller.calls += 1 if self._execution is self._caller else 1 + self._execution.calls

    @property
    def _the_entry(self) -> Entry:
        assert self._entry is not None  # noqa: S101 - there is one unless the call is made alone
        return self._entry

    def _key(self) -> Hashable:
        """Return what the call is recognised by; None if it cannot be shared."""
        experiment, shared = self._experiment, self._cell.shared
        if not experiment.settings.cache:
            return None
        reason = shared.refusal(experiment)
        if not reason:
            try:
                self._exact = self._arguments()
            except UnkeyableError as error:
                reason = f"its arguments cannot be compared: {error}"
                if isinstance(error, TooLargeError):
                    shared.refuse(experiment, reason)
        if reason or self._exact is None:
            self._tell(reason)
            return None
        key = experiment.canonical, shared.sees(experiment, self._case, self._args), self._exact.content
        return *key, self._caller.number(key)

    def _tell(self, reason: str) -> None:
        self._cell.account.count_unshared(self._experiment.name, reason)

    def _arguments(self) -> ExactKey:
        shared = self._cell.shared
        around = *shared.changed_variables(self._context), *shared.surroundings(self._experiment)
        return exact_key((self._args, self._kwargs, *around), shared.is_user_code)

    def _may_wait(self) -> bool:
        """Tell whether this thread may stand still: the cell's own may, unless a loop runs on it."""
        return threading.get_ident() == self._cell.thread and not is_loop_running()

    def _share(self, value: Any, seconds: float) -> None:
        entry, execution = self._the_entry, self._execution
        is_shared = False
        try:
            reason = self._undiscovered() or self._keep(entry, value, seconds)
            if reason:
                entry.reason = reason
                self._tell(reason)
                return
            entry.seconds, entry.options, entry.calls = seconds, execution.options, execution.calls
            is_shared = True
        finally:
            execution.finish()
            (self._cell.memo.publish if is_shared else self._cell.memo.fail)(entry)

    def _undiscovered(self) -> str:
        """Say what the result of the run depends on, or has changed, beside what the key tells; empty if nothing."""
        shared = self._cell.shared
        reason = self._execution.reason or shared.unseen(self._experiment, self._case, self._args, self._execution)
        if reason:
            return reason
        changed = shared.changed_between(self._context, copy_context())
        return f"it sets the context variable {changed!r}" if changed else ""

    def _keep(self, entry: Entry, value: Any, seconds: float) -> str:
        """Let an entry give a result; return why it cannot, or is not to."""
        before = thread_time()
        if not self._are_arguments_unchanged():
            return "it changes its arguments"
        keying = thread_time() - before
        shared = self._cell.shared
        try:
            entry.give = copier_of(value)
            before = thread_time()
            entry.give()
            sharing = keying + thread_time() - before
        except TooLargeError as error:
            reason = f"its result is not copied: {error}"
            shared.refuse(self._experiment, reason)
            return reason
        except Exception as error:  # noqa: BLE001 - a type of the user's may refuse in any way
            return f"its result cannot be copied ({type(error).__name__}: {error})"
        if shared.is_worthwhile(self._experiment, sharing, seconds):
            return ""
        return "comparing its arguments and copying its result take longer than a call"

    def _are_arguments_unchanged(self) -> bool:
        try:
            return self._exact is not None and self._arguments().content == self._exact.content
        except UnkeyableError:
            return False


def _noting(spans: list[SpanUsage], outer: Callable[[SpanUsage], None] | None) -> Callable[[SpanUsage], None]:
    """Return what keeps spans, and hands them on."""

    def take(span: SpanUsage) -> None:
        spans.append(span)
        if outer is not None:
            outer(span)

    return take


def wait_for_equal(step: StepCall) -> None:
    """Wait for an equal call, if that is what a call is to do."""
    if step.claim == "wait":
        try:
            with suppress(TimeoutError):
                step.waiter().result(_PATIENCE)
        finally:
            step.stop_waiting()


async def await_equal(step: StepCall) -> None:
    """Do in a task what `wait_for_equal` does on a thread."""
    if step.claim == "wait":
        try:
            await asyncio.wait([asyncio.wrap_future(step.waiter())], timeout=_PATIENCE)
        finally:
            step.stop_waiting()
