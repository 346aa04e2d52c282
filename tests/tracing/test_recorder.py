"""What stands in MLflow after an execution."""

import asyncio
import contextvars
import threading

import mlflow
import pytest

import spearmint
from spearmint import Config, Spearmint
from spearmint.strategies import MultiBranchStrategy, RoundRobinStrategy, ShadowStrategy
from spearmint.tracing import recorder

WAIT_SECONDS = 10
CONFIGS = [{"n": 1}, {"n": 2}]
mint = Spearmint(configs=CONFIGS)
shadow = Spearmint(configs=CONFIGS, strategy=ShadowStrategy)


@mint.experiment()
def times(x, config: Config):
    return x * config.n


@mint.experiment()
async def atimes(x, config: Config):
    return x * config.n


@shadow.experiment()
def shadowed(x, config: Config):
    return x * config.n


def ids(configs=CONFIGS):
    return [config.config_id for config in spearmint.config.parse_configs(configs)]


def test_execution_is_one_trace_with_config_and_result(traces) -> None:
    assert times(21) == 21
    (trace,) = traces()
    (span,) = trace.data.spans
    assert span.name == "times"
    assert span.inputs == {"x": 21, "config": {"n": 1}}
    assert span.outputs == 21
    assert span.attributes["spearmint.config"] == {"n": 1}
    assert trace.info.state == "OK"
    assert trace.info.execution_duration is not None
    assert trace.info.request_preview == '{"x": 21, "config": {"n": 1}}'
    assert trace.info.response_preview == "21"


def test_an_async_execution_is_traced_as_well(traces) -> None:
    assert asyncio.run(atimes(3)) == 3
    (trace,) = traces()
    assert trace.data.spans[0].outputs == 3


def test_tags_and_metadata_find_the_traces_of_a_config(traces) -> None:
    in_turn = mint.experiment(strategy=RoundRobinStrategy)(times.__wrapped__)
    assert [in_turn(1), in_turn(1), in_turn(1)] == [1, 2, 1]
    first, second = ids()
    assert len(traces(f"tags.`spearmint.config_id` = '{first}'")) == 2
    assert len(traces(f"metadata.`spearmint.config_id` = '{second}'")) == 1
    (trace,) = traces(f"tags.`spearmint.config_id` = '{second}'")
    expected = {"config_id": second, "experiment": f"{__name__}:times", "role": "main"}
    for name, value in expected.items():
        assert trace.info.tags[f"spearmint.{name}"] == value
        assert trace.info.trace_metadata[f"spearmint.{name}"] == value


def test_main_and_variant_traces_share_a_call_id(traces) -> None:
    assert shadowed(5) == 5
    main, variant = sorted(traces(), key=lambda trace: trace.info.tags["spearmint.role"])
    assert [main.data.spans[0].outputs, variant.data.spans[0].outputs] == [5, 10]
    assert main.info.tags["spearmint.call_id"] == variant.info.tags["spearmint.call_id"]
    assert main.info.trace_id != variant.info.trace_id
    assert [main.info.tags["spearmint.config_id"], variant.info.tags["spearmint.config_id"]] == ids()


def test_variants_of_a_main_that_is_not_recorded_are_written(traces, monkeypatch) -> None:
    opened = iter([RuntimeError("no span"), None])

    def open_root(span, mode, *, is_alone):
        if (error := next(opened)) is not None:
            raise error

    monkeypatch.setattr(recorder.live_mode, "open_root", open_root)
    assert shadowed(5) == 5
    assert [trace.info.tags["spearmint.role"] for trace in traces()] == ["variant"]
    stats = spearmint.tracing_stats()
    assert (stats.recorded, stats.written, stats.failed) == (2, 1, 1)


def test_calls_that_a_variant_leaves_behind_are_written(traces) -> None:
    has_ended, left = threading.Event(), []

    def call_late():
        assert has_ended.wait(WAIT_SECONDS)
        times(3)

    @shadow.experiment()
    def leaves_behind(config: Config):
        if config.n == 2:
            left.append(threading.Thread(target=contextvars.copy_context().run, args=(call_late,)))
            left[0].start()

    leaves_behind()
    assert spearmint.flush(WAIT_SECONDS)
    has_ended.set()
    left[0].join()
    late = [trace for trace in traces() if trace.data.spans[0].name == "times"]
    assert [trace.info.tags["spearmint.role"] for trace in late] == ["variant"]


