"""A real MLflow with a real database, which is made once and copied for each test."""

import importlib.util
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

import spearmint
from spearmint.tracing.exporter import exporter
from spearmint.tracing.options import TracingOptions
from spearmint.tracing.recorder import set_options

FLUSH_SECONDS = 30

collect_ignore_glob = [] if importlib.util.find_spec("mlflow") else ["*test_*.py"]


@pytest.fixture(scope="session")
def prepared_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a database with MLflow's schema, which takes seconds."""
    from mlflow.tracing.client import TracingClient

    path = tmp_path_factory.mktemp("mlflow") / "prepared.db"
    TracingClient(f"sqlite:///{path}")
    return path


@pytest.fixture
def database(prepared_database: Path, tmp_path: Path) -> str:
    """Give a database of the test's own, as a tracking URI."""
    path = tmp_path / "mlflow.db"
    shutil.copy(prepared_database, path)
    return f"sqlite:///{path}"


@pytest.fixture
def traced(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Trace everything into the database, and check at the end that every trace is accounted for."""
    import mlflow

    monkeypatch.chdir(tmp_path)
    mlflow.set_tracking_uri(database)
    assert spearmint.flush(FLUSH_SECONDS)
    exporter.reset()
    exporter.options = TracingOptions()
    set_options({"enabled": None})
    yield database
    spearmint.flush(FLUSH_SECONDS)
    counts = asdict(spearmint.tracing_stats())
    exporter.options = TracingOptions()
    set_options({"enabled": False})
    assert 2 * counts["recorded"] == sum(counts.values())


Traces = Callable[..., list[Any]]


@pytest.fixture
def traces(traced: str) -> Traces:
    """Wait for what was recorded, and read it back as any user of MLflow would."""

    def find(filter_string: str | None = None, **options: Any) -> list[Any]:
        import mlflow

        assert spearmint.flush(FLUSH_SECONDS)
        options = {"locations": ["0"], "return_type": "list", "order_by": ["timestamp_ms ASC"], **options}
        return mlflow.search_traces(filter_string=filter_string, **options)

    return find
