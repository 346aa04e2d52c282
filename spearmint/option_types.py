"""What options are to a type checker: sources of configs, strategies, and the mappings that `configure` takes."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, TypedDict

from pydantic import BaseModel

from spearmint.cases.plan import Combine
from spearmint.config.model import Config
from spearmint.config.signature import Bindings
from spearmint.execution.limits import Overflow
from spearmint.online.options import RecordSink
from spearmint.strategies.builtin import Strategy
from spearmint.tracing.options import Mode

if TYPE_CHECKING:  # numpy and scipy, which no call of an experiment needs, stand behind it
    from spearmint.evaluation.budget import Budget
    from spearmint.evaluation.limits import Limits
    from spearmint.evaluation.race import Race


class _DataclassInstance(Protocol):
    __dataclass_fields__: ClassVar[dict[str, Any]]


ConfigSource = Mapping[str, Any] | BaseModel | _DataclassInstance | str | os.PathLike[str]
"""A config, with or without sweeps, or the path of a file, a folder or a glob of them."""

ConfigSources = ConfigSource | Iterable[ConfigSource | Iterable[ConfigSource]]
"""Whatever `spearmint.config.parse_configs` takes."""

_OfConfigs = Callable[[list[Config]], tuple[Config, Iterable[Config]]]
_OfAttributes = Callable[[list[Config], Mapping[str, Any]], tuple[Config, Iterable[Config]]]
StrategyOption = Strategy | type[Strategy] | _OfConfigs | _OfAttributes | str
"""A strategy: a class, an instance, a function of the configs (and of the attributes around the call), or a name."""


class ExperimentTracing(TypedDict, total=False):
    """What an experiment says of its traces; all else is the process's."""

    enabled: bool | None
    sample_rate: float


TracingOption = bool | ExperimentTracing | None
"""Whether an experiment is traced; None for as the process has it."""


MetricScorers = Callable[..., Any] | Iterable[Callable[..., Any]] | Mapping[str, Callable[..., Any]]
"""Scorers of outputs, by MLflow's convention; a mapping gives them names."""


class ExperimentOptions(TypedDict, total=False):
    """The options of an experiment beside its configs, as `spearmint.Spearmint` says what they are."""

    strategy: StrategyOption
    bindings: Bindings
    on_variant_error: Callable[[BaseException], object] | None
    variant_timeout: float | None
    copy_args: bool
    combine: Combine
    max_cases: int | None
    compare: Callable[[Any, Any], Any] | None
    tracing: TracingOption
    cache: bool
    metrics: MetricScorers | None


class EvaluateOptions(TypedDict, total=False):
    """The options of `spearmint.Spearmint.evaluate`, which says what they are; defaults are in `EvaluationOptions`."""

    repeats: int
    executor: Executor | None
    resume: str | os.PathLike[str] | None
    progress: bool
    concurrency: int | None
    vary: Sequence[Callable[..., Any] | str] | None
    timeout: float | None
    retry: Literal["errors", "none", "all"]
    stale: Literal["rerun", "use", "error"]
    cluster: str | None
    reduce: str
    race: "Race | None"
    usage: Callable[[Any], Any] | None
    prices: Mapping[str, Mapping[str, float]] | None
    budget: "Budget | None"
    store: str | os.PathLike[str] | None
    cache: bool
    pickle: bool
    share: bool
    limits: "Limits | None"
    scorer_limits: "Limits | None"


class BackgroundChanges(TypedDict, total=False):
    """Limits of the background, as `spearmint.execution.limits.PoolLimits` says what they are."""

    max_workers: int
    max_tasks: int
    queue_size: int
    max_lag: float
    overflow: Overflow
    exit_timeout: float
    stream_items: int
    stream_seconds: float


class MetricsChanges(TypedDict, total=False):
    """Options of metrics, as `spearmint.execution.call_metrics.MetricsOptions` says what they are."""

    enabled: bool
    buckets: Sequence[float]


class OnlineChanges(TypedDict, total=False):
    """Options of exposures and outcomes, as `spearmint.online.options.OnlineOptions` says what they are."""

    journal: str | os.PathLike[str] | None
    sink: RecordSink | str | None
    queue_size: int
    rotate_bytes: int
    hash_units: str | None
    flush_every: float
    dedupe: int
    metrics: MetricScorers | Iterable[str] | str | None
    score_rate: float


class TracingChanges(TypedDict, total=False):
    """Options of tracing, as `spearmint.tracing.options.TracingOptions` says what they are."""

    enabled: bool | None
    sample_rate: float
    mode: Mode
    experiment: str | None
    tracking_uri: str | None
    queue_size: int
    max_chars: int
    max_items: int
    mask: Sequence[str]
    timeout: float
