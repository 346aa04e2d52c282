"""A report as MLflow runs, in a real store."""

import numpy as np
import pytest

from spearmint import online_report
from spearmint.evaluation.online.online_tracking import log_online_report
from tests.evaluation.online.journal_files import write_arms
from tests.mlflow_state import mlflow_as_it_was

mlflow = pytest.importorskip("mlflow")
pytest.importorskip("duckdb")

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]  # MLflow's own, of what it is built on


def test_a_report_is_a_run_with_a_child_for_each_arm(tmp_path):
    rng = np.random.default_rng(1)
    write_arms(tmp_path / "journal", {"control": rng.normal(0, 1, 100), "discount": rng.normal(2, 1, 100)}, name="a<b>")
    report = online_report(tmp_path / "journal")
    with mlflow_as_it_was():
        mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
        name = mlflow.create_experiment("online", artifact_location=(tmp_path / "artifacts").as_uri())
        mlflow.set_experiment(experiment_id=name)
        run_id = log_online_report(report)
        client = mlflow.MlflowClient()
        parent = client.get_run(run_id)
        children = client.search_runs([name], f"tags.`mlflow.parentRunId` = '{run_id}'")
        files = {file.path for file in client.list_artifacts(run_id)}
    assert parent.info.status == "FINISHED"
    assert parent.data.metrics["units"] == 200
    assert parent.data.tags["spearmint.is_healthy"] == "True"
    assert "✓ **sample ratio**: control 100, discount 100" in parent.data.tags["mlflow.note.content"]
    assert files == {"report.html", "report.csv", "report.json"}
    by_arm = {run.data.tags["spearmint.config_id"]: run.data for run in children}
    assert {arm: run.tags["spearmint.role"] for arm, run in by_arm.items()} == {
        "control": "main",
        "discount": "variant",
    }
    assert by_arm["discount"].metrics["a_b_.difference"] == report.summary()[1].difference.value
    assert "a_b_.difference" not in by_arm["control"].metrics
