"""``spearmint evaluate``: configs over data from the command line, and a gate for CI."""

import functools
import math
import time
from pathlib import Path
from typing import Any

import click

from spearmint.cli.executor import executor_of
from spearmint.cli.gates import FAILED, GateCommand, conclude, how_to_go_on
from spearmint.cli.options import cell_options
from spearmint.cli.output import console, examples, fail
from spearmint.cli.spending import spending_of, spending_options
from spearmint.cli.targets import find_object, use_settings


def _check_endings(_ctx: click.Context, option: click.Parameter, paths: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse names of reports that end in what none is written as."""
    for path in paths:
        if Path(path).suffix.lower() not in (".html", ".csv", ".json"):
            raise click.BadParameter(f"{path!r} ends otherwise; give .html, .csv or .json.", param=option)
    return paths


def _concurrency(_ctx: click.Context, option: click.Parameter, text: str | None) -> int | str | None:
    if text is None or text == "auto":
        return text
    if not text.isdecimal() or int(text) < 1:
        raise click.BadParameter(f"{text!r} is no whole number from 1, nor auto.", param=option)
    return int(text)


def _rate(_ctx: click.Context, option: click.Parameter, text: str | None) -> float | None:
    """Return calls per second from a text such as 60/s or 600/m."""
    if text is None:
        return None
    number, _, unit = text.partition("/")
    try:
        rate = float(number) / {"": 1, "s": 1, "m": 60, "h": 3600}[unit]
    except (ValueError, KeyError):
        rate = 0.0
    if not 0 < rate < math.inf:
        raise click.BadParameter(f"{text!r} is no rate; give one such as 60/s or 600/m.", param=option)
    return rate


def _limits(options: dict[str, Any], rate: float | None, attempts: int | None) -> dict[str, Any]:
    """Return the options for how hard services may be pressed; none where nothing was said of it."""
    concurrency = options["concurrency"]
    if rate is None and attempts is None and concurrency != "auto":
        return {}
    from spearmint.evaluation.limits import Limits  # noqa: PLC0415 - as below

    return {"limits": Limits(concurrency=concurrency or "auto", rate=rate, attempts=attempts or 4), "concurrency": None}


@click.command(
    "evaluate",
    cls=GateCommand,
    epilog=examples(
        "spearmint evaluate shop.rank:score --data queries.jsonl --configs configs/ --scorer shop.judge:accuracy",
        "spearmint evaluate qa:answer --data qa.jsonl --scorer qa:exact --gate exact=-0.02 --report report.html",
        "spearmint evaluate qa:answer --data qa.jsonl --scorer qa:exact --processes 4 --resume run.jsonl",
    ),
)
@cell_options
@click.option(
    "--gate", "gates", multiple=True, metavar="METRIC=MARGIN", help="What all configs must hold against main."
)
@click.option("--resume", type=click.Path(dir_okay=False), help="File that results are written to and read from.")
@click.option(
    "--retry", type=click.Choice(["errors", "none", "all"]), default="errors", help="Stored results to make again."
)
@click.option(
    "--stale",
    type=click.Choice(["rerun", "use", "error"]),
    default="rerun",
    help="What to do with stored results of other code, configs or scorers.",
)
@click.option("--cluster", metavar="PLACE", help="Where rows that are not independent say so: inputs.document.")
@click.option(
    "--reduce",
    default="mean",
    show_default=True,
    metavar="HOW",
    help="How repeats become one score: mean, median, pass_at_K, pass_all_K.",
)
@click.option("--race", metavar="METRIC", help="Drop configs that fall behind in it; the winner is confirmed.")
@click.option("--vary", multiple=True, metavar="MODULE:NAME", help="Compare the configs of this alone; repeatable.")
@click.option(
    "--report",
    "reports",
    multiple=True,
    type=click.Path(),
    callback=_check_endings,
    metavar="FILE",
    help="Write the report: .html, .csv, or .json for later runs to be compared with; repeatable.",
)
@click.option("--baseline", type=click.Path(), metavar="FILE", help="A run.json that the gates hold against, not main.")
@click.option("--candidate", metavar="ID", help="The case that the gates hold for; by default all.")
@click.option("--junit", type=click.Path(dir_okay=False), metavar="FILE", help="Write the gates as JUnit.")
@click.option("--summary", type=click.Path(dir_okay=False), metavar="FILE", help="Write a summary in Markdown.")
@click.option("--mlflow", is_flag=True, help="Log runs to MLflow: a parent, and a child for each config.")
@click.option("--concurrency", callback=_concurrency, metavar="N|auto", help="Cells that run at once; auto adapts.")
@click.option("--rate", callback=_rate, metavar="N[/s]", help="Calls per second, such as 60/s; also 600/m.")
@click.option("--attempts", type=click.IntRange(min=1), help="How often a call is made until it succeeds.")
@click.option("--quiet", is_flag=True, help="Show neither progress nor table.")
@spending_options
def evaluate_command(  # noqa: PLR0917 - click passes them by name
    target: str,
    data: str,
    sources: tuple[str, ...],
    scorers: tuple[str, ...],
    gates: tuple[str, ...],
    lower: tuple[str, ...],
    repeats: int,
    resume: str | None,
    retry: Any,
    stale: Any,
    cluster: str | None,
    reduce: str,
    race: str | None,
    vary: tuple[str, ...],
    timeout: float | None,
    reports: tuple[str, ...],
    baseline: str | None,
    candidate: str | None,
    junit: str | None,
    summary: str | None,
    mlflow: bool,  # noqa: FBT001
    processes: int | None,
    dask: str | None,
    concurrency: int | str | None,
    rate: float | None,
    attempts: int | None,
    config: Path | None,
    quiet: bool,  # noqa: FBT001
    **spending: Any,
) -> None:
    """Run TARGET under every config on every row, score what comes of it, and compare the configs with main.

    TARGET is "module:function", an experiment or a plain function. Without --configs it runs under its own.

    With --gate, the exit status is 0 if every config passes, 1 if one is a regression, and 2 if the data cannot tell:
    a config passes when the worse bound of the interval of its difference from main is no worse than the margin. The
    interval is at 95 % for one config, and adjusted for all where there are several, as the p-values are.
    A margin of -0.02 lets it be 0.02 worse than main, and one of 0.01 asks it to be 0.01 better. With --baseline, each
    config is held against the same config in an earlier run instead, on the rows that both have. Without --gate the
    status is 0. An evaluation that could not be made, or in which every cell or every score failed, has status 3; one
    that was interrupted has 130.
    """
    # Opening the rest takes a while, which --help need not.
    from spearmint.api import Spearmint  # noqa: PLC0415
    from spearmint.evaluation.race import Race  # noqa: PLC0415
    from spearmint.evaluation.report.compare import compare_runs  # noqa: PLC0415
    from spearmint.evaluation.report.gate import check_gate, parse_gate  # noqa: PLC0415
    from spearmint.evaluation.report.saved_run import load_run  # noqa: PLC0415

    wanted = [parse_gate(text, lower) for text in gates]
    old = None if baseline is None else load_run(baseline)  # Before much is paid for.
    use_settings(config)
    function = find_object(target, "TARGET")
    named = [find_object(scorer, "--scorer") for scorer in scorers]
    options = {"resume": resume, "retry": retry, "stale": stale, "vary": list(vary) or None, "timeout": timeout}
    options |= {"repeats": repeats, "progress": not quiet, "concurrency": concurrency}
    options |= _limits(options, rate, attempts)
    options |= {"cluster": cluster, "reduce": reduce, "race": None if race is None else Race(race, lower=race in lower)}
    options |= spending_of(spending)
    started = time.perf_counter()
    with executor_of(processes, dask) as executor:
        configs = list(sources) or None
        report = Spearmint().evaluate(function, data, scorers=named, configs=configs, executor=executor, **options)
    if spending["estimate"]:
        from spearmint.evaluation.report.estimate import estimate_lines  # noqa: PLC0415

        click.echo("\n".join(estimate_lines(report, time.perf_counter() - started)))
        return
    if not quiet:
        console().print(report)
    for path in reports:
        click.echo(f"Report: {report.save(path)}", err=True)
    if mlflow:
        from spearmint.evaluation.tracking import log_report  # noqa: PLC0415

        click.echo(f"MLflow run: {log_report(report)}", err=True)
    if report.stopped is not None:
        click.echo(f"Ended early. {how_to_go_on(click.get_current_context())}", err=True)
    if report.stopped == "quota" and not report.results.count:
        raise fail("Nothing to compare: a quota was used up before a row had ended.", FAILED)
    if report.results.has_nothing:
        message = f"Nothing to compare: every cell or every score failed, such as {_first_error(report)}."
        raise fail(message, FAILED)
    _require_metrics(report, lower)
    comparison = None if old is None else compare_runs(old, report.as_run())
    check = functools.partial(check_gate, report) if comparison is None else comparison.check_gate
    results = [result for gate in wanted for result in check(gate, candidate)]
    conclude(report.function, results, comparison, junit=junit, summary=summary)


def _require_metrics(report: Any, names: tuple[str, ...]) -> None:
    """Refuse names that no metric of a report has."""
    for name in names:
        report.summary(name)


def _first_error(report: Any) -> str:
    samples = (sample for case in report.cases for sample in report.results.error_samples(case.position))
    return repr(next(samples, ("none", 0))[0])
