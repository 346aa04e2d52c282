"""Ids of MLflow experiments by name."""

import os

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, ErrorCode
from mlflow.tracking.default_experiment import registry as default_experiment

_ALREADY_EXISTS = ErrorCode.Name(RESOURCE_ALREADY_EXISTS)


def import_providers() -> None:
    """Let MLflow import what it asks for the default experiment, IPython among it, which takes a while."""
    default_experiment.get_experiment_id()


class ExperimentIds:
    """Finds experiments by name, each once."""

    def __init__(self) -> None:
        self._ids: dict[str, str] = {}

    def experiment_id(self, name: str) -> str:
        """Return the id of the experiment of a name, which is made if need be."""
        if name not in self._ids:
            found = self._find(name)
            try:
                self._ids[name] = self._make(name) if found is None else found
            except MlflowException as error:
                made_meanwhile = self._find(name) if error.error_code == _ALREADY_EXISTS else None
                if made_meanwhile is None:
                    raise
                self._ids[name] = made_meanwhile
        return self._ids[name]

    def default_experiment_id(self) -> str:
        """Return the id of the experiment that MLflow takes where the process has chosen none."""
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME")
        if name:
            return self.experiment_id(name)
        return os.environ.get("MLFLOW_EXPERIMENT_ID") or str(default_experiment.get_experiment_id())

    def _find(self, name: str) -> str | None:
        raise NotImplementedError

    def _make(self, name: str) -> str:
        raise NotImplementedError