def test_results_tell_the_ids_of_their_traces(traces) -> None:
    with Spearmint.run(shadowed, await_variants=True) as runner:
        results = runner(5)
    assert {trace.info.trace_id for trace in traces()} == set(results.trace_ids)
    assert [mlflow.get_trace(trace_id).data.spans[0].outputs for trace_id in results.trace_ids] == [5, 10]
    assert [one.trace_id for one in results] == results.trace_ids


def test_nested_experiments_are_child_spans_with_own_configs(traces) -> None:
    @mint.experiment(configs=[{"m": 7}])
    def inner(x, config: Config):
        return x * config.m

    @mint.experiment()
    def outer(x, config: Config):
        return inner(x) + inner(x + config.n)

    assert outer(1) == 21
    (trace,) = traces()
    root, *children = trace.data.spans
    assert [span.name for span in trace.data.spans] == ["outer", "inner", "inner"]
    assert [span.parent_id for span in children] == [root.span_id, root.span_id]
    assert [span.attributes["spearmint.config"] for span in children] == [{"m": 7}, {"m": 7}]
    assert root.attributes["spearmint.config_id"] != children[0].attributes["spearmint.config_id"]


def test_what_is_changed_later_is_recorded_as_it_was(traces) -> None:
    @mint.experiment()
    def extend(items, config: Config):
        items.append(config.n)
        return items

    given = [0]
    returned = extend(given)
    returned.append("later")
    (trace,) = traces()
    (span,) = trace.data.spans
    assert span.inputs["items"] == [0]
    assert span.outputs == [0, 1]


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt(), SystemExit(3)])
def test_what_main_raises_reaches_the_caller_and_the_trace(traces, error) -> None:
    @mint.experiment()
    def fail(config):
        raise error

    with pytest.raises(type(error)) as caught:
        fail()
    assert caught.value is error
    (trace,) = traces()
    (span,) = trace.data.spans
    assert trace.info.state == "ERROR"
    assert trace.info.tags["spearmint.status"] == "failed"
    assert span.events[0].attributes["exception.type"] == type(error).__name__
    assert (
        "in test_what_main_raises_reaches_the_caller_and_the_trace.<locals>.fail"
        in (span.events[0].attributes["exception.stacktrace"])
    )


def test_a_stream_is_recorded_when_it_is_exhausted(traces) -> None:
    @mint.experiment()
    def count(config):
        yield from range(3)

    assert list(count()) == [0, 1, 2]
    (trace,) = traces()
    assert trace.info.state == "OK"
    assert trace.data.spans[0].outputs == [0, 1, 2]


def test_stream_closed_early_is_cancelled_and_no_error(traces) -> None:
    @mint.experiment()
    def count(config):
        yield from range(3)

    stream = count()
    assert next(stream) == 0
    stream.close()
    (trace,) = traces()
    assert trace.info.state == "OK"
    assert trace.info.tags["spearmint.status"] == "cancelled"
    (span,) = trace.data.spans
    assert span.status.status_code == "OK"
    assert span.outputs == [0]


def test_stream_that_is_not_iterated_has_no_trace(traces) -> None:
    @mint.experiment()
    def count(config):
        yield 1

    count()
    assert traces() == []


def test_an_async_stream_is_recorded_and_its_variant_drained(traces) -> None:
    @shadow.experiment()
    async def count(config: Config):
        for item in range(config.n):
            yield item

    async def main():
        found = [item async for item in count()]
        await spearmint.aflush(WAIT_SECONDS)
        return found

    assert asyncio.run(main()) == [0]
    outputs = {trace.info.tags["spearmint.role"]: trace.data.spans[0].outputs for trace in traces()}
    assert outputs == {"main": [0], "variant": [0, 1]}


