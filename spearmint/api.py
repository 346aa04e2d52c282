"""What makes experiments and runs them: `Spearmint` and `experiment`."""

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Never, ParamSpec, TypeVar, Unpack, overload

from spearmint.cases.plan import Combine
from spearmint.config import Config
from spearmint.config.copying import value_factory
from spearmint.config.signature import Bindings
from spearmint.config_files import ConfigFiles, parsed
from spearmint.online.steering import keep_at_its_stage
from spearmint.option_types import (
    ConfigSources,
    EvaluateOptions,
    ExperimentOptions,
    MetricScorers,
    StrategyOption,
    TracingOption,
)
from spearmint.planning.unread import warn_of_unread_keys
from spearmint.proxy.proxy import wrap_function
from spearmint.proxy.runner import AsyncExperimentRunner, ExperimentRunner
from spearmint.registry.callables import callers_namespace
from spearmint.registry.experiment import ExperimentFunction
from spearmint.registry.registry import registry
from spearmint.registry.settings import ExperimentSettings, changed_settings, refuse_unknown
from spearmint.searches import Searches
from spearmint.strategies.builtin import SingleConfigStrategy

if TYPE_CHECKING:  # scipy and rich, which no call of an experiment needs, stand behind it
    from spearmint.evaluation.report.report import Report

P = ParamSpec("P")
R = TypeVar("R")

_NO_BINDINGS: Bindings = {}


