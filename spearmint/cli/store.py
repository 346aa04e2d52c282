"""``spearmint store``: what a store of runs holds, out of it, and less of it."""

import sys
from datetime import UTC, datetime
from pathlib import Path

import click
from rich import box
from rich.table import Table
from rich.text import Text

from spearmint.cli.output import console, examples


@click.group("store", epilog=examples("spearmint store ls runs.db", "spearmint store gc runs.db --keep 10"))
def store_command() -> None:
    """Look into a store of runs, export runs, and make it smaller."""


@store_command.command("ls")
@click.argument("store", type=click.Path(path_type=Path))
def list_command(store: Path) -> None:
    """List the runs in STORE, the oldest first."""
    from spearmint.evaluation.store_upkeep import list_runs  # noqa: PLC0415 - takes a while

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    for name in ("run", "started (UTC)", "function", "data", "configs", "rows", "cells", "failed", "state"):
        table.add_column(name, justify="right" if name in ("run", "configs", "rows", "cells", "failed") else "left")
    for one in list_runs(store):
        began = datetime.fromtimestamp(one.started, UTC).strftime("%Y-%m-%d %H:%M")
        counts = [f"{count:,}" for count in (one.configs, one.rows, one.cells, one.failed)]
        table.add_row(*map(Text, [str(one.id), began, one.function, one.data, *counts, one.state]))
    console().print(table)


@store_command.command("gc")
@click.argument("store", type=click.Path(path_type=Path))
@click.option("--keep", type=click.IntRange(min=0), metavar="N", help="Keep the last N runs of each function.")
@click.option("--older-than", type=click.FloatRange(min=0), metavar="DAYS", help="Remove runs that began before that.")
def collect_command(store: Path, keep: int | None, older_than: float | None) -> None:
    """Remove runs from STORE, and the outputs that no run has any more.

    Without options, no run is removed. Runs that are being written stay.
    """
    from spearmint.evaluation.store_upkeep import remove_runs  # noqa: PLC0415 - takes a while

    removed = remove_runs(store, keep=keep, days=older_than)
    freed = f"{removed.bytes / 1e6:,.1f} MB"
    click.echo(
        f"Removed {removed.runs:,} runs, {removed.cells:,} cells, {removed.contents:,} outputs and rows: {freed}."
    )


@store_command.command("export")
@click.argument("store", type=click.Path(path_type=Path))
@click.argument("run", type=int)
@click.option("--to", type=click.Path(path_type=Path), metavar="FILE", help="Where to; by default standard output.")
def export_command(store: Path, run: int, to: Path | None) -> None:
    """Write a RUN of STORE as JSON Lines, in the form that `--resume` reads."""
    from spearmint.evaluation.report.files import write_whole  # noqa: PLC0415 - takes a while
    from spearmint.evaluation.store_upkeep import export_lines  # noqa: PLC0415

    lines = export_lines(store, run)
    if to is None:
        sys.stdout.writelines(lines)
    else:
        write_whole(to, "".join(lines))
