"""What is tracked with the token of a traced call is feedback on its trace, apart from all else that is recorded."""

import logging
import socket
import sys
import threading
from contextlib import closing
from dataclasses import asdict

import pytest

import spearmint
from spearmint import RuntimeContext, Spearmint
from spearmint.online.tokens import read_token, token_of
from spearmint.strategies import SplitStrategy
from spearmint.tracing import trace_feedback
from spearmint.tracing.feedback import feedback
from tests.online.journals import all_records

FLUSH_SECONDS = 60
CONFIGS = [{"__config_id__": "small", "n": 1}, {"__config_id__": "large", "n": 2}]
mint = Spearmint(configs=CONFIGS, strategy=SplitStrategy(salt="feedback"), tracing=True)


@mint.experiment()
def answer(question, config):
    if question == "rated":
        spearmint.track("early", config.n * 0.5, token=spearmint.token())
    return spearmint.token()


@pytest.fixture
def told(traced):
    """Begin with an empty account; check that it adds up at the end."""
    feedback.reset()
    yield
    counts = asdict(spearmint.feedback_stats())
    feedback.reset()
    assert 2 * counts["recorded"] == sum(counts.values())


def ask(question="why"):
    with RuntimeContext(attributes={"user_id": "ann"}):
        return answer(question)


def test_tracked_with_a_token_becomes_feedback(told, traces):
    token = ask()
    thread = threading.Thread(
        target=lambda: spearmint.track("rating", 4, token=token, source="form", api_key="sk-123456789")
    )
    thread.start()
    thread.join()
    spearmint.track("liked", True, token=token)
    (trace,) = traces()
    found = {one.name: one for one in trace.info.assessments}
    assert {name: one.feedback.value for name, one in found.items()} == {"rating": 4.0, "liked": True}
    assert trace.info.trace_id == read_token(token)[1]
    rating = found["rating"]
    assert (rating.source.source_type, rating.source.source_id) == ("CODE", "spearmint.track")
    assert rating.metadata["spearmint.attribute.source"] == "form"
    assert rating.metadata["spearmint.attribute.api_key"] == "**********"
    stats = spearmint.feedback_stats()
    assert (stats.recorded, stats.written) == (2, 2)


def test_feedback_given_in_the_call_waits_for_its_trace(told, traces):
    ask("rated")
    (trace,) = traces()
    ((name, value),) = [(one.name, one.feedback.value) for one in trace.info.assessments]
    assert (name, value in (0.5, 1.0)) == ("early", True)


def test_feedback_on_no_trace_fails_in_the_end(told, traces, monkeypatch, caplog):
    monkeypatch.setattr(trace_feedback, "_PATIENCE_SECONDS", 0.0)
    token = ask()
    assert len(traces()) == 1
    with caplog.at_level(logging.WARNING, logger="spearmint"):
        spearmint.track("rating", 1, token=token_of("ann", "tr-" + "0" * 32))
        spearmint.track("rating", 2, token=token)
        assert spearmint.flush(FLUSH_SECONDS)
    assert "MLflow has no trace 'tr-000" in caplog.text
    stats = spearmint.feedback_stats()
    assert (stats.written, stats.failed) == (1, 1)


def test_feedback_is_off_where_tracing_is(told, traces):
    token = ask()
    spearmint.configure(tracing={"enabled": False})
    spearmint.track("rating", 1, token=token)
    assert spearmint.feedback_stats().recorded == 0
    assert "mlflow" in sys.modules
    spearmint.configure(tracing={"enabled": None})
    spearmint.track("rating", 1, token=token_of("ann", None))
    spearmint.track("rating", 1, unit="ann")
    assert spearmint.feedback_stats().recorded == 0


@pytest.mark.slow
def test_server_that_hangs_holds_up_no_record(told, traces, tmp_path):
    token = ask()
    assert len(traces()) == 1
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        spearmint.configure(
            tracing={"tracking_uri": uri, "timeout": 2, "queue_size": 5}, online={"journal": tmp_path / "journal"}
        )
        try:
            for number in range(20):
                spearmint.track("rating", number, token=token)
            stats = spearmint.feedback_stats()
            assert (stats.recorded, stats.dropped, stats.written) == (20, 15, 0)
            from spearmint.online.writer import records

            assert records.flush(FLUSH_SECONDS)
            assert spearmint.feedback_stats().pending > 0
            found = [one["value"] for one in all_records(tmp_path / "journal") if one["type"] == "outcome"]
            assert [value for value in found if value in range(20)] == list(range(20))
            assert feedback.flush(FLUSH_SECONDS)
        finally:
            spearmint.configure(online={"journal": None})
    stats = spearmint.feedback_stats()
    assert (stats.dropped, stats.failed, stats.pending) == (15, 5, 0)
