"""``spearmint ui``: a page to look at experiments with, served on loopback."""

import contextlib
import functools
import secrets
import socket
import sys
from pathlib import Path
from typing import Any

import click

from spearmint.cli.graph import draw_target
from spearmint.cli.output import examples
from spearmint.cli.targets import use_settings
from spearmint.errors import SpearmintError
from spearmint.import_path import import_object

_LOOPBACK = "127.0.0.1"


@click.command(
    "ui",
    epilog=examples("spearmint ui journal/", "spearmint ui journal/ --reach --reports reports/"),
)
@click.argument("journal", nargs=-1, type=click.Path())
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="Port; 0 takes any.")
@click.option(
    "--reports",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Folder with reports of evaluations, .json and .html.",
)
@click.option("--horizon", type=float, default=5000, show_default=True, metavar="UNITS", help="When a verdict is due.")
@click.option("--reach", is_flag=True, help="Import the experiments' modules, to draw what they reach.")
@click.option("--config", type=click.Path(path_type=Path), help="Settings file for --reach, as of `spearmint graph`.")
@click.option("--mlflow", default="", metavar="URL", help="Address of MLflow's page, to link to traces.")
@click.option("--mlflow-experiment", default="0", metavar="ID", help="The MLflow experiment that traces are in.")
def ui_command(
    *,
    journal: tuple[str, ...],
    port: int,
    reports: Path | None,
    horizon: float,
    reach: bool,
    config: Path | None,
    mlflow: str,
    mlflow_experiment: str,
) -> None:
    """Serve a page that shows the online experiments of JOURNAL, and reports of evaluations.

    It is served to this machine alone, and to a browser that opens the printed address: it carries a token, which is
    new each time. Nothing is loaded from elsewhere.
    """
    # Opening the rest takes a while, which --help need not.
    from spearmint.ui.server import PageOptions, page_app  # noqa: PLC0415

    token = secrets.token_urlsafe(16)
    if mlflow and not mlflow.startswith(("http://", "https://")):
        raise click.BadParameter(f"{mlflow!r} is no address; give one such as http://127.0.0.1:5000.")
    if config is not None and not reach:
        raise click.BadParameter("--config says under which settings modules are imported; give --reach too.")
    if reach:
        use_settings(config)
    options = PageOptions(token, journal, reports, horizon, mlflow, mlflow_experiment, reached if reach else None)
    with _listening(port) as listening:
        click.echo(f"http://{_LOOPBACK}:{listening.getsockname()[1]}/?token={token}")
        _serve(page_app(options), listening)


@functools.cache
def reached(name: str) -> str:
    """Return what an experiment reaches as a tree, else why that is not known: the rest of the page is shown anyway."""
    from spearmint.discovery.cpython import is_supported, unknown_python  # noqa: PLC0415 - as above

    if not is_supported():
        return f"Cannot tell what {name!r} reaches on {unknown_python()}."
    try:
        with contextlib.redirect_stdout(sys.stderr):
            return draw_target(name, import_object(name)).tree()
    except Exception as error:  # noqa: BLE001 - whatever the module raises as it is imported
        return f"Cannot tell what {name!r} reaches: {type(error).__name__}: {error}"


def _listening(port: int) -> socket.socket:
    """Return a socket that listens on loopback."""
    try:
        return socket.create_server((_LOOPBACK, port))
    except OSError as error:
        cause = error.strerror or type(error).__name__
        raise SpearmintError(f"Cannot serve on port {port}: {cause}. Give another one, or --port 0 for any.") from error


def _serve(app: Any, listening: socket.socket) -> None:
    """Serve until Ctrl-C."""
    import uvicorn  # noqa: PLC0415 - comes with mlflow

    uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off")).run(sockets=[listening])
