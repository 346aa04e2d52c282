"""Counts of executions: exact whatever runs them, and nothing in a call while they are off."""

import asyncio
import os
import threading

import pytest

import spearmint
from spearmint import Config, Spearmint
from spearmint.context import experiment_case_var
from spearmint.errors import ConfigError
from spearmint.execution.call_metrics import call_meter
from spearmint.execution.otel_metrics import OtelMetrics
from spearmint.proxy.call_arguments import arguments_of
from spearmint.proxy.codegen import code_of_call
from spearmint.proxy.proxy import experiment_of
from spearmint.strategies import MultiBranchStrategy, ShadowStrategy

CONFIGS = [{"n": 0}, {"n": 1}]


@pytest.fixture
def metered(account):
    call_meter.reset()
    spearmint.configure(metrics={"enabled": True})
    yield
    spearmint.configure(metrics={"enabled": False})
    call_meter.reset()


def counts() -> list[tuple[str, str, int, int, int]]:
    """Config, role, and calls, errors and cancelled of each row."""
    return [(row.config_id, row.role, row.calls, row.errors, row.cancelled) for row in spearmint.metrics()]


def test_calls_and_errors_are_counted(metered) -> None:
    @Spearmint(configs=[{"n": 1, "__config_id__": "one"}], bindings={"n": "n"}).experiment
    def divided(by: int, n: int = 0) -> float:
        return n / by

    for by in (1, 2, 0):
        try:
            divided(by)
        except ZeroDivisionError as error:
            frames = error.__traceback__
            assert frames.tb_next.tb_next.tb_next is None  # This frame, the generated one, and the function's.
    (row,) = spearmint.metrics()
    assert row.experiment.endswith("divided")
    assert (row.config_id, row.role, row.calls, row.errors, row.cancelled) == ("one", "main", 3, 1, 0)
    assert row.seconds > 0
    assert len(row.buckets) == len(spearmint.metrics().bounds)
    assert list(row.buckets) == sorted(row.buckets)


def test_experiments_declared_before_and_after_are_switched(account) -> None:
    call_meter.reset()

    @Spearmint(configs=[{"n": 1, "__config_id__": "one"}]).experiment
    def before(config: Config) -> int:
        return config["n"]

    code = before.__call__  # keeps the proxy's way of calling
    before()
    assert len(spearmint.metrics()) == 0
    spearmint.configure(metrics={"enabled": True})
    try:
        before()
        code()
        assert counts() == [("one", "main", 2, 0, 0)]
    finally:
        spearmint.configure(metrics={"enabled": False})
    before()
    assert counts() == [("one", "main", 2, 0, 0)]
    call_meter.reset()


def test_main_and_variants_are_counted_apart(metered) -> None:
    @Spearmint(configs=CONFIGS, strategy=ShadowStrategy).experiment
    def shadowed(config: Config) -> int:
        return 1 // config["n"] if config["n"] == 0 else config["n"]

    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            shadowed()
    assert spearmint.flush(30)
    assert sorted(row[1:] for row in counts()) == [("main", 3, 3, 0), ("variant", 3, 0, 0)]


def test_nested_experiments_have_rows_of_their_own(metered) -> None:
    @Spearmint(configs=[{"n": 2, "__config_id__": "inner"}]).experiment
    def inner(config: Config) -> int:
        return config["n"]

    @Spearmint(configs=[{"n": 3, "__config_id__": "outer"}]).experiment
    def outer(config: Config) -> int:
        return inner() + inner() + config["n"]

    assert outer() == 7
    assert [(row.config_id, row.calls) for row in spearmint.metrics()] == [("inner", 2), ("outer", 1)]


def test_every_kind_of_function_is_counted(metered) -> None:
    every = Spearmint(configs=CONFIGS, strategy=MultiBranchStrategy)
    single = Spearmint(configs=CONFIGS[:1])

    def stream(config: Config):
        yield config["n"]
        yield 2

    async def coroutine(config: Config) -> int:
        await asyncio.sleep(0)
        return config["n"]

    async def astream(config: Config):
        yield config["n"]

    async def main() -> None:
        await every.experiment(coroutine)()
        await single.experiment(coroutine)()
        assert [item async for item in single.experiment(astream)()] == [0]
        await spearmint.aflush(30)

    list(single.experiment(stream)())
    closed = single.experiment(stream)()
    next(closed)
    closed.close()
    asyncio.run(main())
    found = {}
    for row in spearmint.metrics():
        name = row.experiment.rpartition(".")[2]
        calls, cancelled = found.get(name, (0, 0))
        assert row.errors == 0
        found[name] = calls + row.calls, cancelled + row.cancelled
    assert found == {"stream": (2, 1), "coroutine": (3, 0), "astream": (1, 0)}


def test_cancelled_call_is_no_error(metered) -> None:
    @Spearmint(configs=CONFIGS[:1]).experiment
    async def waits(config: Config) -> None:
        await asyncio.sleep(60)

    async def main() -> None:
        task = asyncio.ensure_future(waits())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert [row[2:] for row in counts()] == [(1, 0, 1)]


