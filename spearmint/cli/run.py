"""``spearmint run``: a program, with what the settings name under experiment."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from spearmint.cli.launch import Launch
from spearmint.cli.output import examples, fail
from spearmint.errors import SettingsError

_TAKES_VALUE = ("--config",)


class ProgramCommand(click.Command):
    """A command whose own options end where a program begins, with ``-m`` or with a script, as for ``python``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the options in front of the program; what follows it is the program's."""
        return super().parse_args(ctx, _with_end_of_options(args))


def _with_end_of_options(args: Sequence[str]) -> list[str]:
    rest = list(args)
    index = 0
    while index < len(rest):
        option = rest[index]
        if option.startswith("-m"):
            module = [option[2:]] if len(option) > len("-m") else rest[index + 1 : index + 2]
            after = rest[index + 1 :] if len(option) > len("-m") else rest[index + 2 :]
            return [*rest[:index], "-m", *module, *(["--", *after] if module else [])]
        if option == "--" or not option.startswith("-"):
            break
        index += 2 if option in _TAKES_VALUE else 1
    return rest


@click.command(
    "run",
    cls=ProgramCommand,
    context_settings={"allow_interspersed_args": False},
    epilog=examples(
        "spearmint run train.py --epochs 3",
        "spearmint run --config experiments.yaml -m shop.server --port 8000",
        "SPEARMINT_CONFIG=experiments.yaml spearmint run app.pyz",
    ),
)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="Settings file. Default: $SPEARMINT_CONFIG, else spearmint.yaml or [tool.spearmint] in pyproject.toml.",
)
@click.option("-m", "module", metavar="MODULE", help="Run a module or package, as `python -m` does.")
@click.argument(
    "program",
    nargs=-1,
    type=click.UNPROCESSED,
    metavar="(SCRIPT | -m MODULE) [ARGS]...",
    shell_complete=lambda _ctx, _parameter, incomplete: [CompletionItem(incomplete, type="file")],
)
def run_command(config: Path | None, module: str | None, program: tuple[str, ...]) -> None:
    """Run a program with what the settings name under experiment.

    SCRIPT is a Python file, or a folder or zip file with a __main__.py. Everything behind it, or behind MODULE, is the
    program's own. It sees what it would see under `python`: sys.argv, sys.path, __main__, and its exit status is the
    command's. Functions of the script itself are targets in the module __main__.

    Exit status 2 means that the program was not started.
    """
    # Opening the hook takes a while, which `--help` need not.
    from spearmint.cli.run_program import run_module, run_script  # noqa: PLC0415
    from spearmint.instrument.importing.main_module import no_main  # noqa: PLC0415
    from spearmint.instrument.install import install  # noqa: PLC0415

    if module is None and not program:
        message = "Give a script, or -m and a module."
        raise click.UsageError(message)
    if module is None and not Path(program[0]).exists():
        raise fail(f"Cannot run {program[0]!r}: there is no such file or folder. Correct the path.", 2)
    try:
        with no_main():
            install(config)
    except SettingsError as error:
        raise fail(str(error), 2) from error
    if module is not None:
        raise Launch(partial(run_module, module, list(program)))
    raise Launch(partial(run_script, program[0], list(program[1:])))