def test_nested_calls_in_a_stream_are_its_children(traces) -> None:
    @mint.experiment()
    def each(config):
        yield times(1)
        yield times(2)

    assert list(each()) == [1, 2]
    (trace,) = traces()
    assert [span.name for span in trace.data.spans] == ["each", "times", "times"]


def test_a_cancelled_main_is_not_ok(traces) -> None:
    @mint.experiment()
    async def wait(config):
        await asyncio.sleep(WAIT_SECONDS)

    async def main():
        task = asyncio.create_task(wait())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    (trace,) = traces()
    assert trace.info.state == "ERROR"
    assert trace.info.tags["spearmint.status"] == "cancelled"


def test_a_variant_beyond_its_time_is_not_ok(traces) -> None:
    may_end = threading.Event()

    @shadow.experiment(variant_timeout=0.01)
    def slow(config: Config):
        if config.n == 2:
            may_end.wait(WAIT_SECONDS)
        return config.n

    assert slow() == 1
    assert spearmint.flush(WAIT_SECONDS)
    may_end.set()
    (trace,) = traces("tags.`spearmint.role` = 'variant'")
    assert trace.info.state == "ERROR"
    assert trace.info.tags["spearmint.status"] == "timed_out"


def test_every_outcome_of_multi_branch_is_a_trace(traces) -> None:
    @mint.experiment(strategy=MultiBranchStrategy)
    def branch(x, config: Config):
        return x * config.n

    results = branch(2)
    assert [one.result for one in results] == [2, 4]
    assert {trace.info.trace_id for trace in traces()} == set(results.trace_ids)


def test_traces_go_to_the_mlflow_experiment_active_at_call(traces) -> None:
    first, second = (mlflow.create_experiment(name) for name in ("first", "second"))
    mlflow.set_experiment(experiment_id=first)
    times(1)
    mlflow.set_experiment(experiment_id=second)
    times(2)
    assert [len(traces(locations=[one])) for one in (first, second)] == [1, 1]


def test_an_option_names_the_mlflow_experiment_which_is_made(traces) -> None:
    spearmint.configure(tracing={"experiment": "of my own"})
    times(1)
    assert spearmint.flush(WAIT_SECONDS)
    made = mlflow.get_experiment_by_name("of my own")
    assert len(traces(locations=[made.experiment_id])) == 1


def test_a_trace_within_a_run_belongs_to_the_run(traces) -> None:
    with mlflow.start_run() as run:
        times(1)
    assert len(traces(run_id=run.info.run_id)) == 1


@pytest.mark.parametrize("setting", [False, {"enabled": False}, {"sample_rate": 0}])
def test_an_experiment_can_be_left_out(traces, setting) -> None:
    quiet = mint.experiment(tracing=setting)(times.__wrapped__)
    assert quiet(1) == 1
    assert traces() == []
    assert spearmint.tracing_stats().recorded == 0


def test_an_experiment_can_be_traced_alone(traces) -> None:
    spearmint.configure(tracing={"enabled": False})
    loud = mint.experiment(tracing=True)(times.__wrapped__)
    assert [times(1), loud(2)] == [1, 2]
    (trace,) = traces()
    assert trace.data.spans[0].inputs["x"] == 2


def test_a_call_is_sampled_with_all_that_belongs_to_it(traces) -> None:
    @shadow.experiment()
    def outer(config):
        return times(1)

    spearmint.configure(tracing={"sample_rate": 0.5})
    for _ in range(20):
        assert outer() == 1
    assert spearmint.flush(WAIT_SECONDS)
    calls = {}
    for trace in traces():
        calls.setdefault(trace.info.tags["spearmint.call_id"], []).append(len(trace.data.spans))
    assert all(sizes == [2, 2] for sizes in calls.values())
    assert len(calls) < 20


def test_captured_calls_name_their_traces(traces) -> None:
    with spearmint.capture() as captured:
        assert times(21) == 21
        assert shadowed(2) == 2
    assert spearmint.flush(WAIT_SECONDS)
    mains = {trace.info.trace_id for trace in traces() if trace.info.tags["spearmint.role"] == "main"}
    assert {call.trace_id for call in captured.calls} == mains
    assert len(mains) == 2
