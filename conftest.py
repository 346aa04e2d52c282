"""What every test starts from: no background work of the test before."""

import importlib.util
from collections.abc import Iterator

import pytest

import spearmint
from spearmint.tracing.exporter import exporter
from spearmint.tracing.options import TracingOptions
from tests.mlflow_state import mlflow_as_it_was

FLUSH_SECONDS = 5

# The doctests of a module are found by importing it; the gate's other versions of Python have no mlflow.
collect_ignore_glob = [] if importlib.util.find_spec("mlflow") else ["spearmint/tracing/*.py"]


@pytest.fixture(autouse=True)
def clean_process() -> Iterator[None]:
    """Wait for what a test left running, so that it cannot reach into the next one.

    A test of something else, in a process that has imported mlflow, writes no traces into the working directory.
    """
    exporter.options = TracingOptions()
    spearmint.configure(tracing={"enabled": False})
    with mlflow_as_it_was():
        yield
        spearmint.flush(FLUSH_SECONDS)
