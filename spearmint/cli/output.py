"""What the subcommands print with."""

import sys

import click
from rich.console import Console

_PIPE_WIDTH = 160


def console(*, stderr: bool = False) -> Console:
    """Return a console for a stream, wide where it is no terminal, so that a pipe or file gets whole lines."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(file=stream, width=None if stream.isatty() else _PIPE_WIDTH, highlight=False, soft_wrap=False)


def examples(*lines: str) -> str:
    """Return the epilog of a click command whose help ends with examples, each in a line of its own."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def fail(message: str, status: int) -> click.exceptions.Exit:
    """Tell on stderr why a command ends, and return what ends it."""
    click.echo(f"Error: {message}", err=True)
    return click.exceptions.Exit(status)