class Spearmint(Searches):
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
        reload: Seconds between two looks at the files that ``configs`` names; what changes in them takes effect without
            a restart, as `spearmint.reload` says. None to read them once.
        cache: Whether an evaluation may run an experiment that others call once for several cases, where it gets equal
            arguments under equal configs.
        metrics: Scorers, as for `evaluate`, of what calls of exposed units return: in the background, for the share of
            the units that ``configure(online={"score_rate": ...})`` says. None for those of the process's ``metrics``.

    Raises:
        ConfigError: If a config cannot be read, or two differ under one id.
        DeclarationError: If a setting is unknown or out of range.
    """

    def __init__(
        self,
        *,
        configs: ConfigSources | None = None,
        strategy: StrategyOption = SingleConfigStrategy,
        bindings: Bindings = _NO_BINDINGS,
        on_variant_error: Callable[[BaseException], object] | None = None,
        variant_timeout: float | None = None,
        copy_args: bool = False,
        combine: Combine = "product",
        max_cases: int | None = 1000,
        compare: Callable[[Any, Any], Any] | None = None,
        tracing: TracingOption = None,
        reload: float | None = None,
        cache: bool = True,
        metrics: MetricScorers | None = None,
        **unknown: Never,
    ) -> None:
        refuse_unknown(unknown)
        self._settings = ExperimentSettings(
            strategy=strategy,
            bindings=bindings,
            on_variant_error=on_variant_error,
            variant_timeout=variant_timeout,
            copy_args=copy_args,
            combine=combine,
            max_cases=max_cases,
            compare=compare,
            tracing=tracing,
            cache=cache,
            metrics=metrics,
        )
        self._files = None if reload is None else ConfigFiles(configs, reload)
        self._given = parsed(configs) if self._files is None else []

    @property
    def _configs(self) -> list[Config]:
        return self._given if self._files is None else self._files.configs

    @property
    def configs(self) -> list[Config]:
        """The expanded configs; copies, so that changing them changes no experiment."""
        return [value_factory(config)() for config in self._configs]

    @property
    def strategy(self) -> StrategyOption:
        """What chooses among them, as it was given."""
        strategy: StrategyOption = self._settings.strategy
        return strategy

    @overload
    def experiment(self, function: Callable[P, R], /) -> Callable[P, R]: ...

    @overload
    def experiment(
        self, function: None = None, /, *, configs: ConfigSources | None = None, **settings: Unpack[ExperimentOptions]
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
        changed = changed_settings(self._settings, settings)
        own = None if configs is None else parsed(configs)

        def declare(inner: Callable[..., Any]) -> ExperimentFunction:
            made = ExperimentFunction(
                inner,
                self._configs if own is None else own,
                changed,
                has_own_configs=own is not None,
                has_own_bindings="bindings" in settings,
                namespace=callers_namespace(),
            )
            if own is None and self._files is not None:
                self._files.add(made)
            keep_at_its_stage(made.split)
            registry.add(made)
            if own is not None:
                warn_of_unread_keys(made)
            return made

        if function is not None:
            return wrap_function(function, declare)
        return lambda target: wrap_function(target, declare)

    @overload
    @staticmethod
    def run(
        function: Callable[P, Coroutine[Any, Any, R]], *, await_variants: bool = False
    ) -> ExperimentRunner[P, R]: ...

    @overload
    @staticmethod
    def run(function: Callable[P, R], *, await_variants: bool = False) -> ExperimentRunner[P, R]: ...

    @staticmethod
    def run(function: Callable[..., Any], *, await_variants: bool = False) -> ExperimentRunner[..., Any]:
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

    @overload
    @staticmethod
    def arun(
        function: Callable[P, Coroutine[Any, Any, R]], *, await_variants: bool = False
    ) -> AsyncExperimentRunner[P, R]: ...

    @overload
    @staticmethod
    def arun(function: Callable[P, R], *, await_variants: bool = False) -> AsyncExperimentRunner[P, R]: ...

    @staticmethod
    def arun(function: Callable[..., Any], *, await_variants: bool = False) -> AsyncExperimentRunner[..., Any]:
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
        **options: Unpack[EvaluateOptions],
    ) -> "Report":
        """Run every config on every row, score what comes of it, and compare the configs with the main one.

        Args:
            function: An experiment, or a function, which becomes one of this instance. It may be async, or a
                generator function, whose output is the list of its items.
            data: The path of a JSONL file (streamed), an iterable of mappings, a pandas DataFrame, or an MLflow
                dataset. A row is ``{"inputs": {...}, "expectations": {...}}``, or flat: its keys are the parameters by
                name, and ``expected`` its expectation.
            scorers: Callables that take any of ``inputs``, ``outputs``, ``expectations``, ``trace`` and ``config``, and
                return a number, a bool or a dict of those; or MLflow scorers; or `spearmint.Pairwise`, which compares
                with main's output; or a mapping from names to such.
            configs: Any source that `spearmint.config.parse_configs` takes, main first; by default the experiment's
                own. Every config of every nested experiment takes part too.
            repeats: How often each config runs on each row.
            executor: Where to run. By default threads of this process; others, such as a process pool or Dask's
                ``client.get_executor()``, get function, configs and scorers pickled.
            resume: A JSONL file that each result is written to as it comes. What is there is not made again as long as
                row, assignment and code are the same; of a score, also its expectations and scorer.
            progress: Whether to show progress on standard error: a bar on a terminal, else a line every 10 seconds.
            concurrency: Cells that run at once; by default one for each worker.
            vary: The experiments whose configs are compared, as functions or names; the others keep their first one.
            timeout: Seconds that the function may take on one row, and each scorer; by default ``variant_timeout``.
            retry: Which results in the file are made again: ``"errors"``, ``"none"`` or ``"all"``.
            stale: What happens to results of other code in the file: ``"rerun"``, ``"use"`` or ``"error"``.
            cluster: Where rows that are not independent say so, such as ``"inputs.document"``: errors are then those of
                clusters, which are wider.
            reduce: How the repeats of a row become one score: ``"mean"``, ``"median"``, ``"pass_at_k"`` (the best of
                ``k``) or ``"pass_all_k"`` (the worst of ``k``), averaged over all choices of ``k`` repeats.
            race: A `spearmint.Race`, in which configs leave that fall behind beyond doubt.
            usage: A function from an output to the tokens that it took: a mapping with ``input_tokens``,
                ``output_tokens`` and ``model``, a list of such, or None. By default MLflow's spans tell, else outputs
                that look like those of OpenAI's and Anthropic's APIs.
            prices: From models to US dollars for a million tokens, ``{"input_per_million_tokens": 0.5,
                "output_per_million_tokens": 1.5}``, also ``cache_read_per_million_tokens`` and
                ``cache_write_per_million_tokens``. Other models are priced by the catalogue that comes with MLflow.
            budget: A `spearmint.Budget`, with which the run ends on whole rows.
            store: A SQLite file that each result and whole outputs are written to as they come, run beside run.
            cache: Whether to take results of earlier runs in the store, by the rules of ``resume``; never failures.
            pickle: Whether outputs that JSON cannot say are pickled. Reading a pickle runs what its writer put there.
            limits: A `spearmint.Limits`: how many calls may be under way and how often, and which failures are tried
                again. By default each call is made once, as many at once as there are workers.
            scorer_limits: The same for scorers.
            share: Whether an experiment that the function calls runs once for all cases of a row in which it gets equal
                arguments under equal configs of all that it reaches, and a scorer once for equal outputs.

        Returns:
            The report. It keeps numbers, and of up to 50,000 outputs the beginnings; where there are more cells,
            outputs are kept with ``store=`` alone, and the report says so.

        Raises:
            EvaluationError: If data or scorers are unfit, a row gives a parameter that a config fills, or the run
                cannot go on.
            PlanError: If there are more cases than ``max_cases``.
            ConfigError: If a config cannot be read, or does not reach a parameter.
            KeyboardInterrupt: If it is interrupted; a note on it says how to go on.
        """
        from spearmint.evaluation.evaluate import evaluate  # noqa: PLC0415 - scipy takes a second to import
        from spearmint.evaluation.run.options import EvaluationOptions  # noqa: PLC0415

        made = EvaluationOptions(**options)
        own = None if configs is None else parsed(configs)
        return evaluate(function, data, scorers, own, self._configs, settings=self._settings, options=made)


@overload
def experiment(function: Callable[P, R], /) -> Callable[P, R]: ...


@overload
def experiment(
    function: None = None, /, *, configs: ConfigSources | None = None, **settings: Unpack[ExperimentOptions]
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
