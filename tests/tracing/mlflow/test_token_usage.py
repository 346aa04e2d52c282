import math
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from spearmint import Spearmint
from spearmint.tracing.mlflow.token_usage import observer

PRICES = {
    "small": {"input_per_million_tokens": 1.0, "output_per_million_tokens": 10.0},
    "large": {"input_per_million_tokens": 10.0, "output_per_million_tokens": 100.0},
}
ROWS = [{"text": "x" * length} for length in range(1, 4)]


@pytest.fixture
def mlflow(traced: str) -> Iterator[Any]:
    """Give mlflow, which writes what these tests open into a database that nobody reads."""
    import mlflow

    yield mlflow
    mlflow.flush_trace_async_logging()


def score(outputs) -> bool:
    return True


def evaluate(function, scorers=(score,)):
    options = {"configs": [{"k": 1}], "prices": PRICES, "progress": False}
    return Spearmint(tracing=False).evaluate(function, ROWS, scorers=list(scorers), **options)


def mean(report, metric):
    return report.summary(metric)[0].estimate.value


def told(mlflow, given, made, model="small"):
    with mlflow.start_span("call") as span:
        span.set_attribute("mlflow.chat.tokenUsage", {"input_tokens": given, "output_tokens": made})
        span.set_attribute("mlflow.llm.model", model)


@pytest.mark.slow
def test_spans_tell_the_tokens_of_calls_and_of_judges(mlflow):
    def asks(text: str, config: dict) -> str:
        with mlflow.start_span("agent"):
            told(mlflow, len(text), 1)
            told(mlflow, len(text), 1)
        return text

    def judge(outputs):
        told(mlflow, 1000, 0, "large")
        return 1

    report = evaluate(asks, [judge])
    assert mean(report, "tokens.input") == 4
    assert mean(report, "tokens.output") == 2
    assert math.isclose(report.spent.usd_of_judges, 3 * 1000 * 10 / 1e6)
    assert math.isclose(report.spent.usd, 0.03 + (12 + 6 * 10) / 1e6)
    assert report.spent.input_tokens == 12 + 3000
    assert mlflow.tracing.config.get_config().span_processors == []


@pytest.mark.slow
def test_spans_of_async_functions_count_for_their_cells(mlflow):
    async def asks(text: str, config: dict) -> str:
        told(mlflow, len(text), 1)
        return text

    report = evaluate(asks)
    assert mean(report, "tokens.input") == 2


@pytest.mark.slow
def test_span_on_a_thread_of_the_function_is_told(mlflow):
    def asks(text: str, config: dict) -> str:
        thread = threading.Thread(target=told, args=(mlflow, 10, 1))
        thread.start()
        thread.join()
        return text

    report = evaluate(asks)
    assert report.results.measured == ["latency"]
    assert [note for note in report.notes if "The tokens of 3 spans count for no cell" in note]


@pytest.mark.slow
def test_processors_of_the_user_stay(mlflow):
    seen = []

    def masks(span):
        seen.append(span.get_attribute("mlflow.llm.model"))
        span.set_attribute("mlflow.chat.tokenUsage", None)

    def asks(text: str, config: dict) -> str:
        told(mlflow, len(text), 1)
        return text

    with mlflow.tracing.configure(span_processors=[masks]):
        report = evaluate(asks)
        assert mlflow.tracing.config.get_config().span_processors == [masks]
    assert seen == ["small"] * 3
    assert mean(report, "tokens.input") == 2


@pytest.mark.slow
def test_observer_is_attached_again_after_a_user_configures(mlflow):
    observer.start()
    try:
        mlflow.tracing.configure(span_processors=[])
        observer.attach()
        observer.attach()
        assert len(mlflow.tracing.config.get_config().span_processors) == 1
    finally:
        observer.stop()
    assert mlflow.tracing.config.get_config().span_processors == []
