"""Where spans of MLflow's autologging, or of the user, have to nest in those of executions."""

import asyncio
import contextlib
import threading

import mlflow
import pytest
from mlflow.tracing.trace_manager import InMemoryTraceManager
from mlflow.utils.autologging_utils import AUTOLOGGING_INTEGRATIONS

import spearmint
from spearmint import Config, Spearmint
from spearmint.strategies import ShadowStrategy
from spearmint.tracing.mlflow import live_span

CONFIGS = [{"n": 1}, {"n": 2}]
mint = Spearmint(configs=CONFIGS)


@pytest.fixture
def autolog(traced):
    """Have an integration of MLflow's autologging on, as `mlflow.openai.autolog()` does."""
    AUTOLOGGING_INTEGRATIONS["some_llm"] = {"disable": False}
    yield
    del AUTOLOGGING_INTEGRATIONS["some_llm"]


@mlflow.trace
def complete(prompt):
    """Stand for a client whose calls are logged."""
    return f"{prompt}!"


@mint.experiment()
def ask(prompt, config: Config):
    return complete(prompt) * config.n


@mint.experiment(strategy=ShadowStrategy)
def shadowed(prompt, config: Config):
    return ask(prompt)


def tree(trace):
    names = {span.span_id: span.name for span in trace.data.spans}
    return [(span.name, names.get(span.parent_id)) for span in trace.data.spans]


def test_spans_of_autologging_nest_in_the_execution(traces, autolog) -> None:
    assert ask("hi") == "hi!"
    (trace,) = traces()
    assert tree(trace) == [("ask", None), ("complete", "ask")]
    assert trace.data.spans[0].inputs == {"prompt": "hi", "config": {"n": 1}}
    assert trace.data.spans[0].outputs == "hi!"
    assert trace.info.tags["spearmint.status"] == "success"
    assert spearmint.tracing_stats().written == 1


def test_user_spans_nest_in_nested_experiments_and_variants(traces, autolog) -> None:
    with Spearmint.run(shadowed, await_variants=True) as runner:
        results = runner("hi")
    found = {trace.info.trace_id: tree(trace) for trace in traces()}
    expected = [("shadowed", None), ("ask", "shadowed"), ("complete", "ask")]
    assert [found[trace_id] for trace_id in results.trace_ids] == [expected, expected]
    assert len(found) == 2


@pytest.mark.slow
def test_execution_nests_in_the_open_span_found_by_config(traces) -> None:
    with mlflow.start_span("request"):
        ask("hi")
    mlflow.flush_trace_async_logging()
    (trace,) = traces(f"tags.`spearmint.experiment` = '{__name__}:ask'")
    assert tree(trace) == [("request", None), ("ask", "request"), ("complete", "ask")]
    assert trace.data.spans[1].outputs == "hi!"
    assert spearmint.tracing_stats().recorded == 0


@pytest.mark.slow
def test_variants_leave_the_open_span_to_main(traces) -> None:
    with mlflow.start_span("request"):
        shadowed("hi")
    mlflow.flush_trace_async_logging()
    trees = {trace.info.tags["spearmint.role"]: tree(trace)[0] for trace in traces()}
    assert trees == {"main": ("request", None), "variant": ("shadowed", None)}


@pytest.mark.slow
def test_exception_in_an_open_span_shows_no_secrets(traces) -> None:
    @mint.experiment()
    def fail(api_key, config):
        raise ValueError(f"bad key {api_key}")

    with mlflow.start_span("request"), contextlib.suppress(ValueError):
        fail("sk-123456")
    mlflow.flush_trace_async_logging()
    (trace,) = traces()
    span = trace.data.spans[1]
    assert span.status.status_code == "ERROR"
    assert span.status.description == "ValueError: bad key **********"
    assert span.inputs["api_key"] == "**********"
    assert "sk-123456" not in trace.to_json()


@pytest.mark.slow
def test_async_executions_are_live_too(traces, autolog) -> None:
    @mint.experiment()
    async def answer(prompt, config):
        await asyncio.sleep(0)
        return ask(prompt)

    async def main():
        return await asyncio.gather(answer("a"), answer("b"))

    assert asyncio.run(main()) == ["a!", "b!"]
    assert [tree(trace) for trace in traces()] == [[("answer", None), ("ask", "answer"), ("complete", "ask")]] * 2


def test_a_stream_has_its_span_open_only_while_its_steps_run(traces, autolog) -> None:
    @mint.experiment()
    def each(config):
        yield complete("a")
        yield complete("b")

    stream = each()
    assert next(stream) == "a!"
    assert mlflow.get_current_active_span() is None
    assert list(stream) == ["b!"]
    (trace,) = traces()
    assert tree(trace) == [("each", None), ("complete", "each"), ("complete", "each")]


def test_tags_that_the_user_sets_on_the_trace_are_kept(traces, autolog) -> None:
    @mint.experiment()
    def tagging(config):
        mlflow.update_current_trace(tags={"team": "search"})

    tagging()
    (trace,) = traces("tags.team = 'search'")
    assert trace.info.tags["spearmint.role"] == "main"


