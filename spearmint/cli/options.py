"""Options that several commands have."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

C = TypeVar("C", bound=Callable[..., Any])


def option_group(*options: Callable[[C], C]) -> Callable[[C], C]:
    """Return a decorator that gives a command several options, in this order."""

    def give(command: C) -> C:
        for option in reversed(options):
            command = option(command)
        return command

    return give


cell_options = option_group(
    click.argument("target"),
    click.option("--data", required=True, type=click.Path(), metavar="FILE", help="Rows, as JSON Lines."),
    click.option(
        "--configs",
        "sources",
        multiple=True,
        type=click.Path(),
        metavar="SOURCE",
        help="Configs, main first; files, folders, globs.",
    ),
    click.option(
        "--scorer", "scorers", multiple=True, required=True, metavar="MODULE:NAME", help="A scorer; repeatable."
    ),
    click.option("--lower", multiple=True, metavar="METRIC", help="A metric of which less is better; latency is one."),
    click.option(
        "--repeats", type=click.IntRange(min=1), default=1, show_default=True, help="Runs of each config per row."
    ),
    click.option(
        "--timeout",
        type=click.FloatRange(min=0, min_open=True),
        metavar="SECONDS",
        help="Time for a row, and a scorer.",
    ),
    click.option("--processes", type=click.IntRange(min=1), help="Run on that many processes instead of threads."),
    click.option("--dask", metavar="ADDRESS", help="Run on the Dask cluster with that scheduler."),
    click.option("--config", type=click.Path(path_type=Path), help="Settings file, found as for `spearmint run`."),
)
"""What is to run, on which rows, how it is scored, and where its cells run."""
