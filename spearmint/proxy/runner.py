"""What `Spearmint.run` and `Spearmint.arun` give: a call of an experiment that tells everything that came of it."""

import asyncio
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Generic, Self

from typing_extensions import ParamSpec, TypeVar

from spearmint.errors import ExecutionError
from spearmint.execution import task_driver as tasks
from spearmint.execution import thread_driver as threads
from spearmint.execution.call import Call, begin_call
from spearmint.execution.event_loop import background_loop
from spearmint.execution.task_driver import TaskDriver
from spearmint.execution.thread_driver import ThreadDriver
from spearmint.planning.select import select
from spearmint.proxy.perform import open_stream
from spearmint.proxy.proxy import experiment_of
from spearmint.results import ExperimentResults, Outcome

P = ParamSpec("P", default=...)
R = TypeVar("R", default=Any)


class _Runner(Generic[P, R]):
    """What both runners share: an experiment, and the results of its last call."""

    def __init__(self, function: Callable[..., Any], *, await_variants: bool) -> None:
        self._experiment, self._args, self._kwargs = experiment_of(function)
        self._await_variants = await_variants
        self._call: Call | None = None
        self.results: ExperimentResults[R] | None = None

    def _begin(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Call:
        all_args, all_kwargs = (*self._args, *args), {**self._kwargs, **kwargs}
        choice = select(self._experiment, all_args, full_check=True)
        call = begin_call(
            self._experiment, all_args, all_kwargs, choice, waits_for_variants=self._await_variants, is_run=True
        )
        self._call, self.results = call, call.results
        return call

    @property
    def _is_async(self) -> bool:
        return self._experiment.kind in ("coroutine", "async_generator")

    def _opens_stream(self) -> bool:
        return self._experiment.kind in ("generator", "async_generator") and not self._experiment.collects

    def _tell(self, call: Call, outcome: Outcome) -> ExperimentResults[R]:
        if outcome.exception is None or (self._experiment.collects and isinstance(outcome.exception, Exception)):
            return call.results
        try:
            raise outcome.exception
        finally:
            del call, outcome  # The traceback holds this frame, which would hold the exception.


class ExperimentRunner(_Runner[P, R]):
    """Runs an experiment and tells everything that came of it; `Spearmint.run` makes one.

    Attributes:
        results: What came of the last call, also when main raised; None before the first.
    """

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> ExperimentResults[R]:
        """Run the experiment once, as a plan of its own even where a case is running.

        Args:
            *args: As for the function.
            **kwargs: As for the function.

        Returns:
            The results. The main result of a generator function is the stream, whose end starts the variants.

        Raises:
            BaseException: What main raises, unchanged.
            StrategyError: If the strategy raises, or chooses what it was not given.
            PlanError: If the plan holds more cases than ``max_cases``.
            ExecutionError: If the function is async and an event loop is running.
        """
        if self._is_async:
            self._refuse_running_loop()
        call = self._begin(args, kwargs)
        if self._opens_stream():
            call.results.main_result.hold(open_stream(call))
            return call.results
        outcome = background_loop.run(tasks.run_in_task(call)) if self._is_async else threads.run_in_thread(call)
        return self._tell(call, outcome)

    def _refuse_running_loop(self) -> None:
        name = self._experiment.name
        if self._opens_stream():
            message = f"Cannot run {name} here: its stream needs the event loop of the code that iterates it. "
            raise ExecutionError(message + "Use `async with Spearmint.arun(...)`.")
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return
        message = f"Cannot run {name} here: it is async, and waiting for it would hold up the running event loop. "
        raise ExecutionError(message + "Use `async with Spearmint.arun(...)` and await the runner.")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._call is None or not self._await_variants or error is not None:
            return
        if self._call.results.wait() and self._opens_stream():
            driver = ThreadDriver(self._call)
            while driver.extend():
                self._call.results.wait()


class AsyncExperimentRunner(_Runner[P, R]):
    """Runs an experiment, async or not, in a running event loop; `Spearmint.arun` makes one.

    Attributes:
        results: What came of the last call, also when main raised; None before the first.
    """

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> ExperimentResults[R]:
        """Run the experiment once; otherwise as `ExperimentRunner.__call__`."""
        if self._await_variants:
            tasks.refuse_trio(self._experiment.name)
        call = self._begin(args, kwargs)
        if self._opens_stream():
            call.results.main_result.hold(open_stream(call))
            return call.results
        if self._is_async:
            outcome = await tasks.run_in_task(call)
        else:
            outcome = threads.run_in_thread(call, waits=False)
            if call.waits_for_variants:
                await call.results.await_variants()
            if call.waits_for_variants and (outcome.exception is None or isinstance(outcome.exception, Exception)):
                await self._await_others(call)
        return self._tell(call, outcome)

    async def _await_others(self, call: Call) -> None:
        """Run and await the cases that undiscovered experiments add."""
        while await TaskDriver(call).extend() if self._is_async else ThreadDriver(call).extend():
            await call.results.await_variants()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._call is None or not self._await_variants or error is not None:
            return
        if await self._call.results.await_variants() and self._opens_stream():
            await self._await_others(self._call)
