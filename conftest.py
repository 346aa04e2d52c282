"""What every test starts from: no background work of the test before."""

import gc
import importlib.util
import re
import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import none

import spearmint
from spearmint.tracing.exporter import exporter
from spearmint.tracing.options import TracingOptions
from tests.mlflow_state import mlflow_as_it_was

FLUSH_SECONDS = 5

# No example fails, and is looked into for minutes, because the machine was busy with something else.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

# The doctests of a module are found by importing it; the gate's other versions of Python have no mlflow.
collect_ignore_glob = ["spearmint/__pyinstaller/hook-*.py"]  # PyInstaller runs it, and only there it finds all names.
if not importlib.util.find_spec("mlflow"):
    collect_ignore_glob.append("spearmint/tracing/*.py")
if not importlib.util.find_spec("openfeature"):  # an extra
    collect_ignore_glob.append("spearmint/integrations/openfeature.py")

_ADDRESS = re.compile(r" at 0x[0-9a-f]{4,}")


def pytest_configure(config: pytest.Config) -> None:
    """Let SIGINT interrupt: a shell that starts a run in the background has it ignored, and children inherit that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        config.add_cleanup(lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse names that differ from process to process: workers of pytest-xdist compare them.

    Raises:
        pytest.UsageError: The id of a test holds the address of an object.
    """
    unstable = [item.nodeid for item in items if _ADDRESS.search(item.nodeid)]
    if unstable:
        msg = f"Cannot run {unstable[0]!r}: its id holds the address of an object. Give the parameter an id."
        raise pytest.UsageError(msg)


@settings(derandomize=True, max_examples=1, database=None)  # only then, as in CI, the first example registers it
@given(none())
def _register_generator(_: None) -> None:
    """Draw one example."""


def pytest_collection_finish() -> None:
    """Leave what was imported so far out of later garbage collections: tests make hundreds of them.

    Hypothesis registers its generator first: it asks the collector who refers to it, and what is frozen is not asked.
    """
    _register_generator()
    gc.collect()
    gc.freeze()


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
