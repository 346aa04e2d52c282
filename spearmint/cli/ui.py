"""``spearmint ui``: a page to look at experiments with, served on loopback."""

import secrets
import socket
from pathlib import Path
from typing import Any

import click

from spearmint.cli.output import examples
from spearmint.errors import SpearmintError

_LOOPBACK = "127.0.0.1"


@click.command(
    "ui",
    epilog=examples("spearmint ui journal/", "spearmint ui journal/ --reports reports/ --mlflow http://127.0.0.1:5000"),
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
@click.option("--mlflow", default="", metavar="URL", help="Address of MLflow's page, to link to traces.")
@click.option("--mlflow-experiment", default="0", metavar="ID", help="The MLflow experiment that traces are in.")
def ui_command(
    *, journal: tuple[str, ...], port: int, reports: Path | None, horizon: float, mlflow: str, mlflow_experiment: str
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
    options = PageOptions(token, journal, reports, horizon, mlflow, mlflow_experiment)
    with _listening(port) as listening:
        click.echo(f"http://{_LOOPBACK}:{listening.getsockname()[1]}/?token={token}")
        _serve(page_app(options), listening)


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
