"""A report on an online experiment as MLflow runs: a parent, and a child for each arm."""

import math
import tempfile
from collections.abc import Iterator
from pathlib import Path

from spearmint.evaluation.online.comparison import OnlineSummary
from spearmint.evaluation.online.online_report import OnlineReport
from spearmint.evaluation.report.labels import cut
from spearmint.evaluation.tracking import mlflow_name

_LONGEST_NAME = 200
_LONGEST_NOTE = 5000  # characters, which MLflow takes for a tag


def log_online_report(report: OnlineReport, *, run_name: str | None = None) -> str:
    """Log a report to MLflow, where the process logs to; inside an active run, as its child.

    The parent has page, table and JSON as artifacts, and as its description the health. Each arm is a child run with
    its metrics, and with the tag ``spearmint.config_id`` that its traces have.

    Args:
        report: The report.
        run_name: Name of the parent run; None for the experiment's name.

    Returns:
        The id of the parent run.

    Raises:
        mlflow.exceptions.MlflowException: If MLflow cannot log it.
    """
    import mlflow  # noqa: PLC0415 - it takes seconds to import, and few reports are logged

    facts = report.facts
    name = run_name or report.experiment.rpartition(":")[2]
    with mlflow.start_run(run_name=cut(name, _LONGEST_NAME), nested=mlflow.active_run() is not None) as parent:
        test = "sequential" if facts.design.is_sequential else "fixed"
        mlflow.log_params(
            {
                "experiment": report.experiment,
                "test": test,
                "alpha": facts.design.alpha,
                "horizon": facts.design.horizon,
            }
        )
        mlflow.set_tags(
            {
                "spearmint.experiment": report.experiment,
                "spearmint.is_healthy": str(report.is_healthy),
                "mlflow.note.content": cut("\n\n".join(_health_lines(report)), _LONGEST_NOTE),
            }
        )
        mlflow.log_metric("units", sum(facts.units.counts))
        with tempfile.TemporaryDirectory() as folder:
            for file in ("report.html", "report.csv", "report.json"):
                mlflow.log_artifact(str(report.save(Path(folder) / file)))
        for arm, count in zip(report.arms, facts.units.counts, strict=True):
            with mlflow.start_run(run_name=cut(arm, _LONGEST_NAME), nested=True):
                role = "main" if arm == report.arms[0] else "variant"
                mlflow.set_tags({"spearmint.config_id": arm, "spearmint.role": role})
                of_arm = [one for one in report.summary() if one.case_id == arm]
                mlflow.log_metrics({"units": count, **dict(pair for one in of_arm for pair in _metrics(one))})
        run_id: str = parent.info.run_id
        return run_id


def _health_lines(report: OnlineReport) -> Iterator[str]:
    for check in report.health:
        yield f"{'✓' if check.is_healthy else '✗'} **{check.name}**: {check.text} {check.cause}".strip()


def _metrics(one: OnlineSummary) -> Iterator[tuple[str, float]]:
    """Yield names and values; MLflow takes no NaN in every store, so that what is unknown is left out."""
    values = {"": one.estimate.value, ".low": one.estimate.low, ".high": one.estimate.high, ".n": one.estimate.n}
    if one.difference is not None:
        found = one.difference
        values |= {".difference": found.value, ".p_value": found.adjusted}
        values |= {".difference.low": found.low, ".difference.high": found.high}
    for suffix, value in values.items():
        if math.isfinite(value):
            yield mlflow_name(f"{one.metric}{suffix}"), float(value)
