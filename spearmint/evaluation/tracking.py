"""A report as MLflow runs: a parent, and a child for each case, comparable in MLflow's UI."""

import itertools
import json
import math
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from spearmint.evaluation.report.labels import cut, labels_of
from spearmint.evaluation.report.markdown import effects_markdown
from spearmint.evaluation.report.report import Report
from spearmint.evaluation.run.case_names import EvaluatedCase
from spearmint.redaction import redactor

_LONGEST_NAME = 200
_LONGEST_VALUE = 500  # characters of a parameter, which every store of MLflow takes
_AT_ONCE = 100  # parameters that a request may hold
_LOGGED_ROWS = 1000  # rows of the data that are logged as the dataset
_STRANGE = re.compile(r"[^\w\-./ ]")


def log_report(report: Report, *, run_name: str | None = None) -> str:
    """Log a report to MLflow, where the process logs to; inside an active run, as its child.

    The parent has the tables and the page as artifacts, the dataset, and as its description which parameter matters.
    Each case is a child run with its parameters, flattened, and its metrics.

    Args:
        report: The report.
        run_name: Name of the parent run; None for the function's name.

    Returns:
        The id of the parent run.

    Raises:
        mlflow.exceptions.MlflowException: If MLflow cannot log it.
    """
    import mlflow  # noqa: PLC0415 - it takes seconds to import, and few reports are logged

    name = run_name or report.function.rpartition(":")[2]
    with mlflow.start_run(run_name=name, nested=mlflow.active_run() is not None) as parent:
        cases, rows, repeats = report.results.shape
        mlflow.log_params(
            {"function": report.function, "data": report.dataset.name, "cases": cases, "rows": rows, "repeats": repeats}
        )
        if note := _description(report):
            mlflow.set_tag("mlflow.note.content", note)
        mlflow.log_metric("errors", report.errors)
        if not math.isnan(report.spent.usd):
            mlflow.log_metric("spent.usd", report.spent.usd)
        mlflow.log_input(_dataset(mlflow, report), context="evaluation")
        with tempfile.TemporaryDirectory() as folder:
            for file in ("report.html", "report.csv"):
                report.save(Path(folder) / file)
            mlflow.log_artifacts(folder)
        for case, label in zip(report.cases, labels_of(report.cases), strict=True):
            with mlflow.start_run(run_name=cut(label, _LONGEST_NAME), nested=True):
                mlflow.set_tags(
                    {
                        "spearmint.config_id": case.case_id,
                        "spearmint.case_id": case.case_id,
                        "spearmint.role": _role(case),
                        **_fate(report, case),
                    }
                )
                for some in _batches(_parameters(case)):
                    mlflow.log_params(some)
                mlflow.log_metrics(dict(_metrics(report, case)))
        run_id: str = parent.info.run_id
        return run_id


def _description(report: Report) -> str:
    """Return what stands first: which parameter matters; after a race, how it ended."""
    if report.race is None:
        return effects_markdown({metric: report.effects(metric) for metric in report.metrics})
    return "\n\n".join(report.race_notes())


def _role(case: EvaluatedCase) -> str:
    return "main" if case.is_main else "variant"


def _fate(report: Report, case: EvaluatedCase) -> dict[str, str]:
    if report.race is None:
        return {}
    return {"spearmint.fate": report.race.fate(case.position, [one.case_id for one in report.cases])}


def _parameters(case: EvaluatedCase) -> dict[str, str]:
    named: dict[str, Any] = dict(case.parameters)
    if len(case.assignment) > 1:
        named |= {f"experiment.{name}": config_id for name, config_id in case.assignment.items()}
    return {mlflow_name(key): str(value)[:_LONGEST_VALUE] for key, value in named.items()}


def _batches(parameters: Mapping[str, str]) -> Iterator[dict[str, str]]:
    items = iter(parameters.items())
    while some := dict(itertools.islice(items, _AT_ONCE)):
        yield some


def _metrics(report: Report, case: EvaluatedCase) -> Iterator[tuple[str, float]]:
    """Yield names and values; MLflow takes no NaN in every store, so that what is unknown is left out."""
    yield "failures", float(report.results.failures(case.position))
    for metric in report.metrics:
        one = report.summary(metric)[case.position]
        values = {
            "": one.estimate.value,
            ".low": one.estimate.low,
            ".high": one.estimate.high,
            ".n": one.estimate.n,
            ".errors": one.errors,
        }
        if one.difference is not None:
            values |= {".difference": one.difference.value, ".p_value": one.difference.adjusted}
            values |= {".difference.low": one.difference.low, ".difference.high": one.difference.high}
        for suffix, value in values.items():
            if not math.isnan(value):
                yield mlflow_name(f"{metric}{suffix}"), float(value)
    for metric in report.results.measured[1:]:
        value = report.results.mean(case.position, metric)
        if not math.isnan(value):
            yield metric, value
    one = report.summary("latency")[case.position]
    for suffix, value in (("p50", one.p50), ("p95", one.p95)):
        if not math.isnan(value):
            yield f"latency.{suffix}", value


def _dataset(mlflow: Any, report: Report) -> Any:
    import pandas as pd  # noqa: PLC0415

    rows = itertools.islice(report.dataset.rows(), _LOGGED_ROWS)
    shown = (redactor().redact_together(row.inputs, row.expectations) for row in rows)
    frame = pd.DataFrame([{"inputs": _json(one), "expectations": _json(other)} for one, other in shown], dtype="object")
    return mlflow.data.from_pandas(frame, name=mlflow_name(report.dataset.name))


def _json(value: Any) -> str:
    return redactor().hide(json.dumps(value, default=repr, sort_keys=True))


def mlflow_name(text: str) -> str:
    """Return a name that MLflow takes."""
    return _STRANGE.sub("_", text)
