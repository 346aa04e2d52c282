"""``spearmint report``: what came of an online experiment, with a gate for CI."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from spearmint.cli.gates import GateCommand, conclude
from spearmint.cli.output import console, examples

if TYPE_CHECKING:
    from spearmint.evaluation.online.online_report import OnlineReport


@click.command(
    "report",
    cls=GateCommand,
    epilog=examples(
        "spearmint report journal/",
        "spearmint report host-a/ host-b/ --experiment shop.rank:score --metric purchase --metric clicks/views",
        "spearmint report journal/ --gate purchase=-0.01 --html report.html",
    ),
)
@click.argument("journal", nargs=-1, required=True, type=click.Path())
@click.option("--experiment", metavar="NAME", help="Which experiment; by default all that the journals tell of.")
@click.option("--metric", "metrics", multiple=True, metavar="NAME", help="An outcome, or a ratio of two; repeatable.")
@click.option("--gate", "gates", multiple=True, metavar="METRIC=MARGIN", help="What all arms must hold against main.")
@click.option(
    "--lower", multiple=True, metavar="METRIC", help="A metric of which less is better; error and duration are."
)
@click.option("--alpha", type=float, default=0.05, show_default=True, help="How likely a false alarm is to be.")
@click.option("--horizon", type=float, default=5000, show_default=True, metavar="UNITS", help="When a verdict is due.")
@click.option(
    "--test", default="sequential", show_default=True, metavar="NAME", help="sequential, or fixed for one planned look."
)
@click.option("--covariate", metavar="NAME", help="before: less what units' own values before explain (CUPED).")
@click.option("--version", metavar="HASH", help="Of which version of configs, weights and targeting.")
@click.option("--html", type=click.Path(dir_okay=False), metavar="FILE", help="Write the page.")
@click.option("--csv", type=click.Path(dir_okay=False), metavar="FILE", help="Write the numbers as a table.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON in place of tables.")
@click.option("--mlflow", is_flag=True, help="Log runs to MLflow: a parent, and a child for each arm.")
@click.option("--junit", type=click.Path(dir_okay=False), metavar="FILE", help="Write the gates as JUnit.")
@click.option("--summary", type=click.Path(dir_okay=False), metavar="FILE", help="Write the gates in Markdown.")
def report_command(
    *,
    journal: tuple[str, ...],
    experiment: str | None,
    metrics: tuple[str, ...],
    gates: tuple[str, ...],
    lower: tuple[str, ...],
    as_json: bool,
    mlflow: bool,
    html: str | None,
    csv: str | None,
    junit: str | None,
    summary: str | None,
    **options: Any,
) -> None:
    """Say what came of online experiments, from the journals of all their processes.

    JOURNAL is a folder that "online: journal" names, or files of it. Health comes first: where units are missing, lost
    or in the wrong arms, there is no verdict, but why not.

    With --gate, the exit status is 0 if every arm passes, 1 if one is a regression, and 2 if the data cannot tell,
    which they never can while the records are unhealthy. Journals that cannot be read, or tell of no exposure: 3.
    """
    # Opening the rest takes a while, which --help need not.
    from spearmint.evaluation.online.metric import WORSE_IF_HIGHER  # noqa: PLC0415
    from spearmint.evaluation.online.online_gate import check_online_gate  # noqa: PLC0415
    from spearmint.evaluation.report.gate import parse_gate  # noqa: PLC0415

    wanted = [parse_gate(text, (*WORSE_IF_HIGHER, *lower)) for text in gates]
    if metrics:
        metrics = tuple(dict.fromkeys([*metrics, *(gate.metric for gate in wanted)]))
    reports = _reports(journal, experiment, {**options, "metrics": metrics or None})
    if experiment is None and len(reports) > 1 and (html or csv):
        names = ", ".join(one.experiment for one in reports)
        raise click.UsageError(f"--html and --csv take one experiment: name one with --experiment. There are {names}.")
    if as_json:
        click.echo(json.dumps([one.to_dict() for one in reports] if experiment is None else reports[0].to_dict()))
    else:
        for one in reports:
            console().print(one)
    for path in (html, csv):
        if path is not None:
            click.echo(f"Report: {reports[0].save(Path(path))}", err=True)
    if mlflow:
        from spearmint.evaluation.online.online_tracking import log_online_report  # noqa: PLC0415

        for one in reports:
            click.echo(f"MLflow run: {log_online_report(one)}", err=True)
    results = [result for one in reports for gate in wanted for result in check_online_gate(one, gate)]
    name = ", ".join(one.experiment for one in reports)
    conclude(name, results, None, junit=junit, summary=summary)


def _reports(journal: tuple[str, ...], experiment: str | None, options: dict[str, Any]) -> "Sequence[OnlineReport]":
    from spearmint.evaluation.online.online_report import online_report, online_reports  # noqa: PLC0415 - opens scipy

    if experiment is not None:
        return [online_report(journal, experiment, **options)]
    return online_reports(journal, **options)
