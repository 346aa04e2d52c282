"""``spearmint init``: what could vary in all that a function reaches, and a settings file to begin with."""

import contextlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NoReturn

import click

from spearmint.cli.output import examples, fail
from spearmint.import_path import import_object


@click.command(
    "init",
    epilog=examples(
        "spearmint init shop.api:answer",
        "spearmint init shop.api:answer --write spearmint.yaml",
        "spearmint init shop.api:answer --data rows.jsonl --scorer shop.judge:accuracy --budget-cells 2000",
    ),
)
@click.argument("target")
@click.option("--write", type=click.Path(path_type=Path), metavar="FILE", help="Settings file to make; a new one.")
@click.option("--data", type=click.Path(exists=True, path_type=Path), metavar="FILE", help="Rows, as JSON Lines.")
@click.option("--scorer", "scorers", multiple=True, metavar="MODULE:NAME", help="A scorer; repeatable.")
@click.option(
    "--budget-cells",
    type=click.IntRange(min=2),
    default=2000,
    show_default=True,
    help="Most calls of TARGET, main's included.",
)
def init_command(
    target: str, write: Path | None, data: Path | None, scorers: tuple[str, ...], budget_cells: int
) -> None:
    """Tell what could vary in all code that TARGET reaches, the likeliest first.

    TARGET is "module:function". Its module is imported. Told are constants, class attributes and literals that the code
    reads, prompts among them, parameters with defaults, and such options of functions of other packages that it calls.
    With --write, a settings file is made with modest sweeps, all commented out but the likeliest. With --data and
    --scorer, each is varied alone on the same rows, and the effects are told with simultaneous intervals.
    """
    from spearmint.instrument.values.candidates import candidates  # noqa: PLC0415 - --help need not open it
    from spearmint.instrument.values.suggestions import alternatives, settings_text, shown  # noqa: PLC0415

    if write is not None and write.exists():
        raise fail(f"Cannot write {str(write)!r}: it is there already. Name a new file, or move that one.", 2)
    if (data is None) != (not scorers):
        raise fail("Cannot screen without both --data and --scorer. Give the other one, too.", 2)
    if (cwd := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, cwd)
    try:
        with contextlib.redirect_stdout(sys.stderr):  # What the module prints is no part of the list.
            function = import_object(target)
    except (ImportError, ValueError) as error:
        raise fail(f"Cannot look into {target!r}: {error}", 1) from error
    found = [one for one in candidates(function) if alternatives(one)]
    for one in found:
        name = f"{one.name} ({one.parameter})" if one.parameter else one.name
        click.echo(f"{one.kind:9}  {name}  {shown(one.value)}  {one.place}")
    if not found:
        raise fail(f"Nothing that {target!r} reaches could vary: it reads no constants, and has no defaults.", 1)
    packages = list(dict.fromkeys(name.name.partition(":")[0].partition(".")[0] for name in found))
    root = target.partition(":")[0].partition(".")[0]
    packages = [root, *(one for one in packages if one != root)]
    if write is not None:
        write.write_text(settings_text(target, packages, found), encoding="utf-8")
        click.echo(f"Wrote {write}: {len(found)} things could vary, the first is in force.", err=True)
    if data is not None:
        _screen(target, found, data, scorers, budget=budget_cells, packages=packages)


def _screen(
    target: str, found: list[Any], data: Path, scorers: tuple[str, ...], *, budget: int, packages: list[str]
) -> NoReturn:
    """Vary each of the likeliest alone, in a process that imports the code anew, and end with its exit status."""
    from spearmint.instrument.values.suggestions import alternatives, entry_of, grouped  # noqa: PLC0415

    rows = [line for line in data.read_text(encoding="utf-8").splitlines() if line.strip()]
    given = {key for line in rows[:1] for key in _inputs(line)}
    wanted = [one for one in found if not (one.name == target and one.parameter in given)]
    chosen: list[list[Any]] = []
    cells = len(rows)
    for group in grouped(wanted):
        more = sum(len(alternatives(one)) for one in group) * len(rows)
        if cells + more <= budget:
            chosen.append(group)
            cells += more
    if not chosen:
        least = 1 + min(len(alternatives(one)) for one in wanted or found)
        advice = f"Give a budget of {least * len(rows)}, or at most {budget // least} rows"
        raise fail(f"Cannot screen within {budget} cells: {len(rows)} rows take more. {advice}.", 2)
    count = sum(map(len, chosen))
    click.echo(f"Screening {count} of {len(found)} on {len(rows)} rows: {cells} cells.", err=True)
    if count < len(found):
        click.echo("The others are left out by --budget-cells, or are given by the rows.", err=True)
    entries = [entry_of(target, group) for group in chosen]
    if all(entry.get("target") != target for entry in entries):
        entries.append({"target": target, "combine": "one_at_a_time", "max_cases": None})
    for entry in entries:
        if entry.get("target") == target:
            entry.update(combine="one_at_a_time", max_cases=None)
        entry.pop("within", None)
    with tempfile.TemporaryDirectory() as folder:
        settings = Path(folder) / "screening.json"
        settings.write_text(json.dumps({"packages": packages, "experiments": entries}), encoding="utf-8")
        command = [sys.executable, "-m", "spearmint", "evaluate", target, "--data", str(data)]
        command += [part for scorer in scorers for part in ("--scorer", scorer)]
        ended = subprocess.run([*command, "--config", str(settings)], check=False)  # noqa: S603 - Python, and ourselves
    raise click.exceptions.Exit(ended.returncode)


def _inputs(line: str) -> set[str]:
    row = json.loads(line)
    return set(row.get("inputs", row)) if isinstance(row, dict) else set()
