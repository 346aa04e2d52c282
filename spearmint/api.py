"""What users call: `Spearmint`, `experiment`, runs, and the settings and accounts of the process."""

import os
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import replace
from time import monotonic
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, overload

from spearmint.config import Config, parse_configs
from spearmint.config.copying import value_factory
from spearmint.errors import DeclarationError
from spearmint.execution.limits import BackgroundStats
from spearmint.execution.pool import variant_pool
from spearmint.proxy.proxy import wrap_function
from spearmint.proxy.runner import AsyncExperimentRunner, ExperimentRunner
from spearmint.registry.callables import callers_namespace
from spearmint.registry.experiment import ExperimentFunction
from spearmint.registry.registry import registry
from spearmint.registry.settings import ExperimentSettings
from spearmint.tracing import recorder
from spearmint.tracing.exporter import exporter as traces
from spearmint.tracing.options import TracingStats

if TYPE_CHECKING:  # scipy and rich, which no call of an experiment needs, stand behind it
    from spearmint.evaluation.report.report import Report

P = ParamSpec("P")
R = TypeVar("R")

_SETTINGS = frozenset(ExperimentSettings.__slots__)


class Spearmint:
    """Experiments that share configs and settings.

    Args:
        strategy: Class, instance or function that chooses the main config and its variants.
            Default: `spearmint.strategies.SingleConfigStrategy`.
        configs: Any source that `spearmint.config.parse_configs` takes.
        bindings: From a type or a parameter's name to a path in the config; None there leaves it to the caller.
        on_variant_error: Called with the exception of a variant that fails, on the thread that ran it.
        variant_timeout: Seconds that one variant may take; None for no bound.
        copy_args: Whether each variant gets a deep copy of the arguments. By default they are shared.
        combine: ``"product"`` of the options of nested experiments, or ``"one_at_a_time"``.
        max_cases: How many cases a plan may hold, main included; None for no bound.
        compare: Compares main's result with a variant's, on the thread that writes the traces; what it returns is taken
            as true or false. Default: the strategy's ``compare``, else ``==``.
        tracing: Whether executions become MLflow traces: True, False, or None for as soon as the process has imported
            mlflow. Also a mapping with ``enabled``, which is one of these, and ``sample_rate``.

    Raises:
        ConfigError: If a config cannot be read, or two differ under one id.
        DeclarationError: If a setting is unknown or out of range.
    """

    def __init__(self, *, configs: Any = None, **settings: Any) -> None:
        self._settings = _changed(ExperimentSettings(), settings)
        self._configs = _parsed(configs)

    @property
    def configs(self) -> list[Config]:
        """The expanded configs; copies, so that changing them changes no experiment."""
        return [value_factory(config)() for config in self._configs]

    @overload
    def experiment(self, function: Callable[P, R], /) -> Callable[P, R]: ...

    @overload
    def experiment(
        self, function: None = None, /, *, configs: Any = None, **settings: Any
    ) -> Callable[[Callable[P, R]], Callable[P, R]]: ...

    def experiment(self, function: Any = None, /, *, configs: Any = None, **settings: Any) -> Any:
        """Make an experiment of a function; ``@mint.experiment`` and ``@mint.experiment(...)`` both work.

        Args:
            function: A function, method, static or class method, or property.
            configs: Configs of its own, instead of the instance's.
            **settings: Settings of its own, each instead of the instance's.

        Returns:
            The experiment, which is called as the function is; without ``function``, the decorator.

        Raises:
            ConfigError: If a config cannot be read, or two differ under one id.
            BindingError: If a config does not reach a parameter.
            DeclarationError: If it is no function, or a setting is unknown or out of range.
            StrategyError: If the strategy cannot be made.
        """
        changed = _changed(self._settings, settings)
        own = None if configs is None else _parsed(configs)

        def declare(inner: Callable[..., Any]) -> ExperimentFunction:
            made = ExperimentFunction(
                inner,
                self._configs if own is None else own,
                changed,
                has_own_configs=own is not None,
                has_own_bindings="bindings" in settings,
                namespace=callers_namespace(),
            )
            registry.add(made)
            return made

        if function is not None:
            return wrap_function(function, declare)
        return lambda target: wrap_function(target, declare)

    @staticmethod
    def run(function: Callable[..., Any], *, await_variants: bool = False) -> ExperimentRunner:
        """Return what runs an experiment and tells everything that came of it.

        Args:
            function: An experiment, or a method that is one. An async one runs on a loop of Spearmint's own.
            await_variants: Whether a call returns only when its variants have ended.

        Returns:
            A context manager that yields itself, to be called as the function is.

        Raises:
            DeclarationError: If ``function`` is no experiment.
        """
        return ExperimentRunner(function, await_variants=await_variants)

    @staticmethod
    def arun(function: Callable[..., Any], *, await_variants: bool = False) -> AsyncExperimentRunner:
        """Return the asynchronous twin of `run`, whose calls are awaited.

        Args:
            function: An experiment, or a method that is one, async or not.
            await_variants: Whether a call returns only when its variants have ended.

        Returns:
            An asynchronous context manager that yields itself, to be called as the function is, and awaited.

        Raises:
            DeclarationError: If ``function`` is no experiment.
        """
        return AsyncExperimentRunner(function, await_variants=await_variants)

    def evaluate(
        self,
        function: Callable[..., Any],
        data: Any,
        *,
        scorers: Any,
        configs: Any = None,
        repeats: int = 1,
        executor: Executor | None = None,
        resume: str | os.PathLike[str] | None = None,
        progress: bool = True,
        concurrency: int | None = None,
    ) -> "Report":
        """Run every config on every row, score what comes of it, and compare the configs with the main one.

        Args:
            function: An experiment, or a function, which becomes one of this instance. It may be async, or a
                generator function, whose output is the list of its items.
            data: The path of a JSONL file (streamed), an iterable of mappings, a pandas DataFrame, or an MLflow
                dataset. A row is ``{"inputs": {...}, "expectations": {...}}``, or flat: its keys are the parameters by
                name, and ``expected`` its expectation.
            scorers: Callables that take any of ``inputs``, ``outputs``, ``expectations``, ``trace`` and ``config``, and
                return a number, a bool or a dict of those; or MLflow scorers; or a mapping from names to such.
            configs: Any source that `spearmint.config.parse_configs` takes, main first; by default the experiment's
                own. The configs of nested experiments take part as they do in a plan.
            repeats: How often each config runs on each row.
            executor: Where to run. By default threads of this process; others, such as a process pool or Dask's
                ``client.get_executor()``, get function, configs and scorers pickled.
            resume: A JSONL file that each result is written to as it comes; those that are there are not run again.
            progress: Whether to show progress, where standard error is a terminal.
            concurrency: Cells that run at once; by default as many as the executor has workers, or the limit
                ``max_workers`` of the background.

        Returns:
            The report. It keeps numbers only, and the beginning of the first 50,000 outputs.

        Raises:
            EvaluationError: If data or scorers are unfit, or the run cannot go on.
            PlanError: If there are more cases than ``max_cases``.
            ConfigError: If a config cannot be read.
            BindingError: If one does not reach a parameter.
        """
        from spearmint.evaluation.evaluate import evaluate  # noqa: PLC0415 - scipy takes a second to import

        return evaluate(
            function,
            data,
            scorers=scorers,
            configs=None if configs is None else _parsed(configs),
            instance_configs=self._configs,
            settings=self._settings,
            repeats=repeats,
            executor=executor,
            resume=resume,
            progress=progress,
            concurrency=concurrency,
        )


