"""What the commands that look at one function share: the settings in force, and the import of their TARGET."""

import contextlib
import os
import sys
from pathlib import Path
from typing import Any

from spearmint.cli.output import fail
from spearmint.errors import EvaluationError
from spearmint.import_path import import_object
from spearmint.instrument.settings.load import find_settings


def use_settings(config: Path | None) -> None:
    """Install what the settings say, where there are some, and let modules of the working directory be found."""
    if os.getcwd() not in sys.path and "" not in sys.path:  # noqa: PTH109 - entries of sys.path are text
        sys.path.insert(0, os.getcwd())  # noqa: PTH109 - as `python -m` does
    if config is not None or find_settings() is not None:
        from spearmint.instrument.install import install  # noqa: PLC0415 - takes a while

        install(config)


def find_object(target: str, option: str) -> Any:
    """Import the ``module:name`` that an option says.

    Raises:
        EvaluationError: If it cannot be imported.
    """
    try:
        return import_object(target)
    except ImportError as error:
        raise EvaluationError(f"Cannot find {option} {target!r}: {error}") from error


def import_target(target: str, aim: str) -> Any:
    """Import the function of a ``module:name``; what the command does with it words the refusal."""
    if ":" not in target:
        guess, _, last = target.rpartition(".")
        raise fail(f"Cannot {aim} {target!r}: it has no colon. Write {f'{guess}:{last}'!r}.", 2)
    try:
        with contextlib.redirect_stdout(sys.stderr):  # What the module prints is no part of the output.
            return import_object(target)
    except ImportError as error:
        raise fail(f"Cannot {aim} {target!r}: {error}", 1) from error
