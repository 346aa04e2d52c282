"""What MLflow keeps for the process, put back as it was: where it writes, and which experiment is active."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# MLflow sets both of each pair, the second for the children of the process.
_PLACES = (
    ("mlflow.tracking._tracking_service.utils", "_tracking_uri", "MLFLOW_TRACKING_URI"),
    ("mlflow.tracking.fluent", "_active_experiment_id", "MLFLOW_EXPERIMENT_ID"),
)


@contextmanager
def mlflow_as_it_was() -> Iterator[None]:
    """Undo, at the end, what is set inside."""
    before = [(_held(module, name), os.environ.get(variable)) for module, name, variable in _PLACES]
    try:
        yield
    finally:
        for (module, name, variable), (held, told) in zip(_PLACES, before, strict=True):
            if module in sys.modules:
                setattr(sys.modules[module], name, held)
            if told is None:
                os.environ.pop(variable, None)
            else:
                os.environ[variable] = told


def _held(module: str, name: str) -> object:
    return getattr(sys.modules.get(module), name, None)