@overload
def experiment(function: Callable[P, R], /) -> Callable[P, R]: ...


@overload
def experiment(
    function: None = None, /, *, configs: Any = None, **settings: Any
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...


def experiment(function: Any = None, /, *, configs: Any = None, **settings: Any) -> Any:
    """Make an experiment of a function, without an instance of `Spearmint`.

    Args:
        function: A function, method, static or class method, or property.
        configs: Any source that `spearmint.config.parse_configs` takes. Without any, it runs under the config of the
            experiment that calls it.
        **settings: As for `Spearmint`.

    Returns:
        The experiment; without ``function``, the decorator.

    Raises:
        SpearmintError: As `Spearmint.experiment`.
    """
    return Spearmint().experiment(function, configs=configs, **settings)


def flush(timeout: float | None = None) -> bool:
    """Wait for the background work that has been handed over so far; in a variant, for what that variant handed over.

    Then wait for the traces of all of it to be written.

    Args:
        timeout: Seconds to wait at most, for both together; None waits without end.

    Returns:
        True when all of it has ended; False after ``timeout``, or when the rest are tasks of an event loop that does
        not run while this waits: use `aflush` there.
    """
    deadline = None if timeout is None else monotonic() + timeout
    has_ended = variant_pool.flush(timeout)
    return traces.flush(_left(deadline)) and has_ended


async def aflush(timeout: float | None = None) -> bool:
    """Do what `flush` does without holding up the event loop, so that its own variants end too.

    Args:
        timeout: Seconds to wait at most; None waits without end.

    Returns:
        True when all of it has ended.
    """
    deadline = None if timeout is None else monotonic() + timeout
    has_ended = await variant_pool.aflush(timeout)
    return await traces.aflush(_left(deadline)) and has_ended


def _left(deadline: float | None) -> float | None:
    return None if deadline is None else max(0.0, deadline - monotonic())


def background_stats() -> BackgroundStats:
    """Return what became of the variants of this process, as one consistent snapshot.

    Returns:
        Counts, of which ``submitted`` is the sum of all others.
    """
    return variant_pool.stats()


def tracing_stats() -> TracingStats:
    """Return what became of the traces of this process, as one consistent snapshot.

    Returns:
        Counts, of which ``recorded`` is the sum of all others.
    """
    return traces.stats()


def configure(*, background: Mapping[str, Any] | None = None, tracing: Mapping[str, Any] | None = None) -> None:
    """Set what holds for the whole process.

    Args:
        background: Some of ``max_workers``, ``queue_size``, ``overflow`` (``"drop"``, ``"block"`` or
            ``"run_in_caller"``), ``exit_timeout`` (seconds), ``stream_items`` and ``stream_seconds``.
        tracing: Some of ``enabled``, ``sample_rate``, ``mode``, ``experiment``, ``tracking_uri``, ``queue_size``,
            ``max_chars``, ``max_items``, ``mask`` and ``timeout``; `spearmint.tracing.options.TracingOptions` says what
            they are.

    Raises:
        ConfigError: If a name is unknown or a value is out of range.
    """
    if tracing is not None:
        recorder.set_options(tracing)
    if background is not None:
        variant_pool.configure(**background)


def _parsed(configs: Any) -> list[Config]:
    return [] if configs is None else parse_configs(configs)


def _changed(settings: ExperimentSettings, changes: Mapping[str, Any]) -> ExperimentSettings:
    for name in changes:
        if name not in _SETTINGS:
            message = f"Cannot set {name!r}: there is no such setting. Give some of {', '.join(sorted(_SETTINGS))}."
            raise DeclarationError(message)
    return replace(settings, **changes)
