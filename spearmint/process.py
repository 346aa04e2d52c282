"""What holds for the whole process: waiting for its background work, its settings and its accounts."""

from time import monotonic

from spearmint.execution.call_metrics import Metrics, call_meter
from spearmint.execution.limits import BackgroundStats
from spearmint.execution.pool import variant_pool
from spearmint.online.options import ExposureStats
from spearmint.online.writer import records
from spearmint.option_types import BackgroundChanges, MetricsChanges, OnlineChanges, TracingChanges
from spearmint.proxy.codegen import set_metrics_options
from spearmint.tracing import recorder
from spearmint.tracing.exporter import exporter as traces
from spearmint.tracing.feedback import feedback
from spearmint.tracing.options import TracingStats


def flush(timeout: float | None = None) -> bool:
    """Wait for the background work that has been handed over so far; in a variant, for what that variant handed over.

    Then wait for the traces of all of it to be written, for feedback on them, and for exposures and outcomes.

    Args:
        timeout: Seconds to wait at most, for all together; None waits without end.

    Returns:
        True when all of it has ended; False after ``timeout``, or when the rest are tasks of an event loop that does
        not run while this waits: use `aflush` there.
    """
    deadline = None if timeout is None else monotonic() + timeout
    has_ended = variant_pool.flush(timeout)
    is_told = traces.flush(_left(deadline))
    is_told = feedback.flush(_left(deadline)) and is_told
    return records.flush(_left(deadline)) and is_told and has_ended


async def aflush(timeout: float | None = None) -> bool:
    """Do what `flush` does without holding up the event loop, so that its own variants end too.

    Args:
        timeout: Seconds to wait at most; None waits without end.

    Returns:
        True when all of it has ended.
    """
    deadline = None if timeout is None else monotonic() + timeout
    has_ended = await variant_pool.aflush(timeout)
    is_told = await traces.aflush(_left(deadline))
    is_told = await feedback.aflush(_left(deadline)) and is_told
    return await records.aflush(_left(deadline)) and is_told and has_ended


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


def feedback_stats() -> TracingStats:
    """Return what became of the feedback on traces that `spearmint.track` gave, as one consistent snapshot.

    Returns:
        Counts of feedback, as of traces: ``recorded`` is the sum of all others.
    """
    return feedback.stats()


def exposure_stats() -> ExposureStats:
    """Return what became of the exposures and outcomes of this process, as one consistent snapshot.

    Returns:
        Counts, of which ``submitted`` is the sum of all others but ``missing_unit``.
    """
    return records.account.stats()


def metrics() -> Metrics:
    """Return counts and latencies of all executions that have ended since ``configure(metrics={"enabled": True})``.

    They do not depend on tracing, sampling or full queues, and are exact at any rate. A fork begins with none. Where
    OpenTelemetry's SDK is set up, it gets the same, as ``spearmint.calls``, ``spearmint.call.errors``,
    ``spearmint.calls.cancelled``, ``spearmint.call.seconds`` and ``spearmint.call.seconds.bucket``.

    Returns:
        A sequence with one row for each experiment, config and role.
    """
    return call_meter.metrics()


def configure(
    *,
    background: BackgroundChanges | None = None,
    tracing: TracingChanges | None = None,
    online: OnlineChanges | None = None,
    metrics: MetricsChanges | None = None,
) -> None:
    """Set what holds for the whole process.

    Args:
        background: Some of ``max_workers``, ``max_tasks``, ``queue_size``, ``max_lag`` (seconds), ``overflow``
            (``"drop"``, ``"block"`` or ``"run_in_caller"``), ``exit_timeout`` (seconds), ``stream_items`` and
            ``stream_seconds``.
        tracing: Some of ``enabled``, ``sample_rate``, ``mode``, ``experiment``, ``tracking_uri``, ``queue_size``,
            ``max_chars``, ``max_items``, ``mask`` and ``timeout``; `spearmint.tracing.options.TracingOptions` says what
            they are.
        online: Some of ``journal``, ``sink``, ``queue_size``, ``rotate_bytes``, ``hash_units``, ``flush_every`` and
            ``dedupe``; `spearmint.online.options.OnlineOptions` says what they are.
        metrics: Some of ``enabled`` and ``buckets``; `spearmint.execution.call_metrics.MetricsOptions` says what they
            are.

    Raises:
        ConfigError: If a name is unknown or a value is out of range.
    """
    if metrics is not None:
        set_metrics_options(metrics)
    if tracing is not None:
        recorder.set_options(tracing)
    if online is not None:
        records.configure(online)
    if background is not None:
        variant_pool.configure(**background)
