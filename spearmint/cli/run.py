"""``spearmint run``: a program, with what the settings name under experiment."""

import atexit
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from spearmint.cli.launch import Launch
from spearmint.cli.output import examples, fail
from spearmint.errors import SettingsError
from spearmint.instrument.child_processes.lazy_finder import remove_lazy_finder

_TAKES_VALUE = ("--config",)
_PROGRAMS = ("-m", "-c")
_STDIN = "-"


class ProgramCommand(click.Command):
    """A command whose own options end where a program begins, with ``-m``, ``-c`` or a script, as for ``python``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the options in front of the program; what follows it is the program's."""
        return super().parse_args(ctx, _with_end_of_options(args))


def _with_end_of_options(args: Sequence[str]) -> list[str]:
    rest = list(args)
    index = 0
    while index < len(rest):
        option = rest[index]
        if (kind := option[:2]) in _PROGRAMS:
            is_joined = len(option) > len(kind)
            program = [option[2:]] if is_joined else rest[index + 1 : index + 2]
            after = rest[index + 1 :] if is_joined else rest[index + 2 :]
            return [*rest[:index], kind, *program, *(["--", *after] if program else [])]
        if option == _STDIN:
            return [*rest[:index], "--", *rest[index:]]
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
        "spearmint run -c 'import shop; print(shop.search(1))'",
    ),
)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="Settings file. Default: $SPEARMINT_CONFIG, else spearmint.yaml or [tool.spearmint] in pyproject.toml.",
)
@click.option("--report", is_flag=True, help="At exit, tell on stderr what became of each module and target.")
@click.option("--inherits", is_flag=True, hidden=True)  # The parent's settings are in force already.
@click.option("-m", "module", metavar="MODULE", help="Run a module or package, as `python -m` does.")
@click.option("-c", "code", metavar="CODE", help="Run a program that is given as text, as `python -c` does.")
@click.argument(
    "program",
    nargs=-1,
    type=click.UNPROCESSED,
    metavar="(SCRIPT | - | -m MODULE | -c CODE) [ARGS]...",
    shell_complete=lambda _ctx, _parameter, incomplete: [CompletionItem(incomplete, type="file")],
)
def run_command(
    config: Path | None,
    module: str | None,
    code: str | None,
    program: tuple[str, ...],
    *,
    report: bool,
    inherits: bool,
) -> None:
    """Run a program with what the settings name under experiment.

    SCRIPT is a Python file, or a folder or zip file with a __main__.py, such as a .pyz or .pex; - is a program on
    standard input. Everything behind it, or behind MODULE or CODE, is the program's own. It sees what it would see
    under `python`: sys.argv, sys.path, __main__, and its exit status is the command's. Functions of the program itself
    are targets in the module __main__.

    Exit status 2 means that the program was not started.
    """
    if module is None and code is None:
        _refuse_script(program)
    # Opening the hook takes a while, which `--help` need not.
    from spearmint.cli.run_program import run_code, run_module, run_script, run_stdin  # noqa: PLC0415
    from spearmint.instrument.importing.main_module import no_main  # noqa: PLC0415
    from spearmint.instrument.install import install_for_program  # noqa: PLC0415

    if not inherits:
        remove_lazy_finder()  # What a parent has asked for; the settings of the command count.
        try:
            with no_main():
                install_for_program(config)
        except SettingsError as error:
            raise fail(str(error), 2) from error
    if report:
        atexit.register(_print_reports)
    args = list(program)
    if module is not None:
        raise Launch(partial(run_module, module, args))
    if code is not None:
        raise Launch(partial(run_code, code, args))
    if args[0] == _STDIN:
        raise Launch(partial(run_stdin, args[1:]))
    raise Launch(partial(run_script, args[0], args[1:]))


def _print_reports() -> None:
    from spearmint.instrument.install import installed  # noqa: PLC0415 - as above

    for handle in installed():
        click.echo(handle.report(raises=False), err=True)


def _refuse_script(program: Sequence[str]) -> None:
    """Raise an error if there is no script, or none that can be run."""
    if not program:
        message = "Give a script, - for standard input, -m and a module, or -c and code."
        raise click.UsageError(message)
    if program[0] == _STDIN:
        if sys.stdin.isatty():
            raise fail("Cannot run '-': standard input is a terminal. Pipe a program into it, or give a script.", 2)
    elif not Path(program[0]).exists():
        raise fail(f"Cannot run {program[0]!r}: there is no such file or folder. Correct the path.", 2)