@pytest.mark.slow
def test_the_mode_can_be_forced(traces, autolog) -> None:
    spearmint.configure(tracing={"mode": "deferred"})
    ask("hi")
    mlflow.flush_trace_async_logging()
    assert sorted(map(tree, traces())) == [[("ask", None)], [("complete", None)]]


@pytest.mark.slow
def test_live_tracing_needs_no_autologging_where_it_is_asked_for(traces) -> None:
    spearmint.configure(tracing={"mode": "live"})
    ask("hi")
    (trace,) = traces()
    assert tree(trace) == [("ask", None), ("complete", "ask")]


def test_where_mlflow_tracing_is_disabled_the_call_goes_on(traces, autolog) -> None:
    mlflow.tracing.disable()
    try:
        assert ask("hi") == "hi!"
    finally:
        mlflow.tracing.enable()
    assert spearmint.flush(10)
    assert spearmint.tracing_stats().failed == 0


@pytest.mark.slow
def test_spans_in_a_deferred_variant_outlive_the_open_span(traces) -> None:
    has_ended = threading.Event()

    @mint.experiment(strategy=ShadowStrategy)
    def late(prompt, config: Config):
        if config.n == 2:
            assert has_ended.wait(10)
        return complete(prompt)

    spearmint.configure(tracing={"mode": "deferred"})
    with mlflow.start_span("request"):
        late("hi")
    mlflow.flush_trace_async_logging()  # The variant was handed over with the context of a trace that is delivered.
    has_ended.set()
    assert spearmint.flush(10)
    mlflow.flush_trace_async_logging()
    trees = [tree(trace) for trace in traces()]
    assert [("complete", None)] in trees  # not lost with the trace of the request, which has ended
    assert trees.count([("late", None)]) == 2


@pytest.mark.slow
def test_variant_cancelled_by_the_end_of_its_loop_is_not_ok(traces) -> None:
    @mint.experiment(strategy=ShadowStrategy)
    async def waits(config: Config):
        if config.n == 2:
            await asyncio.Event().wait()
        return config.n

    assert asyncio.run(waits()) == 1
    (trace,) = traces("tags.`spearmint.role` = 'variant'")
    assert trace.info.state == "ERROR"
    assert trace.info.tags["spearmint.status"] == "cancelled"


def test_interrupted_opening_leaves_mlflow_no_trace(traces, autolog, monkeypatch) -> None:
    manager, opened = InMemoryTraceManager.get_instance(), live_span.start_span_no_context

    def interrupted(*args, **kwargs):
        opened(*args, **kwargs)
        raise KeyboardInterrupt

    ask("hi")
    before = len(manager._traces), len(manager._otel_id_to_mlflow_trace_id)
    with monkeypatch.context() as patch:
        patch.setattr(live_span, "start_span_no_context", interrupted)
        with pytest.raises(KeyboardInterrupt):
            ask("hi")
    assert (len(manager._traces), len(manager._otel_id_to_mlflow_trace_id)) == before
    assert live_span._ours == set()
    assert ask("hi") == "hi!"
    assert len(traces()) == 2


@pytest.mark.parametrize("moment", ["register_trace", "register_span"])
def test_interrupt_before_the_first_span_leaves_no_number(traces, autolog, monkeypatch, moment) -> None:
    manager = InMemoryTraceManager.get_instance()
    register = getattr(manager, moment)

    def interrupted(*args, **kwargs):
        if moment == "register_trace":
            register(*args, **kwargs)
        raise KeyboardInterrupt

    ask("hi")
    before = len(manager._traces), len(manager._otel_id_to_mlflow_trace_id)
    with monkeypatch.context() as patch:
        patch.setattr(manager, moment, interrupted)
        with pytest.raises(KeyboardInterrupt):
            ask("hi")
    assert (len(manager._traces), len(manager._otel_id_to_mlflow_trace_id)) == before
    assert ask("hi") == "hi!"
    assert len(traces()) == 2


def test_interrupted_opening_in_a_users_trace_leaves_it_whole(traces, autolog, monkeypatch) -> None:
    manager = InMemoryTraceManager.get_instance()

    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    with mlflow.start_span("mine") as mine:
        with monkeypatch.context() as patch:
            patch.setattr(manager, "register_span", interrupted)
            with pytest.raises(KeyboardInterrupt):
                ask("hi")
        assert manager.get_root_span_id(mine.trace_id) == mine.span_id
        assert ask("hi") == "hi!"
    mlflow.flush_trace_async_logging()
    assert tree(mlflow.get_trace(mine.trace_id)) == [("mine", None), ("ask", "mine"), ("complete", "ask")]


def test_call_amid_an_import_of_mlflow_waits_for_nothing(traces, autolog, monkeypatch) -> None:
    def refused(*args, **kwargs):
        raise AssertionError

    with monkeypatch.context() as patch:
        patch.setattr(mlflow.__spec__, "_initializing", True)
        patch.setattr(live_span, "LiveSpan", refused)
        patch.setattr(live_span, "DetachedContext", refused)
        assert ask("hi") == "hi!"
    assert len(traces()) == 1
