"""``spearmint check``: everything that is wrong with a settings file, before anything runs."""

import sys
from pathlib import Path

import click

from spearmint.cli.output import examples, fail
from spearmint.errors import SettingsError
from spearmint.instrument.settings.origin import split_errors


@click.command(
    "check", epilog=examples("spearmint check", "spearmint check experiments.yaml", "spearmint check pyproject.toml")
)
@click.argument("settings", required=False, type=click.Path(path_type=Path), metavar="[spearmint.yaml]")
def check_command(settings: Path | None) -> None:
    """Check a settings file against the configs, strategies and modules that it names.

    Modules are found and compiled, from source or bytecode, but not imported, except for extension modules that a
    target names. Every error is told, with file and line. Without an argument, the settings are found as
    `spearmint.install()` finds them. What the settings say by annotations (auto: annotated), and whether values
    validate, is known only when the functions are made.

    A key in which configs differ and that no binding takes is warned of, and reads of values that are not followed are
    noted with their places; neither changes the exit status.

    Exit status: 0 if nothing is wrong, else 1, also under a Python that Spearmint does not know and cannot tell.
    """
    from spearmint.discovery.cpython import is_supported, unknown_python  # noqa: PLC0415 - as below
    from spearmint.instrument.check.checker import Checker  # noqa: PLC0415 - opening it takes a while, which --help need not

    try:
        checker = Checker(settings)
    except SettingsError as error:
        raise _ending(split_errors(error)) from error
    folders = [str(Path.cwd()), str(checker.loaded.origin.folder)]
    sys.path[:0] = [folder for folder in dict.fromkeys(folders) if folder not in sys.path]
    errors = checker.errors()
    for warning in checker.warnings:
        click.echo(f"Warning: {warning}", err=True)
    for notice in checker.values.notices:
        click.echo(f"Note: {notice}", err=True)
    if errors:
        raise _ending(errors)
    if not is_supported():
        raise fail(
            f"Cannot tell which targets become experiments on {unknown_python()}. Configs, and names of modules, "
            "functions and parameters, are right; check the settings again under one of these.",
            1,
        )
    source = checker.loaded.origin.path
    varied = len(list(checker.loaded.values()))
    count = len(list(checker.loaded.entries())) + varied
    entries = "1 entry" if count == 1 else f"{count} entries"
    more = ", and those that ask for a config by annotations" if checker.has_annotated else ""
    more += ", and those of the script that `spearmint run` runs" if checker.has_script else ""
    found = f"functions that become experiments: {len(checker.experiments)}{more}"
    found += f"; values: {varied}, read in {checker.values.reads} places" if varied else ""
    click.echo(f"{source}: {entries}, nothing wrong; {found}.")


def _ending(errors: list[SettingsError]) -> click.exceptions.Exit:
    for error in errors:
        click.echo(str(error))
    click.echo(f"{len(errors)} error{'s' * (len(errors) != 1)}.", err=True)
    return click.exceptions.Exit(1)
