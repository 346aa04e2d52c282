"""``spearmint autostart``: children that Python starts without its environment variables."""

import click

from spearmint.cli.output import examples
from spearmint.instrument.child_processes.autostart import (
    disable_autostart,
    enable_autostart,
    is_autostart_enabled,
    site_packages,
)


@click.command(
    "autostart",
    epilog=examples("spearmint autostart enable", "spearmint autostart status", "spearmint autostart disable"),
)
@click.option("--start-file", is_flag=True, help="Write a .start file, which Python reads from 3.15 on.")
@click.argument("action", type=click.Choice(["enable", "disable", "status"]))
def autostart_command(action: str, *, start_file: bool) -> None:
    """Reach child processes that run with -I or -E.

    What an instrumented program starts is instrumented by way of PYTHONPATH, which these flags switch off. `enable`
    writes a module and a .pth file into the site-packages of this environment, which ask, as Python starts, whether the
    parent wants the process instrumented. `disable` removes both.
    """
    if action == "enable":
        for path in enable_autostart(as_start_file=start_file):
            click.echo(f"Wrote {path}")
    elif action == "disable":
        for path in disable_autostart() or ():
            click.echo(f"Removed {path}")
    state = "enabled" if is_autostart_enabled() else "disabled"
    click.echo(f"autostart is {state} in {site_packages()}")
