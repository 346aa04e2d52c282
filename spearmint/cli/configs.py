"""``spearmint configs``: the configs of files and folders, expanded, with their ids."""

import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any

import click
from rich.table import Table

from spearmint.cli.output import console, examples
from spearmint.config import Config, parse_configs
from spearmint.config.flatten import flatten
from spearmint.config.sources import iter_configs
from spearmint.redaction import redactor

_MISSING = object()
_MANY_COLUMNS = 8


@click.command(
    "configs",
    epilog=examples(
        "spearmint configs configs/",
        "spearmint configs rank.yaml 'sweeps/*.yaml' --format json",
        "spearmint configs huge_sweep.yaml --limit 5",
    ),
)
@click.argument("sources", nargs=-1, required=True, type=click.Path())
@click.option(
    "--format", "form", type=click.Choice(["table", "json", "ids"]), default="table", show_default=True, help="Output."
)
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=100,
    show_default=True,
    help="How many configs to expand; 0 for all of them.",
)
def configs_command(sources: tuple[str, ...], form: str, limit: int) -> None:
    """List the configs of SOURCES with their ids, sweeps expanded.

    A source is a .yaml, .yml, .json or .jsonl file, a folder, or a glob; a file may hold several configs. The table has
    a column for each value in which the configs differ; what they share stands below it. Secrets are masked.
    """
    has_more = False
    if limit == 0:
        shown = parse_configs(sources)
    else:
        found = iter_configs(sources)
        # Read again as a list, which is where two configs under one id are found.
        shown = parse_configs(list(itertools.islice(found, limit)))
        has_more = next(found, None) is not None
    if form == "json":
        entries = [{"id": config.config_id, "config": redactor().redact(config)} for config in shown]
        click.echo(json.dumps(entries, indent=2, default=str, ensure_ascii=False))
    elif form == "ids":
        click.echo("\n".join(config.config_id for config in shown))
    else:
        _print_table(shown)
    if has_more:
        click.echo(f"There are more than {limit}; --limit 0 lists all of them.", err=True)


def _print_table(shown: Sequence[Config]) -> None:
    whole = [flatten(config, lists=True) for config in shown]
    flat: list[Any] = [redactor().redact(values) for values in whole]
    paths = list(dict.fromkeys(itertools.chain.from_iterable(flat)))
    shared = [path for path in paths if _is_shared(path, whole)]
    own = [path for path in paths if path not in shared]
    table = Table(title=f"{len(shown)} config{'s' * (len(shown) != 1)}", title_justify="left", box=None, pad_edge=False)
    table.add_column("id", no_wrap=True, style="bold")
    if len(own) <= _MANY_COLUMNS:
        for path in own:
            table.add_column(path, overflow="fold")
        for config, values in zip(shown, flat, strict=True):
            table.add_row(config.config_id, *(_shown(values.get(path, _MISSING)) for path in own))
    else:
        table.add_column("what differs", overflow="fold")
        for config, values in zip(shown, flat, strict=True):
            differing = (f"{path}={_shown(values[path])}" for path in own if path in values)
            table.add_row(config.config_id, "  ".join(differing))
    printer = console()
    printer.print(table, markup=False)
    if shared:
        text = "  ".join(f"{path}={_shown(flat[0][path])}" for path in shared)
        printer.print(f"All of them: {text}" if len(shown) > 1 else text, markup=False)


def _is_shared(path: str, flat: Sequence[Mapping[str, Any]]) -> bool:
    first = flat[0].get(path, _MISSING)
    return all(_shown(values.get(path, _MISSING)) == _shown(first) for values in flat)


def _shown(value: Any) -> str:
    if value is _MISSING:
        return "-"
    return value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
