"""Whether MLflow has a store at a tracking URI, found out in seconds and without making one."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mlflow.environment_variables import MLFLOW_HTTP_REQUEST_TIMEOUT
from mlflow.exceptions import MlflowException

from spearmint.errors import SpearmintError
from spearmint.redaction import redactor
from spearmint.suggest import did_you_mean
from spearmint.tracing.mlflow.server_store import NotMlflowError, ServerStore
from spearmint.tracing.mlflow.stores import sqlite_file

_setting: Any = MLFLOW_HTTP_REQUEST_TIMEOUT  # which MLflow types only in part
_SECONDS = 5.0  # In which a server must give its first answer; MLflow itself tries for minutes.


class UnreadableStoreError(SpearmintError, LookupError):
    """There is no store of MLflow's at a tracking URI, or it does not answer."""


def require_store(uri: str) -> None:
    """Make sure that there is a store to read, of which MLflow would make one that is not there.

    Args:
        uri: As MLflow takes it.

    Raises:
        UnreadableStoreError: If there is none, or a server does not answer within 5 seconds, or within
            ``MLFLOW_HTTP_REQUEST_TIMEOUT`` where that is set.
    """
    if urlsplit(uri).scheme in ("http", "https"):
        _require_server(uri)
        return
    file = sqlite_file(uri)
    if file is not None:
        _require_database(uri, file)


def _require_server(uri: str) -> None:
    timeout = _setting.get() if _setting.is_set() else _SECONDS
    try:
        ServerStore(uri, timeout).ask_for_proof()
    except NotMlflowError as error:
        raise UnreadableStoreError(str(error)) from error
    except MlflowException as error:
        cause = redactor().hide(str(error)[:1000])[:500]
        message = (
            f"Cannot read {redactor().hide(uri)!r}: no MLflow server answers there ({cause}). Check the tracking URI"
        )
        raise UnreadableStoreError(message) from error


def _require_database(uri: str, file: Path) -> None:
    place = redactor().hide(uri)
    if not file.is_file():
        near = [one.name for one in file.parent.glob("*.db")] if file.parent.is_dir() else []
        message = f"Cannot read {place!r}: there is no file {str(file)!r}. Check the tracking URI."
        raise UnreadableStoreError(f"{message}{did_you_mean(file.name, near)}")
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=_SECONDS)) as database:
            is_mlflows = database.execute("select 1 from sqlite_master where name = 'experiments'").fetchone()
    except sqlite3.Error as error:
        message = f"Cannot read {place!r}: SQLite cannot open {str(file)!r} ({error}). Check the tracking URI."
        raise UnreadableStoreError(message) from error
    if not is_mlflows:
        message = f"Cannot read {place!r}: it has no tables of MLflow's. Check the tracking URI."
        raise UnreadableStoreError(message)
