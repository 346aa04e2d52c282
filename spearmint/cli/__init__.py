"""The ``spearmint`` command. Each subcommand is a module, which opens when it is asked for."""

import importlib
from typing import Any

import click

from spearmint.cli.launch import Launch
from spearmint.errors import SpearmintError
from spearmint.suggest import did_you_mean

# From each subcommand to the module that has it, as ``<subcommand>_command``.
_COMMANDS: dict[str, str] = {
    "assign": "spearmint.cli.assign",
    "autostart": "spearmint.cli.autostart",
    "check": "spearmint.cli.check",
    "compare": "spearmint.cli.compare",
    "completion": "spearmint.cli.completion",
    "configs": "spearmint.cli.configs",
    "evaluate": "spearmint.cli.evaluate",
    "graph": "spearmint.cli.graph",
    "init": "spearmint.cli.init",
    "plan": "spearmint.cli.plan",
    "report": "spearmint.cli.report",
    "rescore": "spearmint.cli.rescore",
    "run": "spearmint.cli.run",
    "search": "spearmint.cli.search",
    "stage": "spearmint.cli.stage",
    "store": "spearmint.cli.store",
    "traces": "spearmint.cli.traces",
    "ui": "spearmint.cli.ui",
}


class LazyGroup(click.Group):
    """A group whose subcommands are imported on first use, so that ``--help`` and completion stay quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all subcommands."""
        return sorted({*super().list_commands(ctx), *_COMMANDS})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of a subcommand, and return the command."""
        if cmd_name not in _COMMANDS:
            return super().get_command(ctx, cmd_name)
        command: click.Command = getattr(importlib.import_module(_COMMANDS[cmd_name]), f"{cmd_name}_command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a subcommand; an unknown name is refused with those that are close to it."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            message = f"{error.message}{did_you_mean(args[0], self.list_commands(ctx))}"
            raise click.UsageError(message, error.ctx) from error

    def main(self, *args: Any, **options: Any) -> Any:
        """Run the command, and the program that it starts."""
        try:
            return super().main(*args, **options)
        except Launch as launch:
            start = launch.start
        return start()

    def invoke(self, ctx: click.Context) -> Any:
        """Run a subcommand, and tell what Spearmint refuses as a command does: a line on stderr, and exit status 1."""
        try:
            return super().invoke(ctx)
        except SpearmintError as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="spearmint-experiments", prog_name="spearmint")
def main() -> None:
    """Run functions under many configs, and find out which is better."""
