"""``spearmint search``: some of many configs, those that promise most, from the command line."""

from pathlib import Path
from typing import Any

import click

from spearmint.cli.executor import executor_of
from spearmint.cli.gates import GateCommand
from spearmint.cli.options import cell_options
from spearmint.cli.output import console, examples
from spearmint.cli.targets import find_object, use_settings


@click.command(
    "search",
    cls=GateCommand,
    epilog=examples(
        "spearmint search qa:answer --data qa.jsonl --configs sweep.yaml --scorer qa:exact --storage search.db",
        "spearmint search qa:answer --data qa.jsonl --scorer qa:exact --race exact --trials 400 --processes 4",
        "spearmint search qa:answer --data qa.jsonl --scorer qa:exact --metric exact --metric latency",
    ),
)
@cell_options
@click.option(
    "--trials", type=click.IntRange(min=1), default=200, show_default=True, help="Cases to try, those stored included."
)
@click.option("--metric", "metrics", multiple=True, metavar="METRIC", help="What to search by, the first one first.")
@click.option("--race", metavar="METRIC", help="Let cases leave early that fall behind in it.")
@click.option("--storage", metavar="FILE|URL", help="Where Optuna keeps the trials; the search goes on from there.")
@click.option("--resume", type=click.Path(dir_okay=False), help="File that keeps cells, where the storage is no file.")
@click.option(
    "--confirm",
    type=click.FloatRange(min=0, max=1, max_open=True),
    default=0.3,
    show_default=True,
    help="Share of the rows held out.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of all that is chosen by chance.")
@click.option("--concurrency", type=click.IntRange(min=1), metavar="N", help="Cells that run at once.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
def search_command(  # noqa: PLR0917 - click passes them by name
    target: str,
    data: str,
    sources: tuple[str, ...],
    scorers: tuple[str, ...],
    trials: int,
    metrics: tuple[str, ...],
    lower: tuple[str, ...],
    race: str | None,
    config: Path | None,
    processes: int | None,
    dask: str | None,
    quiet: bool,  # noqa: FBT001
    **options: Any,
) -> None:
    """Try some of the configs of TARGET, those that promise most by what the others have scored.

    TARGET is "module:function", an experiment or a plain function. Its sweeps, and those of every nested experiment,
    are what is searched. The first config is main: the best is compared with it on rows that are held out. It needs
    the extra "search".

    The exit status is 0, 3 for a search that could not be made, or in which no trial has a score, and 130 for one that
    was interrupted.
    """
    # Opening the rest takes a while, which --help need not.
    from spearmint.api import Spearmint  # noqa: PLC0415
    from spearmint.evaluation.race import Race  # noqa: PLC0415

    use_settings(config)
    function = find_object(target, "TARGET")
    named = [find_object(scorer, "--scorer") for scorer in scorers]
    raced = None if race is None else Race(race, lower=race in lower)
    with executor_of(processes, dask) as executor:
        found = Spearmint().search(
            function,
            data,
            scorers=named,
            trials=trials,
            race=raced,
            configs=list(sources) or None,
            metrics=metrics,
            lower=lower,
            executor=executor,
            progress=not quiet,
            **options,
        )
    found.best()  # Without any score there is nothing to tell.
    console().print(found)
