"""``spearmint completion``: what a shell reads to complete the command."""

import click
from click.shell_completion import ShellComplete, get_completion_class

from spearmint.cli.output import examples

_VARIABLE = "_SPEARMINT_COMPLETE"


@click.command(
    "completion",
    epilog=examples(
        'eval "$(spearmint completion bash)"            # in ~/.bashrc',
        'eval "$(spearmint completion zsh)"             # in ~/.zshrc',
        "spearmint completion fish > ~/.config/fish/completions/spearmint.fish",
    ),
)
@click.argument("shell", type=click.Choice(["bash", "fish", "zsh"]))
@click.pass_context
def completion_command(ctx: click.Context, shell: str) -> None:
    """Print what makes SHELL complete the names of commands and options."""
    kind = get_completion_class(shell) or ShellComplete
    click.echo(kind(ctx.find_root().command, {}, "spearmint", _VARIABLE).source())