def test_threads_lose_no_count(metered) -> None:
    @Spearmint(configs=CONFIGS[:1]).experiment
    def quick(config: Config) -> int:
        return config["n"]

    def call_often() -> None:
        for number in range(5_000):
            quick()
            if number % 500 == 0:
                spearmint.metrics()

    threads = [threading.Thread(target=call_often) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [row[2:] for row in counts()] == [(20_000, 0, 0)]


def test_counter_survives_an_interruption_while_it_counts(metered, monkeypatch) -> None:
    @Spearmint(configs=CONFIGS[:1]).experiment
    def quick(config: Config) -> int:
        return config["n"]

    def interrupts(*args):
        raise KeyboardInterrupt

    quick()
    with monkeypatch.context() as patch:
        patch.setattr("spearmint.execution.call_metrics.bisect_left", interrupts)
        with pytest.raises(KeyboardInterrupt):
            spearmint.metrics()
    quick()
    assert [row[2:] for row in counts()] == [(2, 0, 0)]


def test_buckets_hold_what_took_at_most_so_long(metered) -> None:
    spearmint.configure(metrics={"buckets": [0.1, 1, 10]})

    @Spearmint(configs=CONFIGS[:1]).experiment
    def case_of(config: Config):
        return experiment_case_var.get()

    case = case_of()
    call_meter.reset()
    for seconds in (0.05, 0.1, 0.5, 5.0, 50.0):
        call_meter.record(case, seconds, "success")
    (row,) = spearmint.metrics()
    assert (row.buckets, row.calls, row.seconds) == ((2, 3, 4), 5, 55.65)
    spearmint.configure(metrics={"buckets": [0.5]})
    assert len(spearmint.metrics()) == 0


@pytest.mark.parametrize("buckets", [[], [1, 1], [2, 1], [0, 1], [float("inf")], ["1"], [True], 3])
def test_buckets_that_are_none_are_refused(buckets) -> None:
    with pytest.raises(ConfigError, match=r"Cannot set metrics option 'buckets' to .* ascending, such as"):
        spearmint.configure(metrics={"buckets": buckets})


def test_unknown_option_is_refused_with_a_close_one() -> None:
    with pytest.raises(ConfigError, match=r"Cannot set metrics option 'enable': there is none.* 'enabled'"):
        spearmint.configure(metrics={"enable": True})


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_fork_begins_with_no_counts(metered) -> None:
    @Spearmint(configs=CONFIGS[:1]).experiment
    def quick(config: Config) -> int:
        return config["n"]

    quick()
    if (child := os.fork()) == 0:
        quick()
        os._exit(0 if [row[2:] for row in counts()] == [(1, 0, 0)] else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert [row[2:] for row in counts()] == [(1, 0, 0)]


def test_prometheus_reads_the_text(metered) -> None:
    parser = pytest.importorskip("prometheus_client.parser")

    @Spearmint(configs=[{"n": 1, "__config_id__": 'a "b"\\'}]).experiment
    def quick(config: Config) -> int:
        return config["n"]

    quick()
    families = {
        family.name: family for family in parser.text_string_to_metric_families(spearmint.metrics().to_prometheus())
    }
    (calls,) = families["spearmint_calls"].samples
    assert (calls.value, calls.labels["config_id"], calls.labels["role"]) == (1, 'a "b"\\', "main")
    samples = families["spearmint_call_seconds"].samples
    assert [one.value for one in samples if one.labels.get("le") == "+Inf"] == [1]
    assert [one.value for one in samples if one.name.endswith("_count")] == [1]
    assert families["spearmint_call_seconds"].type == "histogram"
    assert families["spearmint_call_errors"].samples[0].value == 0


def test_opentelemetry_reads_the_counts(metered, monkeypatch) -> None:
    sdk = pytest.importorskip("opentelemetry.sdk.metrics")
    export = pytest.importorskip("opentelemetry.sdk.metrics.export")
    reader = export.InMemoryMetricReader()
    provider = sdk.MeterProvider([reader])
    monkeypatch.setattr("opentelemetry.metrics.get_meter", provider.get_meter)  # The process has one provider.
    offer = OtelMetrics()
    offer.offer()
    offer.offer()  # A second time changes nothing.

    @Spearmint(configs=[{"n": 1, "__config_id__": "one"}]).experiment
    def quick(config: Config) -> int:
        return config["n"]

    quick()
    quick()
    found = {
        (metric.name, point.attributes.get("le")): point.value
        for resource in reader.get_metrics_data().resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in metric.data.data_points
    }
    assert found["spearmint.calls", None] == 2
    assert found["spearmint.call.errors", None] == 0
    assert found["spearmint.call.seconds.bucket", "+Inf"] == 2
    assert found["spearmint.call.seconds", None] > 0


@pytest.mark.parametrize("kind", ["function", "coroutine"])
def test_code_of_a_call_counts_nothing_while_it_is_off(account, kind) -> None:
    async def coroutine(config: Config) -> None: ...

    def function(config: Config) -> None: ...

    proxy = Spearmint(configs=CONFIGS[:1]).experiment(coroutine if kind == "coroutine" else function)
    experiment = experiment_of(proxy)[0]
    assert "count" in code_of_call(experiment, arguments_of(experiment), is_metered=True).co_names
    assert "count" not in code_of_call(experiment, arguments_of(experiment), is_metered=False).co_names
